"""Attention patterns: from which token each token reads, for one head or several."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from pellucid.figures import validate
from pellucid.figures.appearance.canvas import canvas, settle
from pellucid.figures.appearance.style import NORMAL, styled
from pellucid.figures.appearance.text import printable, visible
from pellucid.figures.cells import colour_bar, extent, label_columns, label_rows, limits, paint

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CELL = 0.2
ALONE, BESIDE, TOGETHER = 12.0, 6.4, 15.0


def attention(
    pattern: ArrayLike,
    *,
    tokens: Sequence[str],
    title: str,
    heads: Sequence[str] = ("",),
    label: str = "attention weight",
) -> "Figure":
    """Weights ``[head query key]``: a panel per head, queries down, keys across, one scale for all.

    Spaces and line ends in tokens are shown. Where nothing is read from later tokens (a causal
    model), those cells are blank.

    **Raises** ``FigureError`` for negative weights, or names that don't match.
    """
    grid = validate.array(pattern, "pattern", "head query key")
    names = validate.names(heads, grid.shape[0], "heads", "patterns")
    for axis in (1, 2):
        validate.matching(tokens, grid.shape[axis], "tokens", "positions")
    shown = [visible(token) for token in tokens]
    side = extent(len(shown), CELL, ALONE if len(names) == 1 else BESIDE, 1.6)
    rows = math.ceil(len(names) * side / TOGETHER)
    columns = math.ceil(len(names) / rows)
    cell = side / len(shown)
    weights, span = _blank_later(grid), limits(grid, "sequential")
    with styled():
        figure, panels = canvas(rows, columns)
        for index, (panel, name) in enumerate(zip(panels, names, strict=False)):
            image = paint(panel, weights[index], "sequential", span, (cell, cell))
            panel.set_title(name, loc="left", fontsize=NORMAL)
            label_columns(panel, shown, cell)
            label_rows(panel, shown, cell)
            bottom = index + columns >= len(names)
            panel.tick_params(labelleft=index % columns == 0, labelbottom=bottom)
        for panel in panels[len(names) :]:
            panel.set_axis_off()
        colour_bar(panels[columns - 1], image, printable(label), (side, side))
        return settle(figure, side, side, title=title, rows=rows, columns=columns)


def _blank_later(weights: Float[np.ndarray, "head query key"]) -> Float[np.ndarray, "..."]:
    """NaN above the diagonal, unless something is read from there."""
    later = np.triu(np.ones(weights.shape[1:], dtype=bool), k=1)
    if np.nansum(np.abs(weights[:, later])) > 0:
        return weights
    return np.where(later, np.nan, weights)
