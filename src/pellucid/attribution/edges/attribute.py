"""Edge attribution: how much each edge (node -> slot) matters, all edges from one recording.

With d_u the change of node u's term (clean minus corrupted), r_v the metric's gradient at what slot
v reads of the stream, the score of an edge is  sum over positions of d_u . r_v, positive when the
edge supports the answer. The methods differ in where the gradient is taken:

    eap              on the clean prompt. First order. (Syed et al. 2023)
    clean-corrupted  half on the clean, half on the corrupted prompt. (Hanna et al. 2024)
    eap-ig           averaged over prompts whose embeddings lie between corrupted and clean, at
                     midpoints. (Hanna et al. 2024, EAP-IG inputs)
    mask-ig          every slot reads  a (what the nodes compute) + (1 - a) (their corrupted terms);
                     the edge mask's gradient, averaged over a at midpoints. Completes: its sum
                     over all edges is the metric difference.
    slot-ig          what slots read goes from corrupted to clean: all slots, and queries, keys and
                     values alone (``slot_ig.py``).
    atp*             eap, where edges into queries and keys count how attention really moves, and
                     cancelling gradients are told apart. (Kramár et al. 2024; ``atp_star.py``)
    relp             on the clean prompt, norms, patterns and gates held. (Rezaei Jafari et al.
                     2025; ``run/freeze.py``)
    exact            each edge is cut alone and the model is run. (Wang et al. 2022; Goldowsky-Dill
                     et al. 2023, path patching)
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import get_args

import torch
from torch import Tensor

from pellucid.attribution.edges.atp_star import starred
from pellucid.attribution.edges.batching import joined, parts_of
from pellucid.attribution.edges.integration import (
    demand_identity,
    points,
    record_edges,
    record_frozen,
)
from pellucid.attribution.edges.path_patching import Edges, patch_edges
from pellucid.attribution.edges.scores import EdgeScores, packed, per_example
from pellucid.attribution.edges.slot_ig import slot_ig
from pellucid.attribution.nodes import STEPS
from pellucid.callbacks import expect
from pellucid.errors import TaskError
from pellucid.model.model import Model, opened
from pellucid.options import EDGE_METHOD, METRIC, EdgeMethod, EdgePositions
from pellucid.passes import metering
from pellucid.run.edges.products import (
    Point,
    edge_products,
    edge_products_by_position,
    node_products,
)
from pellucid.run.provenance import with_provenance
from pellucid.run.question import demand_sums_of_parts, encode_contrast
from pellucid.run.record import Trace
from pellucid.run.sites import stream_sites
from pellucid.task.contrast import ContrastBatch, Contrasts
from pellucid.task.metrics import Metric

INTEGRATED = ("eap-ig", "mask-ig", "slot-ig")


@with_provenance
def attribute_edges(
    model: Model,
    contrast: Contrasts,
    *,
    method: EdgeMethod = EDGE_METHOD,
    metric: str | Metric = METRIC,
    steps: int | None = None,
    positions: EdgePositions = "sum",
    edges: Edges | None = None,
) -> EdgeScores:
    """Score every edge of the model: change of the sender's term . gradient at what the slot reads.

    The methods differ in where the gradient is taken: ``eap`` (Syed et al. 2023) on the clean
    prompt, the cheapest and on real models the nearest to measured effects; ``slot-ig`` averaged
    while what slots read goes from corrupted to clean, by which searches rank: it finds most in
    ``pellucid.zoo``, though its scores are three to four times too small; ``clean-corrupted`` and
    ``eap-ig`` (Hanna et al. 2024) on both, and averaged between them; ``mask-ig`` averaged over
    mixtures of computed and corrupted terms; ``atp*`` (Kramár et al. 2024) with the attention run
    again; ``relp`` (Rezaei Jafari et al. 2025) with norms, patterns and gates held. ``exact``
    measures instead (``patch_edges``).

    ``steps`` is for eap-ig, mask-ig and slot-ig; when it is not given they double from 4 until the
    completeness residual is below 2 %, or 64. ``positions="each"`` keeps the split by position.
    ``edges`` limits ``exact`` to those given, as ``("L5H1", "L9H6.q")``.

    A batch whose recording would take more than 4 GiB is scored in parts, each counted as a
    question of its own; the first part chooses the steps.

    **Assumes** for all but exact that the metric is linear in each term; behind a head's own norm
    the norm is taken to first order too.
    **Cost** eap 2 forwards + 1 backward; clean-corrupted 3 + 2; eap-ig and mask-ig one more of each
    per step, slot-ig 4; atp* 1 + 1 more for each layer, and the attention layers again for every
    sender in front of them; relp 2 + 1; exact 2 forwards + 1 backward and 1 forward per edge.
    **Raises** ``TaskError`` for arguments that do not go together, ``HookError`` where hooks of
    others change the terms, and what ``record`` raises.
    """
    opened(model)
    _check(method, metric, steps, positions, edges)
    if method == "exact":
        return patch_edges(model, contrast, metric=metric, edges=edges)
    found: list[EdgeScores] = []
    with metering() as meter, torch.inference_mode(False), torch.no_grad():
        parts = list(parts_of(model, contrast))
        if method != "atp*":  # its attention layers run as often as senders move them
            expect(len(parts) * _most_forwards(method, metric, steps))
        for part in parts:
            demand_sums_of_parts(model, encode_contrast(model, part))
            found.append(_scored(model, part, method, metric, steps, positions))
            steps = found[0].steps if method in INTEGRATED else None
    return replace(joined(found), passes=meter.passes)


def _scored(
    model: Model,
    batch: ContrastBatch,
    method: EdgeMethod,
    metric: str | Metric,
    steps: int | None,
    positions: EdgePositions,
) -> EdgeScores:
    """One part of the question, recorded at once."""
    if method == "slot-ig":
        return slot_ig(model, batch, metric=metric, steps=steps, positions=positions)
    if method == "relp":
        trace, note = record_frozen(model, batch, metric=metric)
    else:
        observed = stream_sites(model) if method == "atp*" else ()
        trace, note = record_edges(model, batch, metric=metric, observed=observed), ""
    for count in (steps,) if steps is not None else STEPS if method in INTEGRATED else (1,):
        at = points(model, trace, method, count)
        scores = _collected(model, trace, method, at, count, positions)
        if scores.converged:
            break
    if method == "atp*":
        scores = starred(model, trace, scores)
    return replace(scores, note=note or scores.note)


def _most_forwards(method: EdgeMethod, metric: str | Metric, steps: int | None) -> int:
    """The most forwards that one part of a question takes."""
    tried = (steps,) if steps is not None else STEPS
    beyond_recording = {
        "clean-corrupted": 1,
        "eap-ig": sum(tried),
        "mask-ig": sum(tried),
        "slot-ig": sum(tried) + 3 * max(tried),
    }.get(method, 0)
    return 2 + (metric == "kl") + beyond_recording


def _check(
    method: str, metric: str | Metric, steps: int | None, positions: str, edges: object
) -> None:
    for what, value, known in (
        ("method", method, get_args(EdgeMethod)), ("positions", positions, get_args(EdgePositions)),
    ):  # fmt: skip
        if value not in known:
            raise TaskError(f"{what}={value!r} is not known; choose one of {known}.")
    if steps is not None and (method not in INTEGRATED or steps < 1):
        raise TaskError(
            f"steps={steps} with method={method!r}: only {INTEGRATED} take steps, at least 1."
        )
    if positions == "each" and method in ("atp*", "exact"):
        raise TaskError(
            f"positions='each' with method={method!r}: its scores are of whole runs, not sums over "
            "positions. Use another method, or positions='sum'."
        )
    if edges is not None and method != "exact":
        raise TaskError(f"edges= chooses what method='exact' measures; {method!r} scores all.")
    if metric == "kl" and method in ("eap", "atp*", "relp"):
        raise TaskError(
            f"metric='kl' has no gradient on the clean run, its minimum, so {method} would rank "
            "rounding errors. Use method='mask-ig', 'eap-ig' or 'exact'."
        )


def _collected(
    model: Model,
    trace: Trace,
    method: EdgeMethod,
    at: Iterable[tuple[float, Point]],
    steps: int,
    positions: EdgePositions,
) -> EdgeScores:
    """Weighted products of all points, rows added up to examples, with the checks on them."""
    anatomy, encoded = model.anatomy, trace.encoded
    exists = anatomy.edges
    since = encoded.first_difference
    products = edge_products_by_position if positions == "each" else edge_products
    edges: list[Tensor] = []
    nodes: list[Tensor] = []
    for weight, point in at:
        edges = [sum(edges, weight * products(anatomy, point, since=since))]
        nodes = [sum(nodes, weight * node_products(anatomy, point))]
    by_example = per_example(edges[0], encoded.example, encoded.n_examples)
    scores = by_example if positions == "sum" else by_example.sum(1)
    node_scores = per_example(nodes[0], encoded.example, encoded.n_examples)
    difference = trace.difference.cpu()
    error = demand_identity(model, scores.sum(2), node_scores, difference)
    halves, scale = packed(scores, exists)
    return EdgeScores(
        method=method,
        senders=anatomy.nodes,
        slots=anatomy.slots,
        exists=exists,
        matrix=scores.mean(0),
        halves=halves,
        scale=scale,
        by_position=None if positions == "sum" else by_example.mean(0),
        difference=difference,
        accounted=scores.sum((1, 2)) if method == "mask-ig" else scores[:, 0].sum(1),
        identity_error=error,
        steps=steps,
        passes=trace.passes,
        noise=trace.noise,
        units=trace.encoded.shared,
    )
