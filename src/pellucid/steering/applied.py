"""A block in which vectors are added to the stream in every forward of a model.

What is put on the model is a hook of the user's making, though Pellucid made it: calls inside see
it (``model/running/foreign.py``), run whole prompts and take none of the shortcuts that would add a
vector twice or not at all.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from torch import Tensor, nn

from pellucid.errors import EditError
from pellucid.model.model import Model
from pellucid.model.running.changes import Changed
from pellucid.model.running.hooks import Hook
from pellucid.model.sites import Site

SteeredPositions: TypeAlias = Literal["all", "generated"]


def adding(
    model: Model, vectors: Mapping[Site, Tensor], positions: SteeredPositions | Sequence[int]
) -> AbstractContextManager[None]:
    """The block. **Raises** ``EditError`` for positions that are none."""
    chosen = _Positions(positions)
    blocks = [block.module for block in model.anatomy.blocks]
    first = Hook(blocks[0], "before", chosen.note, first=True, standing=True)
    hooks = [_hook(blocks, site.layer, vector, chosen) for site, vector in vectors.items()]
    return Changed([first, *hooks])


def _hook(blocks: list[nn.Module], layer: int, vector: Tensor, chosen: "_Positions") -> Hook:
    """What adds ``vector`` to the stream that enters ``layer``, or that the last block gives."""

    def entering(module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        if args:
            return (chosen.added(args[0], vector), *args[1:]), kwargs
        stream = kwargs["hidden_states"]
        return args, {**kwargs, "hidden_states": chosen.added(stream, vector)}

    def leaving(module: nn.Module, args: tuple, kwargs: dict, output: Any) -> Any:
        if isinstance(output, tuple):
            return (chosen.added(output[0], vector), *output[1:])
        return chosen.added(output, vector)

    if layer == len(blocks):
        return Hook(blocks[-1], "after", leaving, standing=True)
    return Hook(blocks[layer], "before", entering, standing=True)


@dataclass
class _Positions:
    """The positions to be steered, and how far the running forward's first one is in its text."""

    positions: SteeredPositions | Sequence[int]
    past: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if isinstance(self.positions, str):
            if self.positions not in ("all", "generated"):
                raise EditError(
                    f"positions={self.positions!r} is not known; choose 'all', 'generated', or "
                    "give numbers."
                )
        elif not len(self.positions) or min(self.positions) < 0:
            raise EditError(
                f"positions={self.positions!r}: give numbers from 0, the start of the text. Those "
                "from its end differ in a batch; vector.edits(positions=-1) takes them."
            )

    def note(self, module: nn.Module, args: tuple, kwargs: dict) -> None:
        """How many positions keys and values are kept of, before the first block."""
        given = (*args, *kwargs.values())
        cache = next((one for one in given if hasattr(one, "get_seq_length")), None)
        self.past = int(cache.get_seq_length()) if cache is not None else 0

    def added(self, stream: Tensor, vector: Tensor) -> Tensor:
        """``stream`` with ``vector`` at those of the positions that are in it."""
        vector = vector.to(stream.device, stream.dtype)
        if self.positions == "all" or (self.positions == "generated" and self.past):
            return stream + vector
        if self.positions == "generated":
            return stream
        width = stream.shape[1]
        there = [int(p) - self.past for p in self.positions if 0 <= int(p) - self.past < width]
        new = stream.clone()
        new[:, there] += vector
        return new
