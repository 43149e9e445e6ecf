"""A component of a value: what lies in a subspace is replaced, what is orthogonal to it stays.

With P the orthogonal projection onto the span of the basis,

    new = current - P current + P source

which replaces all of the value where the basis spans everything, and nothing where the source is
the current value. (Subspace interchange: Geiger et al. 2024; Wu et al. 2023)
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.arguments import demand_kind, value_in_words
from pellucid.errors import EditError

_Source: TypeAlias = float | Tensor | Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Subspace:
    """The component in the span of ``basis`` becomes that of ``source``.

    ``basis [k d]`` holds directions in the last axis of the part that is edited; they need not be
    orthogonal or of length one, and are kept so. ``source`` is a number, a tensor that broadcasts
    to the part (as a rule the same site's value on another prompt), or a function of the current
    value.

    **Raises** ``EditError`` for a basis that is no finite matrix or whose rows depend on each
    other.
    """

    basis: Float[Tensor, "k d"]
    source: _Source = 0.0

    def __post_init__(self) -> None:
        demand_kind("Subspace()", "source", self.source, _Source)
        try:
            basis = torch.as_tensor(self.basis)
        except (TypeError, ValueError, RuntimeError) as error:
            found = value_in_words(self.basis)
            raise EditError(f"A basis is a matrix of finite numbers; this is {found}.") from error
        if basis.ndim != 2 or not basis.is_floating_point() or not bool(basis.isfinite().all()):
            raise EditError(
                "A basis is a matrix of finite numbers, one direction a row; this one has shape "
                f"{tuple(basis.shape)} and dtype {basis.dtype}."
            )
        object.__setattr__(self, "basis", orthonormal(basis.detach()))

    def component(self, value: Tensor) -> Tensor:
        """What of ``value [... d]`` lies in the subspace."""
        basis = self.basis.to(value.device, value.dtype)
        return value @ basis.T @ basis

    def replaced_in(self, current: Tensor, name: str) -> Tensor:
        """``current`` with its component replaced; ``name`` is the site's, for errors."""
        if self.basis.shape[1] != current.shape[-1]:
            raise EditError(
                f"{name}: the basis has directions of {self.basis.shape[1]} numbers, and the part "
                f"chosen vectors of {current.shape[-1]}."
            )
        source = self.source(current.clone()) if callable(self.source) else self.source
        return current + self.component(fitted(source, current, name) - current)


def orthonormal(basis: Float[Tensor, "k d"]) -> Float[Tensor, "k d"]:
    """Orthogonal directions of length one with the same span, computed in double precision.

    **Raises** ``EditError`` when the rows depend on each other.
    """
    rank = int(torch.linalg.matrix_rank(basis.double()))
    if rank < len(basis):
        raise EditError(
            f"The {len(basis)} directions of the basis span only {rank} dimensions. Leave out "
            "those that the others contain."
        )
    return torch.linalg.qr(basis.double().T).Q.T


def fitted(value: float | Tensor, chosen: Tensor, name: str) -> Tensor:
    """``value`` in the dtype, on the device and in the shape of ``chosen``.

    **Raises** ``EditError`` when it does not broadcast.
    """
    operand = torch.as_tensor(value, dtype=chosen.dtype, device=chosen.device)
    try:
        return operand.expand(chosen.shape)
    except RuntimeError as error:
        raise EditError(
            f"{name}: a value of shape {tuple(operand.shape)} does not broadcast to the part "
            f"chosen, {tuple(chosen.shape)}."
        ) from error
