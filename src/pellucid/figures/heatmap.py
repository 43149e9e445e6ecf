"""Heat maps: one number for every row and column."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from pellucid.figures import validate
from pellucid.figures.appearance import palette
from pellucid.figures.appearance.canvas import canvas, settle
from pellucid.figures.appearance.style import styled
from pellucid.figures.appearance.text import printable
from pellucid.figures.cells import (
    Scale,
    colour_bar,
    extent,
    hatch_absent,
    label_columns,
    label_rows,
    limits,
    paint,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CELL = (0.32, 0.235)
MOST = (14.0, 16.0)


def heatmap(
    values: ArrayLike,
    *,
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    label: str,
    scale: Scale = "diverging",
    highlight: Sequence[tuple[int, int]] = (),
) -> "Figure":
    """Numbers ``[row column]`` as colours, the first row on top.

    ``diverging`` is centred on zero with equal limits on both sides, blue where positive supports
    the answer, and the legend says so; ``signed`` is the same for numbers that are not about an
    answer; ``sequential`` is for sizes from zero. NaN is hatched: there is nothing in that place,
    which is not an effect of zero. ``highlight`` frames cells.

    **Raises** ``FigureError`` when the names don't match the numbers.
    """
    grid = validate.array(values, "values", "row column")
    row_names = validate.names(rows, grid.shape[0], "rows", "rows of values")
    column_names = validate.names(columns, grid.shape[1], "columns", "columns of values")
    span = limits(grid, scale)
    width = extent(len(column_names), CELL[0], MOST[0], 2.2)
    height = extent(len(row_names), CELL[1], MOST[1], 0.3)
    cell = width / len(column_names), height / len(row_names)
    with styled():
        figure, (panel,) = canvas()
        image = paint(panel, grid, scale, span, cell)
        label_rows(panel, row_names, cell[1])
        label_columns(panel, column_names, cell[0])
        frame(panel, highlight)
        if np.isnan(grid).any():
            hatch_absent(panel)
        colour_bar(panel, image, legend(label, scale, grid), (width, height))
        return settle(figure, width, height, title=title)


def legend(label: str, scale: Scale, values: Float[np.ndarray, "..."]) -> str:
    """What the colours mean, in words."""
    lines = [printable(label)]
    if scale == "diverging":
        lines.append(palette.MEANING)
    if np.isnan(values).any():
        lines.append("hatched: not there")
    return "\n".join(lines)


def frame(panel: "Axes", cells: Sequence[tuple[int, int]]) -> None:
    """Outline cells, given as (row, column)."""
    from matplotlib.patches import Rectangle

    style: dict[str, Any] = {"fill": False, "edgecolor": palette.INK, "linewidth": 1.4, "zorder": 3}
    for row, column in cells:
        corner = (column - 0.5, row - 0.5)
        panel.add_patch(Rectangle(corner, 1, 1, clip_on=False, **style))
