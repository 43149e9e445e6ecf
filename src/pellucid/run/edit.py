"""Single edits: what is put where, as a frozen value, and a run with any number of them.

For sweeps over many components use ``patch`` or ``run_variants``, which batch them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.arguments import checks_kinds, demand_fields
from pellucid.errors import EditError
from pellucid.model.model import Model
from pellucid.model.running.changes import leaves_nothing
from pellucid.model.running.forward import Batch, forward, undisturbed
from pellucid.model.sites import Site
from pellucid.run.prompts import prompt_tokens
from pellucid.run.subspace import Subspace, fitted
from pellucid.task.positions import positions_from_start

UNITS = ("neurons", "latents", "router")
"""Kinds of site whose last axis is one of units that can be chosen."""
Operation: TypeAlias = Literal["replace", "add", "scale"]
EditValue: TypeAlias = float | Tensor | Subspace | Callable[[Tensor], Tensor]
"""A number or tensor; a component of one; or what a function makes of the current value."""


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One write: ``operation`` with ``value`` at a site.

    ``heads`` picks heads of q, k, v, z and pattern, neurons of ``neurons``, or
    ``latents`` (default: all).
    ``positions`` picks positions (for the pattern: queries), negative ones from the end.
    ``value`` is a number, or a tensor that broadcasts to the chosen part in the site's canonical
    shape (see ``Site``), with heads and positions in the order given; or a function, called with
    the chosen part as it is now, that returns such a tensor; or a ``Subspace``, whose component of
    the part alone is replaced. Steering adds a vector, subspace patching replaces a component, and
    whatever else depends on the current value is a function.

    **Raises** ``EditError`` for an unknown operation, or heads or positions that choose nothing.
    """

    site: Site
    operation: Operation = "replace"
    value: EditValue = 0.0
    heads: int | tuple[int, ...] | None = None
    positions: int | tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        demand_fields(self)
        if self.operation not in get_args(Operation):
            raise EditError(
                f"operation={self.operation!r} is not known; choose one of {get_args(Operation)}."
            )
        for name in ("heads", "positions"):
            given = getattr(self, name)
            listed = (given,) if isinstance(given, int) else given
            if listed is not None and not len(listed):
                raise EditError(f"{name}=() chooses nothing; leave it out to choose all.")
            object.__setattr__(self, name, None if listed is None else tuple(listed))
        if isinstance(self.value, Subspace) and self.operation != "replace":
            raise EditError(
                f"A Subspace says what its component becomes, so operation={self.operation!r} has "
                "no meaning with it; leave operation out."
            )

    def operand(self, chosen: Tensor) -> Tensor:
        """The tensor that is put in, added or multiplied with, in the shape of ``chosen``.

        **Raises** ``EditError`` for what does not broadcast, is no tensor, or is not finite.
        """
        name = self.site.name
        if isinstance(self.value, Subspace):
            return self.value.replaced_in(chosen, name)
        found = self.value
        if callable(found):
            found = found(chosen.clone())
            if not isinstance(found, Tensor):
                raise EditError(
                    f"{name}: the function given as value returned a {type(found).__name__}, and "
                    "should return a tensor. Return the new value, also where it was edited in "
                    "place."
                )
            if not bool(found.isfinite().all()):
                raise EditError(f"{name}: the function given as value returned NaN or infinity.")
        return fitted(found, chosen, name)


@checks_kinds
@leaves_nothing
def run_edited(
    model: Model,
    prompt: str | Sequence[int] | Sequence[Sequence[int]],
    edits: Sequence[Edit],
) -> Float[Tensor, "row pos d_vocab"]:
    """Logits at every position of ``prompt`` with all ``edits`` applied, in the order given.

    Several edits of one site are applied one after the other.

    **Cost** 1 forward.
    **Raises** ``EditError`` for a site, head or position that is not there, or a value that does
    not fit; ``TokenError`` and ``ContextLengthError`` for a prompt that the model cannot read.
    """
    tokens = prompt_tokens(model, prompt)
    by_site: dict[Site, list[Edit]] = {}
    for edit in edits:
        by_site.setdefault(edit.site, []).append(edit)
    with undisturbed(model.module), torch.no_grad():
        taps = {site: applying(group) for site, group in by_site.items()}
        return forward(model.module, model.anatomy, Batch(tokens=tokens), taps=taps)


def applying(edits: Sequence[Edit]) -> Callable[[Tensor], Tensor]:
    """A tap that applies ``edits`` one after the other."""

    def tap(value: Tensor) -> Tensor:
        for edit in edits:
            value = apply_edit(edit, value)
        return value

    return tap


def apply_edit(edit: Edit, value: Tensor) -> Tensor:
    """``value`` with one edit; the given tensor is not changed.

    **Raises** ``EditError`` for a head or position outside the tensor, or a value that does not
    fit.
    """
    part = edit.site.kind == "pattern"
    position_axis = 2 if part else 1
    head_axis = 1 if part else value.ndim - 1 if edit.site.kind in UNITS else 2
    positions = _columns(edit, value.shape[position_axis])
    has_heads = edit.site.by_head or edit.site.kind in (*UNITS, "experts")
    if edit.heads is not None and not has_heads:
        raise EditError(f"{edit.site.name} has no heads; leave heads= out.")
    heads = _heads(edit, value.shape[head_axis]) if has_heads else None
    # Two index lists would pair up; one after the other they choose a rectangle.
    chosen = value.index_select(position_axis, positions.to(value.device))
    if heads is not None:
        chosen = chosen.index_select(head_axis, heads.to(value.device))
    operand = edit.operand(chosen)
    if edit.operation == "replace":
        new = operand
    else:
        new = chosen + operand if edit.operation == "add" else chosen * operand
    if heads is not None:
        whole = value.index_select(position_axis, positions.to(value.device))
        new = whole.index_copy(head_axis, heads.to(value.device), new)
    return value.index_copy(position_axis, positions.to(value.device), new)


def _columns(edit: Edit, length: int) -> Tensor:
    """The positions that an edit picks, from the start."""
    asked = range(length) if edit.positions is None else edit.positions
    assert not isinstance(asked, int)
    found = positions_from_start(asked, length, given=edit.positions, at=edit.site.name)
    return torch.tensor(found)


def _heads(edit: Edit, size: int) -> Tensor:
    """The heads, or neurons, that an edit picks."""
    asked = range(size) if edit.heads is None else edit.heads
    assert not isinstance(asked, int)
    if outside := [i for i in asked if not -size <= i < size]:
        raise EditError(
            f"{edit.site.name}: head {outside[0]} is not there; heads go from 0 to {size - 1}."
        )
    return torch.tensor([i % size for i in asked])
