"""Estimates of nodes in runs in which some are already replaced.

With a set S of nodes held at their replacement values, z_u what node u computes there, r_u its own
replacement and L the metric of that run, the estimate of what is lost when u is replaced too is

    (z_u - r_u) . dL/dz_u        summed over features and positions, both taken in the run with S

For S empty and corrupted values it is attribution patching.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.circuit.nodes.measure import Nodes
from pellucid.model.anatomy import Node
from pellucid.model.model import Model
from pellucid.model.sites import Site, site_of
from pellucid.run.gradient import Objective, differentiate
from pellucid.run.record import Trace
from pellucid.run.variants import replacing_tap

_Values: TypeAlias = Mapping[Site, Tensor]


@dataclass(frozen=True)
class ConditionalEstimates:
    """What one run with a set of nodes replaced tells, for each of several sets."""

    estimate: Float[Tensor, "set example node"]
    """Of replacing a further node; zero for those of the set."""
    metric: Float[Tensor, "set example"]
    """Measured, with the set replaced."""
    stream: Float[Tensor, "set row read d_model"]
    """What the final norm reads where logits are read."""


def estimates_given(
    model: Model,
    trace: Trace,
    sets: Sequence[Nodes],
    nodes: Sequence[Node],
    values: _Values,
) -> ConditionalEstimates:
    """Estimated effect of replacing each of ``nodes`` when those of a set are replaced already.

    ``values`` are the replacements at the sites of all of them, broadcastable to
    ``[set row pos ...]``: every set may have its own.

    **Assumes** a metric that scores each row by itself.
    **Cost** 1 forward and 1 backward for each set, in one call.
    """
    n, encoded = len(sets), trace.encoded
    repeated = encoded.take([*range(encoded.n_examples)] * n)
    sites = list(dict.fromkeys(map(site_of, [*nodes, *(u for one in sets for u in one)])))
    held: dict[Site, list[Node]] = {site: [] for site in sites}
    for node in sorted({u for one in sets for u in one}, key=lambda u: u.name):
        held[site_of(node)].append(node)

    def hold(site: Site, value: Tensor) -> Tensor:
        here = held.get(site)
        if not here:
            return value.clone()
        mask = torch.tensor([[u in one for u in here] for one in sets], device=value.device)
        return replacing_tap(values[site], mask, [u.head for u in here], None)(value)

    final = Site("resid_pre", model.anatomy.n_layers)
    found = differentiate(
        model, Objective(repeated, trace.metric, n), sites, observed=[final], change=hold
    )
    rows = torch.arange(len(repeated.reads), device=repeated.reads.device)
    stream = found.values[final][rows[:, None], repeated.reads]
    estimates = added_up(trace, nodes, values, found.values, found.gradients)
    taken = torch.tensor([[u in one for u in nodes] for one in sets])
    return ConditionalEstimates(
        estimate=estimates.masked_fill(taken[:, None], 0),
        metric=found.metric.unflatten(0, (n, -1)).cpu(),
        stream=stream.unflatten(0, (n, -1)).cpu(),
    )


def intact_estimates(
    trace: Trace, nodes: Sequence[Node], values: _Values
) -> Float[Tensor, "example node"]:
    """Estimates of all nodes with nothing replaced, from the recording.

    **Cost** none.
    """
    return added_up(trace, nodes, values, trace.clean, trace.gradient)[0]


def added_up(
    trace: Trace, nodes: Sequence[Node], values: _Values, reached: _Values, gradients: _Values
) -> Float[Tensor, "set example node"]:
    """(z - r) . g of every node, summed over positions and the rows of an example."""
    rows = len(trace.encoded.real)
    by_site = {}
    for site in dict.fromkeys(map(site_of, nodes)):
        moved = reached[site].unflatten(0, (-1, rows)) - values[site]
        products = moved * gradients[site].unflatten(0, (-1, rows))
        by_site[site] = products.sum(-1).sum(2)  # set row (head)
    columns = [
        by_site[site_of(node)] if node.head is None else by_site[site_of(node)][..., node.head]
        for node in nodes
    ]
    by_row = torch.stack(columns, dim=-1)  # set row node
    by_example = by_row.new_zeros(len(by_row), trace.encoded.n_examples, len(nodes))
    return by_example.index_add_(1, trace.encoded.example.to(by_row.device), by_row).cpu()
