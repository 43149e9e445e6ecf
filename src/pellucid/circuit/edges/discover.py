"""Finding a small set of edges that carries the decision.

``verified`` (default): estimates propose, measurements decide.

1. Rank the edges by absolute estimate (``attribute_edges``).
2. Measure sufficiency of the connected part of the first 1, 2, 4, ... edges; then of sizes between
   the last miss and the first hit. The smallest set that reaches the target is the start.
3. Prune: from the lowest ranked upwards, leave out as many edges at a time as keep the target,
   half as many when that fails, down to one.
4. When no single edge can go, the set is minimal: every edge was then seen to be needed.

``automatic`` proposes by tests over examples and holds some out (``fdr_search.py``); ``top`` and
``greedy`` take a stated number of edges and measure the set once; ``acdc`` decides edge by edge
from the loss (``acdc.py``) and takes ``tau``; ``nested`` learns the ranking (``matryoshka.py``) and
goes on as verified does.
"""

import math
from typing import get_args

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.attribution.edges.attribute import attribute_edges
from pellucid.attribution.edges.scores import EdgeScores
from pellucid.circuit.edges.acdc import acdc
from pellucid.circuit.edges.circuit import EdgeCircuit
from pellucid.circuit.edges.fdr_search import automatic, demand_examples
from pellucid.circuit.edges.matryoshka import learned_ranking
from pellucid.circuit.edges.measure import EdgeMeasure
from pellucid.circuit.edges.outcome import Found, steps_of
from pellucid.circuit.edges.search import prune_edges, smallest_size
from pellucid.circuit.edges.sets import SELECTIONS, EdgeSet, connected
from pellucid.circuit.nodes.claim import nothing_to_explain
from pellucid.errors import EditError
from pellucid.model.model import Model, opened
from pellucid.options import (
    EDGE_BUDGET,
    EDGE_METHOD,
    EDGE_SEARCH,
    TARGET,
    Ablation,
    EdgeMethod,
    EdgeSearch,
)
from pellucid.passes import metering
from pellucid.run.provenance import with_provenance
from pellucid.run.setup import MEMORY_BUDGET, setup_of
from pellucid.task.contrast import Contrasts
from pellucid.task.metrics import KL, Metric, Nearness

RANKING_STEPS = 4


@with_provenance
def discover_edges(
    model: Model,
    contrast: Contrasts,
    *,
    method: EdgeSearch = EDGE_SEARCH,
    scores: EdgeScores | None = None,
    size: int | None = None,
    target: float = TARGET,
    tau: float | None = None,
    ablation: Ablation = "corrupted",
    budget: int = EDGE_BUDGET,
    metric: str | Metric = "logit_diff",
    insist: bool = False,
    seed: int = 0,
    memory_budget: int = MEMORY_BUDGET,
) -> EdgeCircuit:
    """A set of edges whose measured sufficiency reaches ``target``, or of a stated ``size``.

    ``scores`` rank the edges; without them slot-ig with four steps does. ``size`` is for top and
    greedy, ``tau`` (in nats) for acdc, ``target`` for the others; ``seed`` draws the examples that
    automatic holds out, and nested's budgets. Nothing is claimed for a model that does not prefer
    the answer, unless you ``insist``.

    **Cost** at most ``budget`` forwards beside those of the scores; ``nested`` 60 forwards and 60
    backwards more.
    **Raises** ``EditError`` for arguments that do not go together, ``TaskError`` for too few
    examples, ``BudgetError`` when the budget cannot hold even the first curve.
    """
    opened(model)
    _check(method, size, tau, target)
    with metering() as meter:
        setup = setup_of(
            model,
            contrast,
            metric=metric,
            ablation=ablation,
            seed=seed,
            memory_budget=memory_budget,
        )
        trace = setup.trace
        if method == "automatic":
            demand_examples(trace.encoded.n_examples)
        refusal = None if insist else nothing_to_explain(trace)
        if scores is None and method != "acdc" and not refusal:
            ranking: EdgeMethod = "mask-ig" if method == "nested" else EDGE_METHOD
            scores = attribute_edges(
                model, contrast, method=ranking, metric=metric, steps=RANKING_STEPS
            )
        nearness = Nearness(KL(trace.logits_clean)) if method == "acdc" else None
        measure = EdgeMeasure(setup, metric=nearness)
        found = Found.refused(measure.none, refusal) if refusal else Found(measure.none)
        matrix = torch.zeros(model.anatomy.edges.shape)
        if scores is not None:
            matrix = scores.matrix.float()
        with measure.limited_to(budget):
            if not refusal and scores is None:
                found = _by_loss(measure, tau or 0.0)
            elif not refusal and scores is not None:
                if method == "nested":
                    matrix = learned_ranking(setup, matrix)
                found = _by_scores(measure, scores, matrix, method, size or 0, target, seed)
            sufficiency = None if refusal else _sufficiency(measure, found.kept)
    return EdgeCircuit(
        senders=model.anatomy.nodes,
        slots=model.anatomy.slots,
        exists=model.anatomy.edges,
        kept=found.kept,
        scores=matrix,
        method=method,
        ranked_by="" if scores is None else "nested" if method == "nested" else scores.method,
        ablation=ablation,
        target=target if method in ("verified", "automatic", "nested") else None,
        sufficiency=sufficiency,
        minimal=found.minimal,
        steps=found.steps,
        note=found.note,
        refusal=found.refusal,
        passes=meter.passes,
        d_model=model.anatomy.d_model,
    )


def _check(method: str, size: int | None, tau: float | None, target: float) -> None:
    if method not in get_args(EdgeSearch) or not 0 < target <= 1:
        raise EditError(
            f"method={method!r}, target={target}: choose a method from {get_args(EdgeSearch)} and "
            "a target above 0 and up to 1."
        )
    for name, value, methods in (("size", size, ("top", "greedy")), ("tau", tau, ("acdc",))):
        if (value is None) == (method in methods):
            raise EditError(
                f"{name}={value} with method={method!r}: {name}= is needed by {methods}, and only "
                "by them."
            )
    if tau is not None and not (math.isfinite(tau) and tau >= 0):
        raise EditError(f"tau={tau}: give a rise of the KL divergence in nats, 0 or more.")


def _by_loss(measure: EdgeMeasure, tau: float) -> Found:
    """ACDC on the KL divergence from the clean run."""
    kept, note = acdc(measure.all, lambda sets: -measure.metric(sets).mean(1), tau)
    return Found(connected(measure.setup.model.anatomy, kept), note)


def _by_scores(
    measure: EdgeMeasure,
    scores: EdgeScores,
    matrix: Float[Tensor, "sender slot"],
    method: str,
    size: int,
    target: float,
    seed: int,
) -> Found:
    if method == "automatic":
        return automatic(measure, scores, target, seed=seed)
    if method in SELECTIONS:
        return Found(SELECTIONS[method](measure.setup.model.anatomy, matrix, size))
    return _verified(measure, matrix, target)


def _verified(measure: EdgeMeasure, matrix: Float[Tensor, "sender slot"], target: float) -> Found:
    """Steps 2 to 4 of the module's note."""
    anatomy = measure.setup.model.anatomy

    def first(size: int) -> EdgeSet:
        return SELECTIONS["top"](anatomy, matrix, size)

    size, note = smallest_size(measure, first, int(anatomy.edges.sum()), target)
    if size is None:
        return Found.unreached(measure.none, note, target)
    kept, unfinished = prune_edges(measure, first(size), matrix, target)
    steps = steps_of(measure, {"ranked": first(size), "pruned": kept})
    return Found(kept, unfinished or note, minimal=not unfinished, steps=steps)


def _sufficiency(measure: EdgeMeasure, kept: EdgeSet) -> float | None:
    """f of what was found in the question's own metric; None when the budget has ended."""
    if measure.forwards_left < len(measure.unknown([kept, measure.none])):
        return None
    if measure.by_question:
        return measure.fraction([kept])[0]
    return EdgeMeasure(measure.setup).fraction([kept])[0]
