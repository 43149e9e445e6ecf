"""A grid of coloured cells: the part that heat maps, attention and lens grids share.

Sizes come from the number of cells; labels are turned, then thinned, so that none overlap.
"""

from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np
from jaxtyping import Float

from pellucid.errors import FigureError
from pellucid.figures.appearance import palette
from pellucid.figures.appearance.canvas import few_ticks
from pellucid.figures.appearance.style import NORMAL, POINTS, SMALL
from pellucid.figures.appearance.text import widest, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.image import AxesImage

Scale: TypeAlias = Literal["diverging", "signed", "sequential"]
"""``diverging``: positive supports the answer. ``signed``: the same colours, where the label says
what a sign means. ``sequential``: sizes, from zero."""
LEADING = 1.25
"""Height of a line of text over its font size."""
STEPS = (1, 2, 5)
SHORTEST_BAR, LONGEST_BAR = 1.9, 3.2


def extent(count: int, cell: float, most: float, least: float = 0.0) -> float:
    """Inches for ``count`` cells: each ``cell`` wide, less when together they exceed ``most``."""
    return max(min(count * cell, most), least)


def limits(values: Float[np.ndarray, "..."], scale: Scale) -> tuple[float, float]:
    """What the ends of the colours mean: symmetric about zero, or from zero to the largest.

    **Raises** ``FigureError`` for an unknown scale, or a negative number on a sequential one.
    """
    known = values[~np.isnan(values)]
    largest = float(np.abs(known).max()) if known.size else 0.0
    largest = largest or 1.0
    if scale in ("diverging", "signed"):
        return -largest, largest
    if scale != "sequential":
        raise FigureError(f"scale={scale!r} is not known; choose one of {get_args(Scale)}.")
    if known.size and known.min() < 0:
        raise FigureError(
            f"scale='sequential' starts at zero, but the smallest value is {known.min():.3g}. "
            "Use scale='diverging'."
        )
    return 0.0, largest


def paint(
    panel: "Axes",
    values: Float[np.ndarray, "row column"],
    scale: Scale,
    span: tuple[float, float],
    cell: tuple[float, float],
) -> "AxesImage":
    """Colour the cells, first row on top; ``cell`` is one cell's size in inches."""
    colours = palette.sequential() if scale == "sequential" else palette.diverging()
    image = panel.imshow(
        np.ma.masked_invalid(values),
        cmap=colours,
        vmin=span[0],
        vmax=span[1],
        aspect="auto",
        interpolation="nearest",
    )
    panel.spines[:].set_visible(False)
    panel.tick_params(length=0, pad=2)
    if min(cell) * POINTS >= 9:
        rows, columns = values.shape
        panel.hlines(np.arange(1, rows) - 0.5, -0.5, columns - 0.5, "white", linewidth=0.6)
        panel.vlines(np.arange(1, columns) - 0.5, -0.5, rows - 0.5, "white", linewidth=0.6)
        panel.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))
    return image


def hatch_absent(panel: "Axes") -> None:
    """Show cells without a number hatched; coloured cells hide the hatching."""
    panel.patch.set(
        facecolor=palette.ABSENT, edgecolor=palette.ABSENT_HATCH, hatch="/////", linewidth=0
    )


def label_rows(panel: "Axes", names: list[str], cell: float) -> None:
    """Names at the left, as many as fit when a row is ``cell`` inches high."""
    size = _font(cell)
    step = thinning(cell * POINTS, size * LEADING)
    panel.set_yticks(range(0, len(names), step), names[::step], fontsize=size)


def label_columns(panel: "Axes", names: list[str], cell: float) -> None:
    """Names below: level where they fit into ``cell`` inches, else turned, else also thinned."""
    points = cell * POINTS
    level = widest(names, NORMAL) + 4 <= points
    size = NORMAL if level else _font(cell)
    step = 1 if level else thinning(points, size * LEADING)
    panel.set_xticks(
        range(0, len(names), step), names[::step], rotation=0 if level else 90, fontsize=size
    )


def thinning(cell: float, needed: float) -> int:
    """Label every how-manieth cell of ``cell`` points so that each has ``needed`` points."""
    wanted = needed / cell
    steps = (step * 10**power for power in range(9) for step in STEPS)
    return next(step for step in steps if step >= wanted - 1e-9)


def colour_bar(
    panel: "Axes", colours: "ScalarMappable", label: str, size: tuple[float, float]
) -> None:
    """The legend, at the top right of a panel of ``size`` inches; ``label`` runs beside it."""
    width, height = size
    length = min(max(height, SHORTEST_BAR), LONGEST_BAR)
    place = panel.inset_axes((1 + 0.12 / width, 1 - length / height, 0.13 / width, length / height))
    bar = panel.figure.colorbar(colours, cax=place)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2)
    bar.locator = few_ticks(max(2, round(length * 2)))
    bar.update_ticks()
    bar.set_label(wrapped(label, NORMAL, length * POINTS))


def _font(cell: float) -> float:
    """The size at which a line fits into ``cell`` inches, between the small and the normal."""
    return min(max(cell * POINTS / LEADING, SMALL - 1), NORMAL)
