"""What the decision is the sum of, in the affine run from one layer on (``freeze.py``).

With norms, patterns and gates held, the metric of a clean prompt is an affine function of what
stands at a place, of what else enters its layer, and of the biases behind it. By Euler's theorem it
is then the sum over all of these of value . gradient:

    metric = value at the place . gradient + what else enters the layer . gradient
             + sum over biases of bias . gradient at its module's output

The place is cut off from what enters the layer, so that nothing is counted twice. What is left of
the metric is the residual: it shows whether the run was affine.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pellucid.model.model import Model
from pellucid.model.running.changes import Changed
from pellucid.model.running.forward import Batch, Start, forward, undisturbed
from pellucid.model.running.hooks import Hook, hook_after
from pellucid.model.running.taps import Tap
from pellucid.model.sites import Site
from pellucid.run.freeze import frozen
from pellucid.run.gradient import Objective


@dataclass(frozen=True, kw_only=True)
class AffineSum:
    """The summands of the metric of every row."""

    gradient: Float[Tensor, "row pos *d"]
    """At the place."""
    beside: Float[Tensor, " row"]
    """Of what enters the layer past the place; zero where the place is the stream itself."""
    constant: Float[Tensor, " row"]
    """Of biases behind."""
    metric: Float[Tensor, " row"]
    note: str
    """What could not be held."""


def affine_sum(model: Model, objective: Objective, site: Site, stream: Tensor) -> AffineSum:
    """The metric of the clean prompts as a sum, from the layer of ``site`` on.

    ``stream`` is what enters that layer on these prompts.

    **Assumes** a row for each example.
    **Cost** 1 forward and 1 backward, of the layers from the site's on where a run can start late.
    """
    encoded, entering = objective.encoded, Site("resid_pre", site.layer)
    leaves: dict[Site, Tensor] = {}
    biases: list[tuple[Tensor, Tensor]] = []

    def leaf(at: Site) -> Tap:
        def tap(value: Tensor) -> Tensor:
            leaves[at] = value.detach().clone().requires_grad_()
            return leaves[at]

        return tap

    late = site.layer > 0 and model.check.can_start_late
    with ExitStack() as stack:
        stack.enter_context(undisturbed(model.module))
        stack.enter_context(torch.enable_grad())
        held = stack.enter_context(frozen(model))
        stack.enter_context(Changed(_bias_hooks(model, site.layer, biases)))
        batch = Batch(
            tokens=encoded.clean.clone(),
            real=encoded.real,
            reads=encoded.reads,
            start=Start(site.layer, stream) if late else None,
        )
        taps = {at: leaf(at) for at in dict.fromkeys([entering, site])}
        logits = forward(model.module, model.anatomy, batch, taps=taps)
        metric = objective.metric(logits, encoded)
        wanted = [*leaves.values(), *(added for added, _ in biases)]
        found = torch.autograd.grad(metric.sum(), wanted, allow_unused=True)
    gradients = dict(zip(leaves, found, strict=False))
    rows = len(encoded.clean)
    constant = metric.new_zeros(rows, dtype=torch.float64)
    for (_, bias), gradient in zip(biases, found[len(leaves) :], strict=True):
        if gradient is not None:
            constant += (gradient.reshape(rows, -1, len(bias)).sum(1).double() * bias).sum(-1)
    beside = torch.zeros_like(constant)
    if site != entering:
        beside = _product(leaves[entering], gradients[entering])
    at_site = gradients[site]
    return AffineSum(
        gradient=torch.zeros_like(leaves[site]) if at_site is None else at_site,
        beside=beside,
        constant=constant,
        metric=metric.detach().double(),
        note=held.note,
    )


def _product(value: Tensor, gradient: Tensor | None) -> Float[Tensor, " row"]:
    if gradient is None:
        return torch.zeros(len(value), dtype=torch.float64, device=value.device)
    return (value.detach().double() * gradient.double()).flatten(1).sum(1)


def _bias_hooks(model: Model, layer: int, into: list[tuple[Tensor, Tensor]]) -> Iterator[Hook]:
    """Hooks that add a zero to differentiate by, behind each module with a bias that comes later.

    ``into`` gets the zeros with the biases.
    """
    parts = [block.module for block in model.anatomy.blocks[layer:]]
    parts += [
        part for part in (model.anatomy.final_norm, model.anatomy.unembed) if part is not None
    ]
    seen = dict.fromkeys(module for part in parts for module in part.modules())
    for module in seen:
        bias = getattr(module, "bias", None)
        if isinstance(bias, nn.Parameter) and bias.ndim == 1:
            yield hook_after(module, _adding(bias.detach().double(), into))


def _adding(bias: Tensor, into: list[tuple[Tensor, Tensor]]) -> Callable[..., Any]:
    def add(module: nn.Module, args: tuple, kwargs: dict, output: Any) -> Any:
        if not isinstance(output, Tensor) or output.shape[-1] != len(bias):
            return None
        zero = torch.zeros_like(output).requires_grad_()
        into.append((zero, bias))
        return output + zero

    return add
