"""Two shortcuts, used only where shown to be exact: a late start, and a shared prefix."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from pellucid.model.anatomy import Anatomy
from pellucid.model.detection.probe import TOLERANCE
from pellucid.model.running.forward import Batch, Start, forward, parameters_of
from pellucid.model.running.prefix_cache import first_positions, repeat_past
from pellucid.model.sites import Site


def starts_late(
    module: nn.Module, anatomy: Anatomy, tokens: Tensor, seen: dict[Site, Tensor], plain: Tensor
) -> bool:
    """Whether starting in the middle, and at the last layer, reproduces the logits.

    The last layer too: one that takes keys and values from a layer below may only be there.
    """
    last = anatomy.n_layers - 1

    def reproduces_from(layer: int) -> bool:
        start = Start(layer, seen[Site("resid_pre", layer)])
        batch = Batch(tokens=tokens, start=start)
        return _reproduces(plain, lambda: forward(module, anatomy, batch))

    return last > 0 and all(map(reproduces_from, sorted({(last + 2) // 2, last})))


def shares_prefix(module: nn.Module, anatomy: Anatomy, tokens: Tensor, plain: Tensor) -> bool:
    """Whether three rows continuing one cached prefix reproduce the logits."""
    split = tokens.shape[1] // 2
    if split == 0 or "past_key_values" not in parameters_of(module):
        return False

    def continued() -> Tensor:
        caches: list[Any] = []
        forward(module, anatomy, Batch(tokens=tokens), caches=caches)
        past = first_positions(caches[0], 1, split, tokens.shape[1])
        if past is None:
            raise RuntimeError("the cache does not hold keys and values of every position")
        rest = tokens[:, split:].repeat(3, 1)
        # Twice, since the first use must leave nothing behind in what the second is given.
        forward(module, anatomy, Batch(tokens=rest, past=repeat_past(past, 3)))
        return forward(module, anatomy, Batch(tokens=rest, past=repeat_past(past, 3)))[2:]

    return _reproduces(plain[:, split:], continued)


def _reproduces(plain: Tensor, run: Callable[[], Tensor]) -> bool:
    """Whether a shortcut gives the plain logits; any failure only means it is not used."""
    try:
        found = run()
    except (RuntimeError, TypeError, ValueError, AttributeError, IndexError, KeyError):
        return False
    limit = TOLERANCE.get(plain.dtype, 1e-4) * float(plain.abs().max())
    return found.shape == plain.shape and float((found - plain).abs().max()) <= limit
