"""Estimates of nodes in a run in which some are already replaced.

With a set S of nodes held at their replacement values, z_u what node u computes there, r_u its own
replacement and L the metric of that run, the estimate of what is lost when u is replaced too is

    (z_u - r_u) . dL/dz_u        summed over features and positions, both taken in the run with S

For S empty and corrupted values it is attribution patching.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.model.anatomy import Node
from pellucid.model.model import Model
from pellucid.model.sites import Site, site_of
from pellucid.run.gradient import differentiate
from pellucid.run.record import Trace

Values: TypeAlias = Mapping[Site, Tensor]


def estimates_given(
    model: Model,
    trace: Trace,
    replaced: Collection[Node],
    nodes: Sequence[Node],
    values: Values,
) -> Float[Tensor, "example node"]:
    """Estimated effect of replacing each of ``nodes`` when ``replaced`` are replaced already.

    Zero for those that are. ``values`` are the replacements at the sites of both.

    **Cost** 1 forward, 1 backward; none with nothing replaced, for then the trace has all.
    """
    sites = list(dict.fromkeys(map(site_of, nodes)))
    if not replaced:
        reached, gradients = trace.clean, trace.gradient
    else:
        held = list(dict.fromkeys(map(site_of, replaced)))

        def hold(site: Site, value: Tensor) -> Tensor:
            heads = [node.head for node in replaced if site_of(node) == site]
            return holding(value, values[site], heads) if heads else value.clone()

        found = differentiate(
            model,
            trace.encoded,
            trace.encoded.clean,
            trace.metric,
            list(dict.fromkeys([*sites, *held])),
            change=hold,
        )
        reached, gradients = found.values, found.gradients
    by_site = {site: ((reached[site] - values[site]) * gradients[site]).sum(-1) for site in sites}
    columns = [
        by_site[site_of(node)] if node.head is None else by_site[site_of(node)][..., node.head]
        for node in nodes
    ]
    by_row = torch.stack(columns, dim=-1).sum(1)  # row node
    by_row[:, [node in replaced for node in nodes]] = 0
    by_example = by_row.new_zeros(trace.encoded.n_examples, len(nodes))
    return by_example.index_add_(0, trace.encoded.example.to(by_row.device), by_row).cpu()


def holding(value: Tensor, replacement: Tensor, heads: Sequence[int | None]) -> Tensor:
    """``value`` with these heads, or all of it, replaced; gradients flow through the rest."""
    where = torch.zeros(value.shape[2:-1] or (1,), dtype=torch.bool, device=value.device)
    if heads == [None]:
        where[:] = True
    else:
        where[list(heads)] = True
    return torch.where(where[:, None] if heads != [None] else where, replacement, value)
