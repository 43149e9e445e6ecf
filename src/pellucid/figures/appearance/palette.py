"""The colours, decided once.

Sign is blue against orange, which every common kind of colour blindness tells apart, with the same
lightness at the same distance from zero. Size without a sign is purple, so that it is never taken
for support.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

POSITIVE = "#2c7fb8"
NEGATIVE = "#c4570a"
NEUTRAL = "#f7f7f7"
MEANING = "positive supports the answer"

INK = "#222222"
QUIET = "#767676"
ABSENT = "#dedede"
ABSENT_HATCH = "#a8a8a8"

DIVERGING = ("#6b2c04", NEGATIVE, "#f5b98a", NEUTRAL, "#a6cbe6", POSITIVE, "#0f3f7a")
SIZE = "#6f57a8"
SEQUENTIAL = (NEUTRAL, "#cbc3e3", "#8a74bd", "#4b2a86")
SERIES = ("#2c7fb8", "#c4570a", "#00896b", "#a2559b", "#8c7a00", "#444444")
"""Lines told apart by colour; each also gets its own dash."""


def signed(value: float) -> str:
    """The colour of a single signed number."""
    return POSITIVE if value >= 0 else NEGATIVE


def diverging() -> "Colormap":
    """Orange below zero, blue above; its middle is neutral."""
    return _colormap("pellucid-diverging", DIVERGING)


def sequential() -> "Colormap":
    """Neutral at nothing, darker with more."""
    return _colormap("pellucid-sequential", SEQUENTIAL)


def _colormap(name: str, stops: Sequence[str]) -> "Colormap":
    from matplotlib.colors import LinearSegmentedColormap

    # An odd number of levels has a level that is exactly the middle stop.
    colours = LinearSegmentedColormap.from_list(name, list(stops), N=255)
    return colours.with_extremes(bad="#ffffff00")


def ink_on(colour: Sequence[float]) -> str:
    """Dark or light text, whichever contrasts more with ``colour`` (WCAG 2 contrast)."""
    from matplotlib.colors import to_rgb

    behind = _luminance(colour)
    dark = (behind + 0.05) / (_luminance(to_rgb(INK)) + 0.05)
    return INK if dark >= 1.05 / (behind + 0.05) else "#ffffff"


def _luminance(colour: Sequence[float]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
