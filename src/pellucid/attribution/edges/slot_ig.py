"""Every edge from paths along which slots come to read the clean run instead of the corrupted one.

On a path P (a set of slots) what slot v of P reads goes from corrupted to clean, while every other
slot reads what the model computes:

    read_v(a) = a (what is computed) + (1 - a) (what the corrupted run had there)

with the mixture behind the projection for a query, key or value, and in the stream for an MLP and
the logits. With d_u the computed minus the corrupted term of node u, and r_v the metric's gradient
at what v reads,

    score of (u, v) on P  =  sum over positions of  mean over a of  d_u(a) . r_v(a)

1. There are four paths: all slots together, all queries, all keys, all values. An edge's score is
   the mean over the paths that move its slot. The sum over all edges on a path is
   metric(clean) - metric(slots of P corrupted), up to the curvature of the norms.
2. *All slots* is the mask's gradient along the diagonal, as in mask-ig (Sundararajan et al. 2017 on
   an edge mask), and sees what several edges do together: OR, saturated attention. Mixing behind
   the norm keeps each part's input at its usual size; halves of two unlike streams are short, and a
   norm would blow up whatever else is in them.
3. The diagonal cannot see a match: where query and key change together they agree at every point,
   though cutting either alone breaks the agreement. Queries, keys and values alone can.
4. The norm's Jacobian is taken midway between the two streams, at the harmonic mean of their sizes:
   times their difference it is the difference of the normed streams, exactly if both are of one
   size or one direction, else to third order.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import reduce

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.attribution.edges.integration import demand_identity, points, record_edges
from pellucid.attribution.edges.scores import EdgeScores, packed, per_example
from pellucid.attribution.nodes import CONVERGED, STEPS
from pellucid.model.model import Model
from pellucid.model.norms import norm_form
from pellucid.model.sites import Site
from pellucid.options import METRIC, EdgePositions
from pellucid.passes import metering
from pellucid.run.edges.products import (
    Point,
    Values,
    edge_products,
    edge_products_by_position,
    node_products,
    slot_sites,
    stream_read,
)
from pellucid.run.gradient import differentiate
from pellucid.run.record import Trace
from pellucid.run.sites import node_sites
from pellucid.shapes import PerExample
from pellucid.task.contrast import Contrasts
from pellucid.task.metrics import Metric

APART = ("q", "k", "v")
"""Kinds of slots that also move alone."""
CURVATURE = 0.1
"""Part of the metric difference that norms may take, which no number of steps gives back."""
NOTE = "An edge that works only after another is cut (the input of a dormant backup) can score 0."


def slot_ig(
    model: Model,
    contrast: Contrasts,
    *,
    metric: str | Metric = METRIC,
    steps: int | None = None,
    positions: EdgePositions = "sum",
) -> EdgeScores:
    """Score every edge along four paths of its slots.

    ``steps`` midpoints on each path; when not given they double from 4 until the joint path
    accounts for the metric difference to 2 %, or to 10 % and no longer moves; at most 64.

    **Cost** 2 forwards + 1 backward, and 4 of each per step; when steps are chosen, those of the
    joint path that were tried as well.
    **Raises** ``UnsupportedArchitectureError`` when more than the slots reads the stream, and what
    ``record`` raises.
    """
    with metering() as meter, torch.inference_mode(False), torch.no_grad():
        trace = record_edges(model, contrast, metric=metric)
        error = _identity_error(model, trace)
        joint, *alone = _paths(model)
        before = None
        for count in STEPS if steps is None else (steps,):
            first = _along(model, trace, joint, count, positions)
            accounted = first.sum(tuple(range(1, first.ndim)))
            if _settled(accounted, before, trace.difference.cpu(), trace.noise):
                break
            before = accounted
        rest = [_along(model, trace, path, count, positions) for path in alone]
        scores = _scored(model, trace, [first, *rest], positions)
    return replace(
        scores, accounted=accounted, identity_error=error, steps=count, passes=meter.passes
    )


def _identity_error(model: Model, trace: Trace) -> float:
    """Whether the slots are all that reads the stream: shown by eap, which costs no more passes.

    **Raises** ``UnsupportedArchitectureError`` when they are not.
    """
    ((_, point),) = points(model, trace, "eap", 1)
    edges = edge_products(model.anatomy, point, since=trace.encoded.first_difference)
    example, n = trace.encoded.example, trace.encoded.n_examples
    sums = per_example(edges.sum(2), example, n)
    nodes = per_example(node_products(model.anatomy, point), example, n)
    return demand_identity(model, sums, nodes, trace.difference.cpu())


def _along(
    model: Model, trace: Trace, path: frozenset[Site], steps: int, positions: EdgePositions
) -> Float[Tensor, "example *pos sender slot"]:
    """Scores on one path, for each example."""
    products = edge_products_by_position if positions == "each" else edge_products
    along = (_point(model, trace, path, (i + 0.5) / steps) for i in range(steps))
    since = trace.encoded.first_difference
    added = reduce(torch.add, (products(model.anatomy, point, since=since) for point in along))
    return per_example(added / steps, trace.encoded.example, trace.encoded.n_examples)


def _settled(
    accounted: PerExample, before: PerExample | None, difference: PerExample, noise: float
) -> bool:
    """Whether enough steps were taken; what is left then is rounding, or the curvature of norms."""
    size = float(difference.abs().mean())
    left = abs(float((accounted - difference).mean()))
    if left <= noise or left < CONVERGED * size:
        return True
    if before is None:
        return False
    moved = abs(float((accounted - before).mean()))
    return left < CURVATURE * size and moved < CONVERGED * size


def _scored(
    model: Model, trace: Trace, paths: list[Tensor], positions: EdgePositions
) -> EdgeScores:
    """The mean over the paths that move an edge's slot."""
    anatomy = model.anatomy
    shared = torch.tensor([1 + (slot.kind in APART) for slot in anatomy.slots])
    by_example = torch.stack(paths).sum(0) / shared.to(paths[0])
    scores = by_example if positions == "sum" else by_example.sum(1)
    halves, scale = packed(scores, anatomy.edges)
    return EdgeScores(
        method="slot-ig",
        senders=anatomy.nodes,
        slots=anatomy.slots,
        exists=anatomy.edges,
        matrix=scores.mean(0),
        halves=halves,
        scale=scale,
        by_position=None if positions == "sum" else by_example.mean(0),
        difference=trace.difference.cpu(),
        accounted=scores.sum((1, 2)),
        identity_error=None,
        steps=0,
        passes=trace.passes,
        note=NOTE,
        noise=trace.noise,
        units=trace.encoded.shared,
    )


def _paths(model: Model) -> Iterator[frozenset[Site]]:
    """Sites where the slots of each path read; a path that a model has no slots for is left out."""
    sites = slot_sites(model.anatomy)
    yield frozenset(sites)
    alone = (frozenset(site for site in sites if site.kind == kind) for kind in APART)
    yield from filter(None, alone)


def _point(model: Model, trace: Trace, path: frozenset[Site], weight: float) -> Point:
    """The run in which the slots of ``path`` read ``weight`` of what is computed."""
    nodes, slots = node_sites(model), slot_sites(model.anatomy)

    def mix(site: Site, value: Tensor) -> Tensor:
        return trace.corrupted[site].lerp(value, weight) if site in path else value.clone()

    found = differentiate(
        model,
        trace.objective,
        [*nodes, *slots],
        observed=stream_read(model.anatomy),
        change=mix,
    )
    change = {site: found.values[site] - trace.corrupted[site] for site in nodes}
    still = {site: torch.zeros_like(found.gradients[site]) for site in slots if site not in path}
    return Point(change, _midway(model, trace, found.values), {**found.gradients, **still})


def _midway(model: Model, trace: Trace, values: Values) -> Values:
    """``values``, with what the norms read put between it and the corrupted reading."""
    between = {}
    for site in stream_read(model.anatomy):
        attention = model.anatomy.blocks[site.layer].attention
        norm = None if attention is None else attention.norm
        form = None if norm is None else norm_form(norm, values[site])
        middle = trace.corrupted[site].lerp(values[site], 0.5)
        if form is not None:
            size, one, other = (
                form.normalise(x)[1] for x in (middle, values[site], trace.corrupted[site])
            )
            middle = middle * (2 * one * other / (one + other) / size)
        between[site] = middle
    return {**values, **between}
