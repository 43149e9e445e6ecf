"""A frozen norm (its scale held) is a linear map; found without knowing which norm it is.

LayerNorm, RMSNorm and their variants are  f(x) = s(x) G x + b  with a number s(x), as a rule
1 / sqrt(variance + eps), and a fixed matrix G: the gain, centring, whatever projection follows.

1. The variance vanishes at zero and is flat there, so  f(0) = b  and the Jacobian is  J = s(0) G.
2. Hence  f(x) - b = r J x  with one number r = s(x) / s(0), the least-squares one.
3. These are as many equations as f has outputs, for one unknown. They hold only if f is of that
   form: the error left is the proof, and a map that fails is refused.

Freezing the norm means holding r at its value for the x that the model had.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.errors import UnsupportedArchitectureError
from pellucid.model.detection.probe import TOLERANCE

Function: TypeAlias = Callable[[Tensor], Tensor]
"""A map of each row by itself, ``[row d_in]`` to ``[row d_out]``."""


@dataclass(frozen=True, kw_only=True)
class FrozenNorm:
    """``x -> scale * J x + offset``, equal to ``function`` at the rows that it was made from."""

    function: Function
    width: int
    """Size of x."""
    offset: Float[Tensor, " d_out"]
    scale: Float[Tensor, " row"]

    def pull(self, covectors: Float[Tensor, "row d_out"]) -> Float[Tensor, "row d_in"]:
        """What x is multiplied by, where the function's value is multiplied by ``covectors``."""
        with torch.enable_grad():
            zero = covectors.new_zeros(len(covectors), self.width).requires_grad_()
            (pulled,) = torch.autograd.grad(self.function(zero), zero, covectors)
        return pulled * self.scale[:, None]

    def jacobian_product(self, vectors: Float[Tensor, "n d_in"]) -> Float[Tensor, "n d_out"]:
        """J times each vector, without the scale."""
        return jacobian_product(self.function, vectors)


def jacobian_product(
    function: Function, vectors: Float[Tensor, "n d_in"]
) -> Float[Tensor, "n d_out"]:
    """The Jacobian at zero times each vector, by differentiating its transpose."""
    with torch.enable_grad():
        zero = torch.zeros_like(vectors).requires_grad_()
        value = function(zero)
        covectors = torch.zeros_like(value).requires_grad_()
        (pulled,) = torch.autograd.grad(value, zero, covectors, create_graph=True)
        (pushed,) = torch.autograd.grad(pulled, covectors, vectors)
    return pushed


def freeze_norm(
    function: Function,
    given: Float[Tensor, "row d_in"],
    returned: Float[Tensor, "row d_out"],
    *,
    what: str,
) -> FrozenNorm:
    """``function`` with its scale held where it made ``returned`` of ``given``.

    **Raises** ``UnsupportedArchitectureError`` naming ``what`` when it is not of the form above.
    """
    with torch.no_grad():
        offset = function(torch.zeros_like(given[:1]))[0]
    moved = (returned - offset).double()
    pushed = jacobian_product(function, given).double()
    scale = (moved * pushed).sum(-1) / pushed.square().sum(-1).clamp_min(1e-300)
    left = (moved - scale[:, None] * pushed).norm(dim=-1) / moved.norm(dim=-1).clamp_min(1e-300)
    limit = TOLERANCE.get(given.dtype, 1e-4)
    if not bool((left <= limit).all()):
        raise UnsupportedArchitectureError(
            f"{what} is not a linear map with a scale that could be held: the best fit misses by "
            f"{float(left.max()):.1e} (relative). What single components write can then not be "
            "added up to a logit; measure their effects with patch() instead."
        )
    return FrozenNorm(
        function=function,
        width=given.shape[-1],
        offset=offset,
        scale=scale.to(given.dtype),
    )
