"""Lines: named series over the same points, such as a loss at each position."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from pellucid.errors import FigureError
from pellucid.figures import validate
from pellucid.figures.appearance import palette
from pellucid.figures.appearance.canvas import canvas, settle
from pellucid.figures.appearance.style import styled
from pellucid.figures.appearance.text import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZE = (5.4, 2.9)
DASHES = ("-", (0, (5, 1.6)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)))


def lines(
    x: ArrayLike,
    series: Mapping[str, ArrayLike],
    *,
    title: str,
    labels: tuple[str, str],
    marks: Mapping[str, float] | None = None,
) -> "Figure":
    """Each of ``series`` against ``x``, told apart by colour and dash; NaN leaves a gap.

    ``marks`` name places on ``x``, such as where the second half begins, drawn as upright lines.

    **Raises** ``FigureError`` without a series, or when one is not as long as ``x``.
    """
    across = validate.array(x, "x", "point")
    if not series:
        raise FigureError("series is empty; give at least one {name: values}.")
    found = {name: validate.array(y, f"series {name!r}", "point") for name, y in series.items()}
    for name, y in found.items():
        validate.matching(y, len(across), f"series {name!r}", "values of x")
    with styled():
        figure, (panel,) = canvas()
        for index, (name, y) in enumerate(found.items()):
            panel.plot(
                across,
                y,
                color=palette.SERIES[index % len(palette.SERIES)],
                linestyle=DASHES[index % len(DASHES)],
                label=printable(name),
            )
        for name, place in (marks or {}).items():
            panel.axvline(place, color=palette.QUIET, linewidth=0.8, zorder=0)
            panel.annotate(
                printable(name),
                xy=(place, 1),
                xycoords=("data", "axes fraction"),
                xytext=(3, 2),
                textcoords="offset points",
                color=palette.QUIET,
            )
        panel.margins(x=0.01)
        panel.set(xlabel=printable(labels[0]), ylabel=printable(labels[1]))
        panel.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        return settle(figure, *SIZE, title=title)
