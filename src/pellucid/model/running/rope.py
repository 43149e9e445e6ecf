"""Rotary positions that depend on how long a prompt is, computed for each row by its own length.

Dynamic NTK scaling and LongRoPE choose the frequencies of a whole call by its last position, so a
short prompt that rides with a long one would get the long one's; and dynamic scaling remembers the
longest call of the past. Here each row gets what its prompt gets alone in a fresh model, and what
the module remembers is put back.

Such modules are found by what they compute: whether the angles of the first positions change when
a far position stands in the same row.
"""

from collections.abc import Iterator
from typing import Any
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Int
from torch import Tensor, nn

from pellucid.model.running.changes import Changed, Entry, Undoable
from pellucid.model.running.hooks import Instead

_FIRST = 4
_FOUND: WeakKeyDictionary[nn.Module, tuple[nn.Module, ...]] = WeakKeyDictionary()


def by_length(module: nn.Module) -> tuple[nn.Module, ...]:
    """The rotary modules of a model whose angles depend on the longest prompt of a call.

    **Cost** their angles for four positions, once in the model's life.
    """
    if module not in _FOUND:
        _FOUND[module] = tuple(part for part in module.modules() if _depends_on_length(part))
    return _FOUND[module]


def each_row_alone(module: nn.Module, lengths: Int[Tensor, " row"] | int) -> Changed:
    """A block in which rows get the angles of prompts of their own ``lengths``, in tokens."""
    return Changed(_changes(by_length(module), lengths))


def _changes(parts: tuple[nn.Module, ...], lengths: Tensor | int) -> Iterator[Undoable]:
    for part in parts:
        yield from _own_memory(part)
        yield Instead(part, _By(part, lengths)).change


class _By:
    """A rotary module's forward, run once for each length that there is among the rows."""

    def __init__(self, part: nn.Module, lengths: Tensor | int) -> None:
        self.part, self.usual, self.lengths = part, part.forward, lengths

    def __call__(self, x: Tensor, position_ids: Tensor, *args: Any, **kwargs: Any) -> Any:
        """What ``position_ids`` give, where each row ends with its own prompt."""
        lengths = self.lengths
        several = [lengths] if isinstance(lengths, int) else lengths.unique().tolist()
        found = []
        for length in several:
            _forget(self.part)
            found.append(self.usual(x, position_ids.clamp_max(length - 1), *args, **kwargs))
        if isinstance(lengths, int) or len(found) == 1:
            return found[0]
        rows = [(lengths == length).to(x.device) for length in several]
        if isinstance(found[0], Tensor):
            return _by_row(rows, tuple(found))
        return tuple(_by_row(rows, angles) for angles in zip(*found, strict=True))


def _by_row(rows: list[Tensor], angles: tuple[Tensor, ...]) -> Tensor:
    """One tensor ``[row pos ...]`` that takes each row from the one that is its own."""
    taken = angles[0].expand(len(rows[0]), *angles[0].shape[1:]).clone()
    for own, found in zip(rows[1:], angles[1:], strict=True):
        taken[own] = found.expand_as(taken)[own]
    return taken


def _own_memory(part: nn.Module) -> Iterator[Undoable]:
    """What the module remembers, to be put back: tensors as copies, that may be written to."""
    for table in (vars(part), part._buffers):
        for name, value in list(table.items()):
            if isinstance(value, Tensor):
                yield Entry(table, name, value.clone())
            elif isinstance(value, int | float) and name != "training":
                yield Entry(table, name, value)


def _forget(part: nn.Module) -> None:
    """Let the module begin as it was made: transformers keeps what that was beside it."""
    for name in [name for name in vars(part) if name.endswith("max_seq_len_cached")]:
        setattr(part, name, getattr(part, "original_max_seq_len", getattr(part, name)))
    for name, now in list(part._buffers.items()):
        original = getattr(part, f"{name.removesuffix('inv_freq')}original_inv_freq", None)
        if name.endswith("inv_freq") and now is not None and original is not None:
            part._buffers[name] = original.clone().to(now.device)


def _depends_on_length(part: nn.Module) -> bool:
    frequencies = [b for name, b in part._buffers.items() if name.endswith("inv_freq")]
    if not frequencies or frequencies[0] is None:
        return False
    kinds = getattr(part, "rope_type", None)
    layers = list(kinds) if isinstance(kinds, dict) else [None]
    return any(_moves(part, frequencies[0], layer) for layer in layers)


def _moves(part: nn.Module, like: Tensor, layer: str | None) -> bool:
    """Whether a far position changes the angles of the first; no, where it cannot be asked."""
    near = torch.arange(_FIRST, device=like.device)[None]
    far = near.clone()
    far[0, -1] = _far(part)
    given = () if layer is None else (layer,)
    x = torch.zeros(1, _FIRST, 1, device=like.device)
    try:
        with Changed(_own_memory(part)), torch.no_grad():
            one, other = part.forward(x, near, *given), part.forward(x, far, *given)
    except (TypeError, ValueError, ArithmeticError, RuntimeError, AttributeError, LookupError):
        return False
    pairs = [(one, other)] if isinstance(one, Tensor) else zip(one, other, strict=True)
    return not all(torch.equal(a[:, :-1], b[:, :-1]) for a, b in pairs)


def _far(part: nn.Module) -> int:
    """A position behind every length that the configuration names."""
    named = [2048]
    config = getattr(part, "config", None)
    for value in (*vars(part).values(), *(vars(config).values() if config else ())):
        for one in value.values() if isinstance(value, dict) else (value,):
            for size in one.values() if isinstance(one, dict) else (one,):
                if isinstance(size, int) and not isinstance(size, bool):
                    named.append(size)
    return 2 * max(named)
