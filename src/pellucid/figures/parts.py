"""Heat maps of a model's parts: one number a part by layer, or one a part and position."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from pellucid.errors import FigureError
from pellucid.figures import validate
from pellucid.figures.appearance.text import visible
from pellucid.figures.cells import Scale
from pellucid.figures.heatmap import heatmap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from pellucid.results.tables import Named

COLUMNS = {"head": "H{}", "q": "H{}", "k": "KV{}", "v": "KV{}", "mlp": "MLP", "resid": "stream"}


def by_layer(
    parts: "Sequence[Named]",
    values: ArrayLike,
    *,
    title: str,
    label: str,
    scale: Scale = "diverging",
    highlight: Sequence[str] = (),
) -> "Figure":
    """Layers down; heads across, then a column for each other kind. The embedding is left out.

    ``highlight`` names parts to frame.

    **Raises** ``FigureError`` when there is not one value for each part, or no part in a layer.
    """
    grid = layered(parts, values)
    cells = [grid.cells[name] for name in highlight]
    return heatmap(
        grid.values,
        title=title,
        rows=grid.rows,
        columns=grid.columns,
        label=label,
        scale=scale,
        highlight=cells,
    )


@dataclass(frozen=True, kw_only=True)
class Layered:
    """Values by layer and kind of part; NaN where there is no part."""

    values: Float[np.ndarray, "layer column"]
    rows: list[str]
    columns: list[str]
    cells: dict[str, tuple[int, int]]
    """Row and column of each part, by its name."""


def layered(parts: "Sequence[Named]", values: ArrayLike) -> Layered:
    """The grid of ``by_layer``.

    **Raises** ``FigureError`` when there is not one value for each part, or no part in a layer.
    """
    found = validate.array(values, "values", "part")
    validate.matching(found, len(parts), "values", "parts")
    inside = [
        (part, value)
        for part, value in zip(parts, found, strict=True)
        if part.layer is not None and part.kind != "embed"
    ]
    if not inside:
        raise FigureError("None of the parts is in a layer.")
    # Heads by number, then the other kinds.
    columns = sorted({(part.head is None, part.head or 0, _column(part)) for part, _ in inside})
    names = [name for _, _, name in columns]
    layers = max(part.layer or 0 for part, _ in inside) + 1
    grid = np.full((layers, len(names)), np.nan)
    cells = {part.name: (part.layer or 0, names.index(_column(part))) for part, _ in inside}
    for part, value in inside:
        grid[cells[part.name]] = value
    rows = [f"L{layer}" for layer in range(layers)]
    return Layered(values=grid, rows=rows, columns=names, cells=cells)


def by_position(
    parts: Sequence[str],
    values: ArrayLike,
    *,
    positions: Sequence[int],
    tokens: Sequence[str] | None,
    title: str,
    label: str,
) -> "Figure":
    """Numbers ``[part position]``, positions named by the prompt's ``tokens`` when these are given.

    **Raises** ``FigureError`` when the prompt has fewer tokens than positions.
    """
    if tokens is None:
        columns = [str(position) for position in positions]
    elif max(positions) < len(tokens):
        columns = [visible(tokens[position]) for position in positions]
    else:
        raise FigureError(
            f"tokens has {len(tokens)} entries, but position {max(positions)} is to be named; give "
            "the tokens of the whole prompt."
        )
    return heatmap(values, title=title, rows=parts, columns=columns, label=label)


def _column(part: "Named") -> str:
    return COLUMNS.get(part.kind, part.kind).format(part.head)
