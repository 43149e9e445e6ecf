"""A prompt as text, each token on the colour of its number."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from pellucid.figures import validate
from pellucid.figures.appearance import palette
from pellucid.figures.appearance.canvas import canvas, few_ticks, settle
from pellucid.figures.appearance.palette import ink_on
from pellucid.figures.appearance.style import NORMAL, POINTS, SMALL, styled
from pellucid.figures.appearance.text import visible, width
from pellucid.figures.cells import Scale, limits
from pellucid.figures.heatmap import legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

LINE = 7.0
"""Width of a line of text, in inches."""
BOX, LEAD = 0.24, 0.52
"""Height of a token's box, and of a line with the number below it."""
INSET = 0.07
LONGEST = 24


def strip(
    values: ArrayLike,
    tokens: Sequence[str],
    *,
    title: str,
    label: str,
    scale: Scale = "diverging",
) -> "Figure":
    """The ``tokens`` in reading order, broken into lines; below each stands its number.

    **Raises** ``FigureError`` when there is not one value for each token.
    """
    found = validate.array(values, "values", "token")
    validate.matching(tokens, len(found), "tokens", "values")
    texts = [visible(token, LONGEST) for token in tokens]
    numbers = [_number(value, scale) for value in found]
    boxes = _flow(texts, numbers)
    across = max(right for _, _, right in boxes)
    down = (1 + boxes[-1][0]) * LEAD
    span = limits(found, scale)
    with styled():
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize
        from matplotlib.patches import Rectangle

        figure, (panel,) = canvas()
        shades = palette.sequential() if scale == "sequential" else palette.diverging()
        colours = ScalarMappable(Normalize(*span), shades)
        panel.set(xlim=(0, across), ylim=(down, 0), xticks=[], yticks=[])
        panel.spines[:].set_visible(False)
        for (line, left, right), text, number, value in zip(
            boxes, texts, numbers, found, strict=True
        ):
            shade = tuple(colours.to_rgba(value))
            size, middle, top = (right - left, BOX), (left + right) / 2, line * LEAD
            panel.add_patch(Rectangle((left, top), *size, facecolor=shade, edgecolor="white"))
            ink = palette.INK if np.isnan(value) else ink_on(shade)
            _write(panel, (middle, top + BOX / 2), text, NORMAL, ink)
            _write(panel, (middle, top + BOX + 0.09), number, SMALL - 0.5, palette.QUIET)
        _bar_below(panel, colours, legend(label, scale, found), (across, down))
        return settle(figure, across, down, title=title)


def _number(value: float, scale: Scale) -> str:
    if np.isnan(value):
        return ""
    return f"{value:.2f}" if scale == "sequential" else f"{value:+z.2f}"


def _flow(texts: list[str], numbers: list[str]) -> list[tuple[int, float, float]]:
    """Line, left and right of each token's box, in inches."""
    boxes, line, left = [], 0, 0.0
    for text, number in zip(texts, numbers, strict=True):
        needed = max(width(text, NORMAL), width(number, SMALL)) / POINTS + INSET
        if left and left + needed > LINE:
            line, left = line + 1, 0.0
        boxes.append((line, left, left + needed))
        left += needed
    return boxes


def _bar_below(
    panel: "Axes", colours: "ScalarMappable", label: str, size: tuple[float, float]
) -> None:
    """The legend, lying below the text: beside one line there is no room for it."""
    across, down = size
    place = panel.inset_axes((0, -0.22 / down, min(2.4, across) / across, 0.12 / down))
    bar = panel.figure.colorbar(colours, cax=place, orientation="horizontal")
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2)
    bar.locator = few_ticks(4)
    bar.update_ticks()
    bar.set_label(label, loc="left")


def _write(panel: "Axes", place: tuple[float, float], text: str, size: float, colour: str) -> None:
    panel.text(*place, text, fontsize=size, color=colour, ha="center", va="center_baseline")
