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

from typing import Unpack

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.attribution.edges.attribute import attribute_edges
from pellucid.attribution.edges.scores import EdgeScores
from pellucid.callbacks import expect
from pellucid.circuit.edges.acdc import acdc
from pellucid.circuit.edges.circuit import EdgeCircuit
from pellucid.circuit.edges.fdr_search import automatic, demand_examples
from pellucid.circuit.edges.matryoshka import LEARNING_STEPS, learned_ranking
from pellucid.circuit.edges.measure import EdgeMeasure
from pellucid.circuit.edges.options import EdgeSearchKeywords, EdgeSearchOptions
from pellucid.circuit.edges.outcome import SearchOutcome, steps_of
from pellucid.circuit.edges.search import prune_edges, smallest_size
from pellucid.circuit.edges.sets import SELECTIONS, EdgeSet, connected
from pellucid.circuit.nodes.claim import nothing_to_divide_by, nothing_to_explain
from pellucid.keywords import keywords_of
from pellucid.model.model import Model, opened
from pellucid.options import EDGE_RANKING, EdgeMethod
from pellucid.passes import metering
from pellucid.run.identity import demand_estimates_of
from pellucid.run.provenance import with_provenance
from pellucid.task.contrast import Contrasts
from pellucid.task.metrics import KL, Nearness

RANKING_STEPS = 4


@with_provenance
@keywords_of(EdgeSearchOptions)
def discover_edges(
    model: Model,
    contrast: Contrasts,
    *,
    scores: EdgeScores | None = None,
    **options: Unpack[EdgeSearchKeywords],
) -> EdgeCircuit:
    """A set of edges whose measured sufficiency reaches ``target``, or of a stated ``size``.

    ``scores`` rank the edges; without them slot-ig with four steps does. ``size`` is for top and
    greedy, ``tau`` (in nats) for acdc, ``target`` for the others; ``seed`` draws the examples that
    automatic holds out, and nested's budgets. Nothing is claimed for a model that does not prefer
    the answer, unless you ``insist``. ``EdgeSearchOptions`` says what each option is.

    **Cost** at most ``budget`` forwards beside those of the scores; ``nested`` 60 forwards and 60
    backwards more.
    **Raises** ``EditError`` for arguments that do not go together, ``TaskError`` for too few
    examples, ``MismatchError`` for scores or a trace of something else, ``BudgetError`` when the
    budget cannot hold even the first curve.
    """
    opened(model)
    chosen = EdgeSearchOptions(**options)
    method = chosen.method
    with metering() as meter:
        setup = chosen.setup(model, contrast)
        trace = setup.trace
        if scores is not None:
            demand_estimates_of(model, contrast, scores, trace)
        if method == "automatic":
            demand_examples(trace.encoded.n_examples)
        refusal = None if chosen.insist else nothing_to_explain(trace)
        if scores is None and method != "acdc" and not refusal:
            ranking: EdgeMethod = "mask-ig" if method == "nested" else EDGE_RANKING
            scores = attribute_edges(
                model, contrast, method=ranking, metric=chosen.metric, steps=RANKING_STEPS
            )
        nearness = Nearness(KL(trace.logits_clean)) if method == "acdc" else None
        measure = EdgeMeasure(setup, metric=nearness)
        found = (
            SearchOutcome.refused(measure.none, refusal) if refusal else SearchOutcome(measure.none)
        )
        matrix = torch.zeros(model.anatomy.edges.shape, dtype=torch.float32)
        if scores is not None:
            matrix = scores.matrix.float()
        expect(chosen.budget + (LEARNING_STEPS if method == "nested" else 0))
        with measure.limited_to(chosen.budget):
            if not refusal and scores is None:
                found = _by_loss(measure, chosen.tau or 0.0)
            elif not refusal and scores is not None:
                if method == "nested":
                    matrix = learned_ranking(setup, matrix)
                found = _by_scores(measure, scores, matrix, chosen)
            if not refusal and measure.by_question and (why := nothing_to_divide_by(measure)):
                found = SearchOutcome.refused(measure.none, why)
            sufficiency = None if found.refusal else _sufficiency(measure, found.kept)
    return EdgeCircuit(
        senders=model.anatomy.nodes,
        slots=model.anatomy.slots,
        exists=model.anatomy.edges,
        kept=found.kept,
        scores=matrix,
        method=method,
        ranked_by="" if scores is None else "nested" if method == "nested" else scores.method,
        ablation=setup.ablation_name,
        target=chosen.target if method in ("verified", "automatic", "nested") else None,
        sufficiency=sufficiency,
        minimal=found.minimal,
        steps=found.steps,
        note=found.note,
        refusal=found.refusal,
        passes=meter.passes,
        d_model=model.anatomy.d_model,
    )


def _by_loss(measure: EdgeMeasure, tau: float) -> SearchOutcome:
    """ACDC on the KL divergence from the clean run."""
    kept, note = acdc(measure.all, lambda sets: -measure.metric(sets).mean(1), tau)
    return SearchOutcome(connected(measure.setup.model.anatomy, kept), note)


def _by_scores(
    measure: EdgeMeasure,
    scores: EdgeScores,
    matrix: Float[Tensor, "sender slot"],
    chosen: EdgeSearchOptions,
) -> SearchOutcome:
    if chosen.method == "automatic":
        return automatic(measure, scores, chosen.target, seed=chosen.seed)
    if chosen.method in SELECTIONS:
        anatomy = measure.setup.model.anatomy
        return SearchOutcome(SELECTIONS[chosen.method](anatomy, matrix, chosen.size or 0))
    return _verified(measure, matrix, chosen.target)


def _verified(
    measure: EdgeMeasure, matrix: Float[Tensor, "sender slot"], target: float
) -> SearchOutcome:
    """Steps 2 to 4 of the module's note."""
    anatomy = measure.setup.model.anatomy

    def first(size: int) -> EdgeSet:
        return SELECTIONS["top"](anatomy, matrix, size)

    size, note = smallest_size(measure, first, int(anatomy.edges.sum()), target)
    if size is None:
        return SearchOutcome.unreached(measure.none, note, target)
    kept, unfinished = prune_edges(measure, first(size), matrix, target)
    steps = steps_of(measure, {"ranked": first(size), "pruned": kept})
    return SearchOutcome(kept, unfinished or note, minimal=not unfinished, steps=steps)


def _sufficiency(measure: EdgeMeasure, kept: EdgeSet) -> float | None:
    """f of what was found in the question's own metric; None when the budget has ended."""
    if measure.forwards_left < len(measure.unknown([kept, measure.none])):
        return None
    if measure.by_question:
        return measure.fraction([kept])[0]
    return EdgeMeasure(measure.setup).fraction([kept])[0]
