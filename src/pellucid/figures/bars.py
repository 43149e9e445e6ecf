"""Bars: signed numbers of named things, the largest on top."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from pellucid.figures import validate
from pellucid.figures.appearance import palette
from pellucid.figures.appearance.canvas import canvas, few_ticks, settle
from pellucid.figures.appearance.style import styled
from pellucid.figures.appearance.text import printable
from pellucid.figures.cells import Scale, limits

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Order: TypeAlias = Literal["value", "given"]
ROW = 0.2
WIDTH = 4.2


def bars(
    names: Sequence[str],
    values: ArrayLike,
    *,
    title: str,
    label: str,
    intervals: ArrayLike | None = None,
    scale: Scale = "diverging",
    order: Order = "value",
) -> "Figure":
    """Horizontal bars, blue above zero and orange below; purple on a ``sequential`` scale.

    Sorted from the most positive, or in the order ``given``.
    ``intervals [name end]`` are drawn as thin lines from low to high. Values that are NaN are left
    out, and the axis says how many.

    **Raises** ``FigureError`` when names or intervals don't match the values.
    """
    found = validate.array(values, "values", "name")
    shown = validate.names(names, len(found), "names", "values")
    ends = None if intervals is None else validate.array(intervals, "intervals", "name end")
    if ends is not None:
        validate.matching(ends, len(found), "intervals", "values")
        validate.matching(ends[0], 2, "each interval", "ends (low and high)")
    limits(found, scale)  # refuses what the scale cannot show
    ranked = np.argsort(-found, kind="stable") if order == "value" else range(len(found))
    drawn = [i for i in ranked if not np.isnan(found[i])]
    places = np.arange(len(drawn))
    height = max(ROW * len(drawn), 0.5)
    with styled():
        figure, (panel,) = canvas()
        colours = [_colour(value, scale) for value in found[drawn]]
        panel.barh(places, found[drawn], height=0.72, color=colours)
        if ends is not None:
            panel.hlines(places, ends[drawn, 0], ends[drawn, 1], color=palette.INK, linewidth=1)
        panel.axvline(0, color=palette.QUIET, linewidth=0.8)
        panel.set_yticks(places, [shown[i] for i in drawn])
        panel.set_ylim(len(drawn) - 0.4, -0.6)
        panel.margins(x=0.03)
        panel.tick_params(axis="y", length=0)
        panel.spines["left"].set_visible(False)
        panel.xaxis.set_major_locator(few_ticks(6))
        panel.set_xlabel(_legend(label, scale, len(found) - len(drawn)))
        return settle(figure, WIDTH, height, title=title)


def _colour(value: float, scale: Scale) -> str:
    return palette.SIZE if scale == "sequential" else palette.signed(value)


def _legend(label: str, scale: Scale, missing: int) -> str:
    lines = [printable(label)] + [palette.MEANING] * (scale == "diverging")
    return "\n".join(lines + [f"{missing} not there, left out"] * (missing > 0))
