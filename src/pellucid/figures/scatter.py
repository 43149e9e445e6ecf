"""Scatter: two numbers of the same things against each other, the odd ones named."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from pellucid.errors import FigureError
from pellucid.figures import validate
from pellucid.figures.appearance import palette
from pellucid.figures.appearance.canvas import canvas, settle
from pellucid.figures.appearance.style import NORMAL, POINTS, SMALL, styled
from pellucid.figures.appearance.text import printable, width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIDE = 4.2
GAP = 5.0


def scatter(
    x: ArrayLike,
    y: ArrayLike,
    names: Sequence[str],
    *,
    title: str,
    labels: tuple[str, str],
    note: str = "",
    outliers: int = 8,
) -> "Figure":
    """Points with the line y = x, on equal axes; ``note`` (a correlation) stands below the title.

    Named are the ``outliers`` points farthest from the line, and half as many of the highest and
    lowest. Points with NaN are left out.

    **Raises** ``FigureError`` for lists of different length, or no point at all.
    """
    across, up = validate.array(x, "x", "point"), validate.array(y, "y", "point")
    validate.matching(up, len(across), "y", "values of x")
    texts = validate.names(names, len(across), "names", "points")
    there = np.flatnonzero(~np.isnan(across + up))
    if not there.size:
        raise FigureError("x and y have no point where both are numbers.")
    points = np.stack([across, up], axis=1)[there]
    far = np.argsort(-np.abs(points[:, 1] - points[:, 0]), kind="stable")[:outliers]
    large = np.argsort(-np.abs(points[:, 1]), kind="stable")[: outliers // 2]
    named = dict.fromkeys([*far.tolist(), *large.tolist()])
    low, high = _span(points)
    with styled():
        figure, (panel,) = canvas()
        panel.plot([low, high], [low, high], color=palette.QUIET, linewidth=0.8, linestyle="--")
        panel.axhline(0, color=palette.ABSENT, linewidth=0.8, zorder=0)
        panel.axvline(0, color=palette.ABSENT, linewidth=0.8, zorder=0)
        panel.scatter(
            points[:, 0], points[:, 1], s=16, color=palette.POSITIVE, alpha=0.6, linewidths=0
        )
        panel.set(xlim=(low, high), ylim=(low, high))
        panel.set(xlabel=printable(labels[0]), ylabel=printable(labels[1]))
        panel.set_title(printable(note), loc="left", fontsize=NORMAL, color=palette.QUIET)
        scale = SIDE * POINTS / (high - low)
        _name(panel, points, (points - low) * scale, {i: texts[there[i]] for i in named})
        return settle(figure, SIDE, SIDE, title=title)


def _span(points: Float[np.ndarray, "point 2"]) -> tuple[float, float]:
    low, high = min(points.min(), 0.0), max(points.max(), 0.0)
    margin = 0.06 * (high - low) or 1.0
    return low - margin, high + margin


def _name(
    panel: "Axes",
    points: Float[np.ndarray, "point 2"],
    places: Float[np.ndarray, "point 2"],
    texts: Mapping[int, str],
) -> None:
    """Write each name beside its point, where it hides no point and no other name."""
    taken = [(px - 2, py - 2, px + 2, py + 2) for px, py in places]
    for index, text in texts.items():
        px, py = places[index]
        box = _free(px, py, width(text, SMALL), SMALL * 1.1, taken)
        taken.append(box)
        panel.annotate(
            text,
            xy=points[index],
            xytext=(box[0] - px, box[1] - py),
            textcoords="offset points",
            fontsize=SMALL,
            arrowprops={"arrowstyle": "-", "color": palette.QUIET, "lw": 0.5, "shrinkA": 0},
        )


Box = tuple[float, float, float, float]


def _free(px: float, py: float, wide: float, high: float, taken: list[Box]) -> Box:
    """The first place around a point that overlaps least with what is taken, inside the axes."""
    choices = []
    for distance in (GAP, 2.5 * GAP):
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)):
            left = px + dx * distance - wide * (1 - dx) / 2
            bottom = py + dy * distance - high / 2
            choices.append((left, bottom, left + wide, bottom + high))
    return min(choices, key=lambda box: sum(_overlap(box, other) for other in taken) + _out(box))


def _overlap(a: Box, b: Box) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _out(box: Box) -> float:
    """A penalty for what sticks out of the axes."""
    side = SIDE * POINTS
    return 100 * (max(0, -box[0]) + max(0, -box[1]) + max(0, box[2] - side) + max(0, box[3] - side))
