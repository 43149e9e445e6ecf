"""The faithfulness curve: how much of the behaviour the first so many parts carry."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from pellucid.errors import FigureError
from pellucid.figures import validate
from pellucid.figures.appearance import palette
from pellucid.figures.appearance.canvas import canvas, settle
from pellucid.figures.appearance.style import NORMAL, POINTS, styled
from pellucid.figures.appearance.text import printable, width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE = (4.6, 3.0)
Axis: TypeAlias = Literal["log", "linear"]
Bands: TypeAlias = Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike]]
MARKS = "osD^v"


def curve(
    sizes: ArrayLike,
    values: ArrayLike,
    *,
    title: str,
    axis: Axis = "log",
    bands: Bands | None = None,
    target: float | None = None,
    marks: Mapping[str, tuple[float, float]] | None = None,
) -> "Figure":
    """Faithfulness against the number of parts kept; 0 and 1 are nothing kept and everything.

    Without ``sizes`` only bands and marks are drawn. ``bands`` name ranges ``(sizes, low, high)``,
    of random sets for example; a range at one size is drawn as a bar. ``marks`` name single points
    ``(size, value)``.

    **Raises** ``FigureError`` for lists that don't match, or a size below 1 on the log axis.
    """
    across, up = _measured(sizes), _measured(values)
    validate.matching(up, len(across), "values", "sizes")
    ranges = {name: _band(name, band) for name, band in (bands or {}).items()}
    points = {
        name: validate.array(mark, name, "coordinate") for name, mark in (marks or {}).items()
    }
    reached = np.concatenate(
        [across, *(band[0] for band in ranges.values()), *(mark[:1] for mark in points.values())]
    )
    if axis not in ("log", "linear"):
        raise FigureError(f"axis={axis!r} is not known; choose 'log' or 'linear'.")
    if not reached.size:
        raise FigureError("There is nothing to draw: no sizes, no bands, no marks.")
    if axis == "log" and reached.min() < 1:
        raise FigureError(
            f"The size {reached.min():g} has no place on a log axis; use axis='linear'."
        )
    with styled():
        figure, (panel,) = canvas()
        for height in (0, 1):
            panel.axhline(height, color=palette.QUIET, linewidth=0.7, zorder=1)
        if target is not None:
            panel.axhline(target, color=palette.INK, linestyle=":", label=f"target {target:g}")
        for index, (name, band) in enumerate(ranges.items()):
            _draw_band(panel, name, band, index)
        if across.size:
            panel.plot(across, up, color=palette.POSITIVE, marker=".", label="highest ranked first")
        for index, (name, (size, value)) in enumerate(points.items()):
            panel.plot(
                [size], [value], MARKS[index % len(MARKS)], color=palette.INK, label=printable(name)
            )
        _scale(panel, reached, axis)
        panel.set(xlabel="parts kept", ylabel="faithfulness (1 = the whole model)")
        panel.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        return settle(figure, *SIZE, title=title)


def middle(size: float, sample: ArrayLike) -> tuple[list[float], list[float], list[float]]:
    """A band at one size, from the 5th to the 95th percentile of ``sample``."""
    low, high = np.percentile(validate.array(sample, "sample", "draw"), [5, 95])
    return [size], [float(low)], [float(high)]


def _measured(values: ArrayLike) -> Float[np.ndarray, " size"]:
    return validate.array(values, "sizes and values", "size") if np.size(values) else np.empty(0)


def _band(
    name: str, band: tuple[ArrayLike, ArrayLike, ArrayLike]
) -> tuple[Float[np.ndarray, " size"], ...]:
    validate.matching(band, 3, f"the band {name!r}", "lists (sizes, low, high)")
    sizes, low, high = (validate.array(part, f"the band {name!r}", "size") for part in band)
    validate.matching(low, len(sizes), f"low of {name!r}", "sizes")
    validate.matching(high, len(sizes), f"high of {name!r}", "sizes")
    return sizes, low, high


def _draw_band(
    panel: "Axes", name: str, band: tuple[Float[np.ndarray, " size"], ...], index: int
) -> None:
    sizes, low, high = band
    colour = (palette.QUIET, palette.SERIES[3])[index % 2]
    if len(sizes) > 1:
        panel.fill_between(
            sizes, low, high, color=colour, alpha=0.25, linewidth=0, label=printable(name)
        )
        return
    middle = (low + high) / 2
    # Beside each other: bars at the same size would hide one another.
    panel.errorbar(
        sizes * (1 + 0.08 * (index - 0.5)),
        middle,
        yerr=(high - low) / 2,
        fmt="none",
        ecolor=colour,
        elinewidth=3,
        capsize=4,
        alpha=0.8,
        label=printable(name),
    )


def _scale(panel: "Axes", sizes: Float[np.ndarray, " size"], axis: Axis) -> None:
    if axis == "linear":
        return
    panel.set_xscale("log")
    low, high = sizes.min(), sizes.max()
    margin = 1.12 if high > low else 2.0
    panel.set_xlim(low / margin, high * margin)
    ticks = _spread_ticks(np.unique(sizes), low, high)
    panel.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    panel.minorticks_off()


def _spread_ticks(sizes: Float[np.ndarray, " size"], low: float, high: float) -> list[float]:
    """Sizes far enough apart on the log axis for their labels, both ends among them."""
    if low == high:
        return [float(low)]
    places = np.log(sizes / low) / np.log(high / low) * SIZE[0] * POINTS
    room = width(f"{high:g}", NORMAL) + 6
    kept = [0]
    for index in range(1, len(sizes) - 1):
        if places[index] - places[kept[-1]] >= room and places[-1] - places[index] >= room:
            kept.append(index)
    return [float(sizes[index]) for index in [*kept, len(sizes) - 1]]
