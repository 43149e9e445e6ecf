"""Lens grids: what the model would say after each layer, at each position."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from pellucid.figures import validate
from pellucid.figures.appearance.canvas import canvas, settle
from pellucid.figures.appearance.palette import ink_on
from pellucid.figures.appearance.style import POINTS, SMALL, styled
from pellucid.figures.appearance.text import visible, widest
from pellucid.figures.cells import (
    Scale,
    colour_bar,
    hatch_absent,
    label_columns,
    label_rows,
    limits,
    paint,
)
from pellucid.figures.heatmap import frame, legend

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

ROW = 0.2
CROWDED = 24
"""From this many positions on, cell text is small and cut shorter."""


def lens_grid(
    values: ArrayLike,
    texts: Sequence[Sequence[str | tuple[str, ...]]],
    *,
    tokens: Sequence[str],
    rows: Sequence[str],
    title: str,
    label: str = "probability of the top token",
    highlight: Sequence[tuple[int, int]] = (),
) -> "Figure":
    """Cells ``[layer position]`` with the token ``texts`` in them, coloured by ``values``.

    A cell may hold several tokens; a bar stands between them.
    The first row is on top; ``tokens`` name the positions. Colours are centred on zero as soon as
    a value is negative (a logit difference), else they start at zero (a probability). The figure
    grows with the number of cells, so that the text stays readable.

    **Raises** ``FigureError`` when texts or names don't match the numbers.
    """
    grid = validate.array(values, "values", "layer position")
    n_rows, n_columns = grid.shape
    row_names = validate.names(rows, n_rows, "rows", "layers")
    validate.matching(tokens, n_columns, "tokens", "positions")
    validate.matching(texts, n_rows, "texts", "layers")
    for line in texts:
        validate.matching(line, n_columns, "a line of texts", "positions")
    size, most = (SMALL, 10) if n_columns < CROWDED else (SMALL - 1, 8)
    inside = [[_inside(text, most) for text in line] for line in texts]
    needed = widest([text for line in inside for text in line], size) + 5
    cell = max(needed / POINTS, 0.3), ROW
    width, height = max(cell[0] * n_columns, 2.2), max(ROW * n_rows, 0.4)
    scale: Scale = "diverging" if np.nanmin(grid, initial=0.0) < 0 else "sequential"
    with styled():
        figure, (panel,) = canvas()
        image = paint(panel, grid, scale, limits(grid, scale), cell)
        label_rows(panel, row_names, cell[1])
        label_columns(panel, [visible(token) for token in tokens], cell[0])
        frame(panel, highlight)
        if np.isnan(grid).any():
            hatch_absent(panel)
        colour_bar(panel, image, legend(label, scale, grid), (width, height))
        _write(image, grid, inside, size)
        return settle(figure, width, height, title=title)


def _inside(text: str | tuple[str, ...], most: int) -> str:
    if isinstance(text, str):
        return visible(text, most)
    return " ¦ ".join(visible(one, most - 2) for one in text)


def _write(
    image: "AxesImage",
    values: Float[np.ndarray, "layer position"],
    inside: list[list[str]],
    size: float,
) -> None:
    colours = image.to_rgba(values)
    for row, line in enumerate(inside):
        for column, text in enumerate(line):
            image.axes.text(
                column,
                row,
                text,
                fontsize=size,
                ha="center",
                va="center_baseline",
                color=ink_on(colours[row, column]),
                in_layout=False,
            )
