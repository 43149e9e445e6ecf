"""What one call takes in memory, measured on short prompts and not guessed from a configuration.

1. Run prompts of three lengths, and add up the storage that every operation makes: what is made
   before the first block stays; of what the blocks make, the largest block's is taken, all of it.
2. A call of r rows of n tokens makes r (a n + b n^2) + c bytes; three lengths give a, b and c. The
   square is there where attention patterns are made.

Everything that a block makes is more than is there at once, so the figure is an upper bound.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.utils._python_dispatch import (
    TorchDispatchMode,
    _get_current_dispatch_mode_stack,
)
from torch.utils._pytree import tree_flatten

from pellucid.model.running.changes import Changed, Entered
from pellucid.model.running.hooks import hook_before

LENGTHS = (8, 16, 32)
CONSTANT = 8 << 20
"""Bytes for what the libraries take beside tensors: packed weights, thread buffers."""


@dataclass(frozen=True)
class CallBytes:
    """Bytes that a call makes: ``rows (per_token n + per_square n^2) + constant``."""

    per_token: float
    per_square: float
    constant: float

    def of(self, rows: int, length: int) -> int:
        """For ``rows`` rows of ``length`` tokens."""
        row = self.per_token * length + self.per_square * length**2
        return int(rows * row + self.constant)


class Made(TorchDispatchMode):
    """Adds up the bytes of new tensors, block by block."""

    def __init__(self) -> None:
        super().__init__()
        self.sections: list[int] = [0]

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run ``op`` and count what it returns that is not stored in what it was given."""
        output = op(*args, **(kwargs or {}))
        old = {_storage(t) for t in tree_flatten((args, kwargs))[0] if isinstance(t, Tensor)}
        new = {_storage(t): t for t in tree_flatten(output)[0] if isinstance(t, Tensor)}
        self.sections[-1] += sum(
            t.untyped_storage().nbytes() for key, t in new.items() if key not in old
        )
        return output

    def __exit__(self, *raised: Any) -> None:
        """Leave, once; torch would leave whatever mode is the innermost."""
        if self in _get_current_dispatch_mode_stack():
            super().__exit__(*raised)

    @property
    def most(self) -> int:
        """Bytes before the first block, and of the block that makes most."""
        before, *later = self.sections
        return before + max(later, default=0)


def measured(run: Callable[[int], None], blocks: list[nn.Module], longest: int | None) -> CallBytes:
    """Bytes of a call, from ``run`` on one prompt of each of three lengths.

    **Cost** 3 forwards of at most 32 tokens.
    """
    most = min(LENGTHS[-1], longest or LENGTHS[-1])
    lengths = sorted({max(1, most * n // LENGTHS[-1]) for n in LENGTHS})
    made = [_bytes_of(lambda n=n: run(n), blocks) for n in lengths]  # type: ignore[misc]
    if len(lengths) < 3:
        return CallBytes(max(b / n for b, n in zip(made, lengths, strict=True)), 0.0, CONSTANT)
    square, line, constant = map(float, np.polyfit(lengths, made, 2))
    return CallBytes(max(line, 0.0), max(square, 0.0), max(constant, 0.0) + CONSTANT)


def _bytes_of(run: Callable[[], None], blocks: list[nn.Module]) -> int:
    made = Made()

    def begin(module: nn.Module, args: tuple, kwargs: dict) -> None:
        made.sections.append(0)

    with Changed([Entered(made), *(hook_before(block, begin) for block in blocks)]):
        run()
    return made.most


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata
