"""AtP*: edge attribution that survives saturated attention and cancelling effects.

(Kramár, Lieberum, Shah & Nanda 2024, arXiv:2403.00745, for nodes; here for edges.)

1. *QK fix.* A softmax that is saturated has no gradient, whatever its queries and keys do. So for
   each sender the heads run again with it cut from their queries (or keys), and the edge's score is

       sum over positions of  (z - z cut) . dm/dz

   which equals (pattern - pattern cut) . dm/dpattern, for the values do not move.
2. *GradDrop.* Paths of opposite effect cancel in a gradient. So the gradient is taken once more for
   every layer, with none flowing through what that layer adds; an edge's score is the mean of the
   absolute scores over these, leaving out the layer that it leads into. The sign is that of step 1.

The scores need not add up to their node's, nor to the metric difference.
"""

from collections.abc import Iterator
from dataclasses import replace

import torch
from einops import einsum, reduce
from jaxtyping import Float
from torch import Tensor

from pellucid.attribution.edges.integration import differentiated, node_changes
from pellucid.attribution.edges.scores import EdgeScores, packed, per_example
from pellucid.model.anatomy import Attention
from pellucid.model.model import Model
from pellucid.model.sites import Site
from pellucid.run.edges.products import Point, Values, edge_products
from pellucid.run.edges.recompute_heads import heads_again, slots_of
from pellucid.run.record import Trace
from pellucid.run.setup import Setup
from pellucid.run.sites import node_sites


def starred(model: Model, trace: Trace, plain: EdgeScores) -> EdgeScores:
    """``plain`` scores (eap), corrected by both steps.

    **Assumes** a trace with the stream entering every layer.
    **Cost** 1 forward + 1 backward for each layer; the attention layers again for every sender in
    front of them, once for queries and once for keys.
    """
    encoded, change = trace.encoded, node_changes(model, trace)
    scores: list[Tensor] = []
    at_heads: list[Values] = []
    for values, gradient in _runs(model, trace):
        point = Point(change, values, gradient)
        products = edge_products(model.anatomy, point, since=encoded.first_difference)
        scores.append(per_example(products, encoded.example, encoded.n_examples))
        at_heads.append({site: value for site, value in gradient.items() if site.kind == "z"})
    stacked = torch.stack(scores)  # run example sender slot
    loose = []
    for layer, block in enumerate(model.anatomy.blocks):
        if block.attention and block.attention.by_head:
            _fix_attention(model, trace, layer, block.attention, at_heads, stacked)
        elif block.attention:
            loose.append(str(layer))
    corrected = _mean_size(model, stacked)
    halves, scale = packed(corrected, plain.exists)
    note = "Scores need not add up to the metric difference."
    if loose:
        note += f" Layers {', '.join(loose)} have no queries and keys of heads to run again."
    return replace(
        plain,
        matrix=corrected.mean(0),
        halves=halves,
        scale=scale,
        accounted=corrected.sum((1, 2)),
        identity_error=None,
        note=note,
    )


def _runs(model: Model, trace: Trace) -> Iterator[tuple[Values, Values]]:
    """Values and gradients of the clean run, then with each layer's terms passing none on."""
    yield trace.clean, trace.gradient
    nodes = node_sites(model)
    for layer in range(model.anatomy.n_layers):
        dropped = {site for site in nodes if site.layer == layer and site.kind != "resid_pre"}

        def drop(site: Site, value: Tensor, dropped: set[Site] = dropped) -> Tensor:
            start = value.detach().requires_grad_() if site in dropped else value
            return start.clone()

        found = differentiated(model, trace, drop)
        yield found.values, found.gradients


def _fix_attention(
    model: Model,
    trace: Trace,
    layer: int,
    attention: Attention,
    at_heads: list[Values],
    scores: Float[Tensor, "run example sender slot"],
) -> None:
    """Put the QK fix of one layer into ``scores``."""
    site, encoded = Site("z", layer), trace.encoded
    setup = Setup(model=model, trace=trace)
    for kind in ("q", "k"):
        columns = slots_of(model.anatomy, layer, kind)
        for senders, z in heads_again(setup, layer, kind):
            moved = trace.clean[site][:, -z.shape[2] :] - z  # sender row pos head d_head
            for run, gradients in enumerate(at_heads):
                by_head = einsum(
                    moved,
                    gradients[site][:, -z.shape[2] :],
                    "sender row pos head d, row pos head d -> row sender head",
                )
                by_slot = reduce(
                    by_head, "row sender (slot group) -> row sender slot", "sum", slot=len(columns)
                )
                found = per_example(by_slot, encoded.example, encoded.n_examples)
                scores[run][:, senders, columns] = found.to(scores.dtype)


def _mean_size(
    model: Model, scores: Float[Tensor, "run example sender slot"]
) -> Float[Tensor, "example sender slot"]:
    """Mean size over the layers dropped, but each slot's own, with the sign of the plain run."""
    plain, dropped = scores[0], scores[1:]
    layers = torch.tensor([-1 if s.layer is None else s.layer for s in model.slots])
    counts = torch.arange(len(dropped))[:, None] != layers  # run slot
    # A model of one layer has nothing to drop but the slot's own.
    size = (dropped.abs() * counts[:, None, None]).sum(0) / counts.sum(0).clamp_min(1)
    return plain.sign() * torch.where(counts.any(0), size, plain.abs())
