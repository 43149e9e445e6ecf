"""What one gradient on the clean prompt cannot see, recorded beside it.

1. The metric's gradient at a second point, where every node gives 85 % of what it computes and 15 %
   of its corrupted value: away from the clean prompt, where a softmax or a norm may be flat.
2. The metric with the first MLP corrupted, measured. It turns the token into what all later layers
   read, so its effect is rarely near linear.

Short prompts take both along in the call that records them (``paired_call.py``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.model.model import Model
from pellucid.model.running.forward import Batch, forward, undisturbed
from pellucid.model.sites import Site
from pellucid.run.gradient import (
    Beside,
    ChangeTogether,
    Gradients,
    Objective,
    Together,
    differentiate,
    differentiate_together,
)
from pellucid.run.paired_call import ride_together
from pellucid.run.sites import first_mlp, node_sites

SHARE = 0.85
"""Of a node's output that is its own in the mixture: chosen on half of the questions of
``zoo/real_questions.py`` among .5, .7, .85 and .95."""


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """The second point of a recording."""

    gradient: dict[Site, Tensor]
    """Of each row's own metric, where every node is a mixture."""
    metric_without_first: Float[Tensor, " example"] | None
    """With the first MLP corrupted; None for a model without MLPs."""


def mixed(own: Tensor, corrupted: Tensor) -> Tensor:
    """``SHARE`` of a node's own output, the rest of its corrupted value."""
    return corrupted.detach().lerp(own, SHARE)


def changed_together(model: Model) -> ChangeTogether:
    """Groups clean, mixture, corrupted and, with the first MLP corrupted, clean, in one call."""
    nodes, first = set(node_sites(model)), first_mlp(model)

    def change(site: Site, groups: Sequence[Tensor]) -> list[Tensor]:
        clean, mixture, corrupted, *without = groups
        if site in nodes:
            mixture = mixed(mixture, corrupted)
        return [clean, mixture, corrupted, *([corrupted] if site == first else without)]

    return change


def mixture_from(found: Gradients, without: Sequence[Beside], objective: Objective) -> Mixture:
    """The mixture of groups that ran together; ``without``: that without the first MLP, if any."""
    metrics = [objective.metric(logits, objective.encoded) for _, logits in without]
    return Mixture(gradient=found.gradients, metric_without_first=next(iter(metrics), None))


def run_mixture(model: Model, objective: Objective, corrupted: Mapping[Site, Tensor]) -> Mixture:
    """The mixture of a question that was recorded without it.

    **Cost** 2 forwards and 1 backward; 1 of each without MLPs.
    **Raises** ``NonFiniteError`` when the metric is not finite.
    """
    nodes, first, tokens = node_sites(model), first_mlp(model), objective.encoded.clean
    if first is not None and ride_together(tokens):

        def change_both(site: Site, groups: Sequence[Tensor]) -> list[Tensor]:
            mixture, without = groups
            if site in nodes:
                mixture = mixed(mixture, corrupted[site])
            return [mixture, corrupted[site] if site == first else without]

        together = Together([tokens, tokens], change=change_both)
        (found,), without = differentiate_together(model, objective, nodes, together)
        return mixture_from(found, without, objective)

    def change(site: Site, value: Tensor) -> Tensor:
        return mixed(value, corrupted[site]) if site in nodes else value.clone()

    found = differentiate(model, objective, nodes, change=change)
    metric = None if first is None else _metric_with(model, objective, first, corrupted[first])
    return Mixture(gradient=found.gradients, metric_without_first=metric)


def _metric_with(
    model: Model, objective: Objective, site: Site, value: Tensor
) -> Float[Tensor, " example"]:
    """The metric on the clean prompts with ``value`` at ``site``.

    **Cost** 1 forward.
    """
    encoded = objective.encoded
    batch = Batch(tokens=encoded.clean.clone(), real=encoded.real, reads=encoded.reads)
    with undisturbed(model.module), torch.no_grad():
        logits = forward(model.module, model.anatomy, batch, taps={site: lambda _: value.clone()})
    return objective.metric(logits, encoded)
