"""What a term, or the stream itself, is multiplied by: a number, or what a module holds."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class StoredFactor:
    """A scalar or a vector of the stream's width that ``module`` holds under ``name``.

    It is read each time it is needed, so it follows the weights; moving a model to another device
    puts new buffers in the place of the old ones.
    """

    module: nn.Module
    name: str

    @property
    def value(self) -> Tensor:
        """The parameter or buffer as it is now."""
        found = getattr(self.module, self.name)
        assert isinstance(found, Tensor)
        return found.detach()

    def __repr__(self) -> str:
        return f"{type(self.module).__name__}.{self.name}"


Factor: TypeAlias = float | StoredFactor
"""A number that is the same for every feature, or a parameter or buffer."""


def times(tensor: Tensor, factor: Factor) -> Tensor:
    """``tensor`` times ``factor`` in the tensor's own dtype; itself when the factor is one."""
    if isinstance(factor, StoredFactor):
        return tensor * factor.value.to(tensor)
    return tensor if factor == 1.0 else tensor * factor


def over(tensor: Tensor, factor: Factor) -> Tensor:
    """``tensor`` divided by ``factor``; itself when the factor is one."""
    if isinstance(factor, StoredFactor):
        return tensor / factor.value.to(tensor)
    return tensor if factor == 1.0 else tensor / factor


def product(factors: Iterable[Factor]) -> float | Float[Tensor, " d_model"]:
    """The product of ``factors``: a number, or a vector (single precision at least) if one is."""
    number = 1.0
    vector: Tensor | None = None
    for factor in factors:
        if not isinstance(factor, StoredFactor):
            number *= factor
            continue
        held = factor.value
        if held.numel() == 1:
            number *= float(held)
        elif vector is None:
            vector = held.to(torch.promote_types(held.dtype, torch.float32))
        else:
            vector = vector * held.to(vector.device)
    return number if vector is None else vector * number
