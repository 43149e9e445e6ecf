"""What every figure is drawn on: its panels, and the room that labels need around them."""

from typing import TYPE_CHECKING

import numpy as np

from pellucid.figures.appearance.style import POINTS, TITLE
from pellucid.figures.appearance.text import printable, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import Locator

PAD, GAP = 0.08, 0.22
"""Inches around everything, and between panels."""


def few_ticks(most: int) -> "Locator":
    """At most ``most`` intervals between ticks, at round numbers."""
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=most, steps=[1, 2, 5, 10])


def canvas(rows: int = 1, columns: int = 1) -> "tuple[Figure, list[Axes]]":
    """An empty figure and its panels, row by row; ``settle`` gives it its size."""
    from pellucid.figures.appearance.shown import ShownFigure

    figure = ShownFigure(facecolor="white")
    panels = figure.subplots(rows, columns, squeeze=False)
    return figure, list(panels.ravel())


def settle(
    figure: "Figure", width: float, height: float, *, title: str, rows: int = 1, columns: int = 1
) -> "Figure":
    """Give every panel ``width`` x ``height`` inches and the figure room for what is around them.

    Labels have sizes in points, so what they take beside a panel of the right size is measured
    once, and the figure is made to fit. The title is broken into lines of the width it then has.
    """
    panels = figure.axes[: rows * columns]
    figure.set_size_inches(width, height)
    for panel in panels:
        panel.set_position((0, 0, 1, 1))
    around = np.array([_margins(panel, figure.dpi) for panel in panels]).reshape(rows, columns, 4)
    left, right = around[..., 0].max(0), around[..., 1].max(0)
    below, above = around[..., 2].max(1), around[..., 3].max(1)
    whole = 2 * PAD + (columns - 1) * GAP + float((left + width + right).sum())
    text = wrapped(printable(title), TITLE, (whole - 2 * PAD) * POINTS)
    head = (text.count("\n") + 1.6) * TITLE * 1.25 / POINTS if title else 0.0
    tall = 2 * PAD + head + (rows - 1) * GAP + float((below + height + above).sum())
    figure.set_size_inches(whole, tall)
    for index, panel in enumerate(panels):
        row, column = divmod(index, columns)
        x = PAD + column * (width + GAP) + float(left[: column + 1].sum() + right[:column].sum())
        y = tall - PAD - head - (row + 1) * height - row * GAP
        y -= float(above[: row + 1].sum() + below[:row].sum())
        panel.set_position((x / whole, y / tall, width / whole, height / tall))
    if title:
        figure.suptitle(text, x=PAD / whole, y=1 - PAD / tall, ha="left", va="top")
    figure.draw_without_rendering()
    return figure


def _margins(panel: "Axes", dpi: float) -> tuple[float, float, float, float]:
    """Inches that labels and legends take left, right, below and above a panel."""
    outer, inner = panel.get_tightbbox(), panel.bbox
    assert outer is not None
    return (
        max(0.0, inner.x0 - outer.x0) / dpi,
        max(0.0, outer.x1 - inner.x1) / dpi,
        max(0.0, inner.y0 - outer.y0) / dpi,
        max(0.0, outer.y1 - inner.y1) / dpi,
    )
