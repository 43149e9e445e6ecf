"""A figure that a notebook shows as the last value of a cell, without any magic."""

from matplotlib.figure import Figure

from pellucid.figures.appearance.picture import drawn


class ShownFigure(Figure):
    """A matplotlib ``Figure`` that knows its picture.

    Jupyter draws a bare ``Figure`` only once pyplot or ``%matplotlib inline`` has told it how;
    until then a cell shows ``<Figure size ...>``. Jupyter, VS Code and Colab ask every value for
    ``_repr_png_``, so this one is shown in all of them.
    """

    def _repr_png_(self) -> bytes:
        return drawn(self, ".png")
