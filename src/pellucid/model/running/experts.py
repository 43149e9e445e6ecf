"""Reading and writing what a mixture of experts does: how much of each expert, and what each adds.

The *router's* value is the weight of every expert at every position, 0 where it was not chosen; a
write there decides anew which experts run, and how much of each is taken. An *expert's* value is
what it adds to the layer's output, its weight included; the sum over experts is what the module of
all experts returned.

**Cost** of reading experts: each runs on every position by itself. A written router runs them all.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from pellucid.model.anatomy import Experts
from pellucid.model.running.hooks import Hook, hook_after, hook_before

CALLED_WITH = ("hidden_states", "top_k_index", "top_k_weights")
"""What a module of all experts is called with."""


def router_hook(
    experts: Experts, shape: Sequence[torch.Size], tap: Callable[[Tensor], Tensor | None]
) -> Hook:
    """Shows ``tap`` the weights ``[row pos expert]``; ``shape`` is that of the layer's input."""

    def before(module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict] | None:
        hidden, index, weights = given(args, kwargs)
        dense = all_weights(index, weights, experts.count)
        new = tap(dense.reshape(*shape[0][:2], experts.count))
        if new is None:
            return None
        every = torch.arange(experts.count, device=index.device).expand(len(dense), -1)
        return (hidden, every, new.reshape(dense.shape).to(weights.dtype)), {}

    return hook_before(experts.module, before)


def experts_hook(
    experts: Experts, shape: Sequence[torch.Size], tap: Callable[[Tensor], Tensor | None]
) -> Hook:
    """Shows ``tap`` what every expert adds, ``[row pos expert d_model]``."""

    def after(module: nn.Module, args: tuple, kwargs: dict, output: Tensor) -> Tensor | None:
        each = by_expert(experts, *given(args, kwargs))
        new = tap(each.reshape(*shape[0][:2], *each.shape[1:]))
        return None if new is None else new.sum(2).reshape(output.shape).to(output.dtype)

    return hook_after(experts.module, after)


def by_expert(
    experts: Experts,
    hidden: Float[Tensor, "token d_model"],
    index: Int[Tensor, "token chosen"],
    weights: Float[Tensor, "token chosen"],
) -> Float[Tensor, "token expert d_model"]:
    """What each expert adds at each token, by running each alone with its weight."""
    dense = all_weights(index, weights, experts.count)
    alone = (
        experts.module.forward(hidden, torch.full_like(index[:, :1], e), dense[:, e : e + 1])
        for e in range(experts.count)
    )
    return torch.stack(list(alone), dim=1)


def all_weights(
    index: Int[Tensor, "token chosen"], weights: Float[Tensor, "token chosen"], count: int
) -> Float[Tensor, "token expert"]:
    """The weight of every expert, 0 where it was not chosen."""
    return weights.new_zeros(len(index), count).scatter(1, index.long(), weights)


def given(args: tuple, kwargs: dict) -> tuple[Any, ...]:
    """Hidden states, indices and weights, however they were handed over."""
    named = dict(zip(CALLED_WITH, args, strict=False)) | kwargs
    return tuple(named[name] for name in CALLED_WITH)
