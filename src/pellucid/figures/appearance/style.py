"""How every figure looks.

Figures are built as objects, never through pyplot, and the user's settings neither leak in nor are
changed: the style starts from matplotlib's defaults and lasts only while a figure is made.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pellucid.figures.appearance.palette import INK, QUIET
from pellucid.figures.appearance.text import families

SMALL, NORMAL, TITLE = 7.0, 8.5, 11.0
POINTS = 72.0

RC: dict[str, Any] = {
    "font.size": NORMAL,
    "figure.titlesize": TITLE,
    "axes.labelsize": NORMAL,
    "xtick.labelsize": NORMAL,
    "ytick.labelsize": NORMAL,
    "legend.fontsize": NORMAL,
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "hatch.linewidth": 0.6,
    "lines.linewidth": 1.6,
    # Tokens hold dollar signs, which are no formulas.
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "pellucid",
}


_ALONE = threading.RLock()
# Settings are global in matplotlib: two threads at once would give each other's back.


@contextmanager
def styled() -> Iterator[None]:
    """The house style over matplotlib's own defaults, inside the block only."""
    from matplotlib import style

    with _ALONE, style.context({**RC, "font.family": list(families())}, after_reset=True):
        yield
