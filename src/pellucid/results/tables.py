"""The one layout of tables: ``node kind layer head position example`` and one value column.

A column that does not apply (a head's position when positions were summed) is empty, not absent,
so tables of different results can be joined.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import pandas as pd
from torch import Tensor

Per: TypeAlias = Literal["node", "position", "example", "example+position"]
COLUMNS = ["node", "kind", "layer", "head", "position", "example"]


@runtime_checkable
class Named(Protocol):
    """What a row of a table is about: a node, a slot or another unit with a place."""

    @property
    def name(self) -> str:
        """``L9H6``, ``M3``, ``embed``."""

    @property
    def kind(self) -> str:
        """``head``, ``mlp``, ``embed``."""

    @property
    def layer(self) -> int | None:
        """Layer, if it is in one."""

    @property
    def head(self) -> int | None:
        """Head, if it is one."""


def tabulate(
    rows: Sequence[Named], values: Tensor, column: str, *, axes: tuple[str, ...] = ()
) -> pd.DataFrame:
    """Values ``[*axes, row]`` as a long table; ``axes`` is any of ``example``, ``position``.

    Sorted as computed; integer columns may hold missing values (pandas ``Int64``).
    """
    grid: dict[str, list[Any]] = {name: [] for name in [*COLUMNS, column]}
    shape = values.shape[: len(axes)]
    flat = values.detach().cpu().double().reshape(math.prod(shape), len(rows))
    for outer, row in enumerate(flat.tolist()):
        place: dict[str, int] = {}
        rest = outer
        for axis, size in zip(reversed(axes), reversed(shape), strict=True):
            rest, place[axis] = divmod(rest, size)
        for item, value in zip(rows, row, strict=True):
            grid["node"].append(item.name)
            grid["kind"].append(item.kind)
            grid["layer"].append(item.layer)
            grid["head"].append(item.head)
            grid["position"].append(place.get("position"))
            grid["example"].append(place.get("example"))
            grid[column].append(value)
    frame = pd.DataFrame(grid)
    integers = ["layer", "head", "position", "example"]
    return frame.astype(dict.fromkeys(integers, "Int64"))
