"""Finding a small set of components that carries the decision.

``verified`` (default): estimates propose, measurements decide.

1. Rank the replaceable nodes twice: by score (the estimate, or the effect where it was measured;
   supporters first) and by absolute score (opponents, the negative heads, among them).
2. Measure sufficiency along both rankings at sizes 1, 2, 4, ...; then at sizes between the last
   miss and the first hit of the better one. The smallest set that reaches the target is the start.
3. Prune: measure the set without each node alone; take out together as many of those whose loss is
   smallest as leave it at the target; repeat on what is left.
4. Stop when no single node can go: every node was then seen to be needed (minimal).

With ``opponents="kept"`` the parts that oppose the answer strongly (``opponents.py``) are in every
set that is measured and in the circuit; the others are searched beside them.

``mfc`` (minimum faithful circuit, as Glassbox states it): add nodes by estimate until the
*estimate* of sufficiency, (L_corrupted + sum) / L_clean, reaches the target; then, last added
first, drop a node when measured comprehensiveness stays above the target without it.

Nothing is claimed for a model that does not prefer the answer (``claim.py``), nor when
only a large part of the model reaches the target.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Unpack

from pellucid.attribution.nodes import Attribution, attribute
from pellucid.callbacks import expect
from pellucid.circuit.nodes.circuit import Circuit, over_text, replaceable
from pellucid.circuit.nodes.claim import (
    ablation_does_not_hurt,
    nothing_to_divide_by,
    nothing_to_explain,
)
from pellucid.circuit.nodes.faithfulness import curve_sizes
from pellucid.circuit.nodes.measure import Nodes, SetMeasure, measure_of
from pellucid.circuit.nodes.opponents import opponents_of
from pellucid.circuit.nodes.options import NodeSearchKeywords, NodeSearchOptions
from pellucid.errors import BudgetError
from pellucid.keywords import keywords_of
from pellucid.model.anatomy import Node
from pellucid.model.model import Model, opened
from pellucid.passes import metering
from pellucid.results.refusal import Refusal
from pellucid.run.identity import demand_estimates_of, refuse
from pellucid.run.provenance import with_provenance
from pellucid.run.record import Trace
from pellucid.task.contrast import Contrasts

LARGEST_SHARE, ALWAYS_SMALL = 0.25, 8
"""A set of more than a quarter of all nodes explains nothing, unless it is at most eight."""


@with_provenance
@keywords_of(NodeSearchOptions)
def discover(
    model: Model,
    contrast: Contrasts,
    *,
    attribution: Attribution | None = None,
    measure: SetMeasure | None = None,
    **options: Unpack[NodeSearchKeywords],
) -> Circuit:
    """The smallest set found whose measured sufficiency (``verified``) reaches ``target``.

    ``verified`` takes the smallest prefix of a ranking that does, then leaves out nodes until no
    single one can go; ``mfc`` adds by estimate and prunes by comprehensiveness, as Glassbox states
    it. Nothing is claimed for a model that does not prefer the answer, unless you ``insist``; the
    reason is then in ``note``. ``NodeSearchOptions`` says what each option is. An ``attribution``
    ranks the nodes instead of atp-mask; a ``measure`` brings its recording and measurements.

    **Assumes** that a good set stands near the top of the estimates, by value or by size.

    **Cost** at most ``budget`` forwards and 2 backwards, the recording included, also that of a
    ``trace`` that is given; the search stops where the budget ends and says so in ``note``.
    **Raises** ``EditError`` for unknown arguments, ``MismatchError`` when attribution, measure or
    trace are not of these weights, this question and these options, ``BudgetError`` when the budget
    cannot hold the recording and the first curve, naming the smallest that can.
    """
    opened(model)
    chosen = NodeSearchOptions(**options)
    over = replaceable(model, chosen.over)
    expect(chosen.budget)
    with metering() as meter:
        beyond = None if set(over) <= set(model.nodes) else over
        # Only atp-mask reads the second point; not asked of parts inside nodes or a divergence.
        twice = attribution is None and beyond is None and chosen.metric != "kl"
        measure = measure_of(model, contrast, over, chosen, measure, mixture=twice)
        trace = measure.setup.trace
        with metering() as ranking:
            if attribution is None:
                found = attribute(model, contrast, metric=trace.metric, trace=trace, parts=beyond)
            else:
                found = attribution
                demand_ranks(model, contrast, found, trace, over)
        spent = trace.passes.forwards + ranking.passes.forwards
        scores = found.score_by_node
        blank = Circuit(
            nodes=(),
            over=over_text(chosen.over),
            method=chosen.method,
            ablation=measure.setup.ablation_name,
            target=chosen.target,
            estimates=(),
            sufficiency=None,
            comprehensiveness=None,
            minimal=False,
            drops=(),
            note="",
            budget=chosen.budget,
            passes=meter.passes,
        )
        refusal = None if chosen.insist else nothing_to_explain(trace)
        with measure.limited_to(chosen.budget, spent=spent):
            if refusal:
                circuit = _refused(blank, refusal)
            elif chosen.method == "mfc":
                circuit = minimum_faithful(measure, blank, scores)
            else:
                kept = chosen.opponents == "kept"
                always = opponents_of(measure, scores) if kept else frozenset()
                circuit = verified(measure, blank, scores, always)
            insisted = chosen.insist or not circuit.nodes
            unhurt = nothing_to_divide_by if insisted else ablation_does_not_hurt
            refusal = unhurt(measure)
            circuit = _refused(blank, refusal) if refusal else circuit
    estimates = dict(zip(found.nodes, found.estimate.tolist(), strict=True))
    return replace(
        circuit,
        estimates=tuple(estimates[node] for node in circuit.nodes),
        passes=meter.passes,
    )


def demand_ranks(
    model: Model, contrast: Contrasts, found: Attribution, trace: Trace, over: Sequence[Node]
) -> None:
    """**Raises** ``MismatchError`` for estimates of something else, or of other parts."""
    demand_estimates_of(model, contrast, found, trace)
    lacking = [node.name for node in over if node not in set(found.nodes)]
    if lacking:
        refuse("Attribution", [("parts", "no " + ", ".join(lacking[:5]), "all that over= names")])


def _refused(blank: Circuit, refusal: Refusal) -> Circuit:
    """No node, and why."""
    return replace(blank, refusal=refusal, note=refusal.text)


def verified(
    measure: SetMeasure,
    blank: Circuit,
    scores: dict[Node, float],
    always: Nodes = frozenset(),
) -> Circuit:
    """Steps 1 to 4 of the module's note; ``always`` are in every set."""
    target = blank.target
    orders = [
        [*(node for node in order if node in always), *(n for n in order if n not in always)]
        for order in rankings(measure.over, scores)
    ]
    start = smallest_reaching(measure, orders, target, least=len(always))
    if len(start) > max(LARGEST_SHARE * len(measure.over), ALWAYS_SMALL):
        refusal = Refusal(
            code="target_not_reached",
            text=f"no set of at most {LARGEST_SHARE:.0%} of the nodes reaches the target of "
            f"{target:.0%}; the smallest found has {len(start)} of {len(measure.over)}",
            data={"target": target, "smallest": len(start), "out_of": len(measure.over)},
        )
        return _refused(blank, refusal)
    kept, drops, note = prune(measure, start, target, always)
    nodes = tuple(node for node in measure.over if node in kept)
    stayed = [node.name for node in nodes if node in always]
    held = f"kept because they oppose the answer: {', '.join(stayed)}" if stayed else ""
    return replace(
        blank,
        nodes=nodes,
        sufficiency=measure.fraction([kept])[0],
        minimal=drops is not None and not stayed,
        drops=tuple(drops[node] for node in nodes) if drops is not None else (),
        note="; ".join(filter(None, (held, note))),
    )


def rankings(over: Sequence[Node], scores: dict[Node, float]) -> tuple[list[Node], list[Node]]:
    """The nodes by score, supporters first; and by absolute score."""
    return (
        sorted(over, key=lambda node: -scores[node]),
        sorted(over, key=lambda node: -abs(scores[node])),
    )


def smallest_reaching(
    measure: SetMeasure, orders: Sequence[Sequence[Node]], target: float, *, least: int = 0
) -> Nodes:
    """The smallest measured prefix of a ranking, of ``least`` nodes or more, with f at ``target``.

    Sizes double until one reaches it; then those between are measured, at most seven at a time.
    f need not grow with size, so this is the smallest of the sizes measured, not a proof that no
    smaller one would do.
    """
    sizes = [size for size in curve_sizes(len(measure.over)) if size >= least]
    prefixes = [[frozenset(ranking[:size]) for size in sizes] for ranking in orders]
    values = measure.fraction([s for sets in prefixes for s in sets])
    hits = []
    for index, sets in enumerate(prefixes):
        row = values[index * len(sizes) : (index + 1) * len(sizes)]
        reached = [len(s) for s, value in zip(sets, row, strict=True) if value >= target]
        hits.append((min(reached, default=len(measure.over)), index))
    high, index = min(hits)
    low = high // 2 if high < len(measure.over) else max((s for s in sizes if s < high), default=0)
    low = max(low, least - 1)
    ranking = orders[index]
    while high - low > 1:
        step = max(1, (high - low) // 8)
        between = [*range(low + step, high, step)]
        sets = [frozenset(ranking[:size]) for size in between]
        if len(measure.unknown(sets)) > measure.forwards_left:
            break
        values = measure.fraction(sets)
        reached = [s for s, value in zip(between, values, strict=True) if value >= target]
        high = min(reached, default=high)
        low = max((s for s in between if s < high), default=low)
    return frozenset(ranking[:high])


def prune(
    measure: SetMeasure, start: Nodes, target: float, always: Nodes = frozenset()
) -> tuple[Nodes, dict[Node, float] | None, str]:
    """Take out whatever can go; returns the set, each node's drop if all were checked, and a note.

    Nodes in ``always`` stay, and their drop is what taking them out would cost.

    Each round costs one forward per node of the set, and about as many again when some can go.
    """
    kept = start
    while kept:
        order = [node for node in measure.over if node in kept]
        without = [kept - {node} for node in order]
        if len(measure.unknown([kept, *without])) > measure.forwards_left:
            return kept, None, "the budget ended before every node had been checked"
        whole, *values = measure.fraction([kept, *without])
        removable = [
            node for value, node in sorted(zip(values, order, strict=True), key=lambda p: -p[0])
            if value >= target and node not in always
        ]  # fmt: skip
        if not removable:
            drops = {node: whole - value for node, value in zip(order, values, strict=True)}
            return kept, drops, ""
        kept = remove_most(measure, kept, removable, target)
    return kept, {}, ""


def remove_most(
    measure: SetMeasure, kept: Nodes, removable: Sequence[Node], target: float
) -> Nodes:
    """``kept`` without as many of ``removable`` (in order) as leave f at ``target``.

    The first alone is known to be removable, so a round always makes progress.
    """
    counts = [n for n in curve_sizes(len(removable)) if n > 1]
    smaller = {n: kept - frozenset(removable[:n]) for n in counts}
    if len(measure.unknown(smaller.values())) > measure.forwards_left:
        return kept - {removable[0]}
    values = measure.fraction(list(smaller.values()))
    fitting = [n for n, value in zip(counts, values, strict=True) if value >= target]
    best = max(fitting, default=1)
    return kept - frozenset(removable[:best])


def minimum_faithful(measure: SetMeasure, blank: Circuit, scores: dict[Node, float]) -> Circuit:
    """The public algorithm: greedy by score, pruned by exact comprehensiveness."""
    clean = float(measure.setup.trace.metric_clean.mean())
    if clean <= measure.noise:
        refusal = Refusal(
            code="metric_not_positive",
            text=f"mfc divides by the clean metric, which is {clean:z.2f}, not positive; use "
            "method='verified'",
            data={"metric_clean": clean},
        )
        return _refused(blank, refusal)
    corrupted = float(measure.setup.trace.metric_corrupted.mean())
    added: list[Node] = []
    for node in sorted(measure.over, key=lambda node: -scores[node]):
        total = sum(scores[n] for n in added)
        if (corrupted + total) / clean >= blank.target or scores[node] <= 0:
            break
        added.append(node)
    kept = frozenset(added)
    note, comprehensiveness = "", None
    try:
        for node in reversed(added):
            smaller = kept - {node}
            if smaller and measure.comprehensiveness([smaller])[0] > blank.target:
                kept = smaller
        comprehensiveness = measure.comprehensiveness([kept])[0]
    except BudgetError:
        if measure.forwards_left < 0:
            raise  # recording and ranking alone took more
        note = "the budget ended before every node had been tried"
    nodes = tuple(node for node in measure.over if node in kept)
    return replace(
        blank,
        nodes=nodes,
        comprehensiveness=comprehensiveness,
        note=note,
    )
