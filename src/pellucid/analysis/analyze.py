"""The one call: a question about a model -> measured evidence.

1. Make the corrupted prompt, if none was given, and judge it by running both prompts.
2. Record once: two forwards, one backward.
3. Rank every head and MLP by estimate; measure the highest ranked, each alone.
4. Search for the smallest circuit whose measured sufficiency reaches the target.
5. Measure its faithfulness over heads alone, and over heads and MLPs; beside random circuits if
   asked for.
6. Replace it, and look for what steps in; beside random sets if asked for.
"""

from collections.abc import Sequence
from inspect import signature
from typing import get_args

from pellucid.analysis.provenance import call_for, describe_question
from pellucid.analysis.question import Asked, question_of
from pellucid.analysis.result import Analysis
from pellucid.analysis.wording import caveats_of
from pellucid.attribution.nodes import Attribution, attribute
from pellucid.attribution.patch import PatchEffects, patch
from pellucid.circuit.nodes.circuit import Circuit, replaceable
from pellucid.circuit.nodes.discover import discover, rankings
from pellucid.circuit.nodes.faithfulness import Faithfulness, faithfulness
from pellucid.circuit.nodes.measure import SetMeasure
from pellucid.circuit.self_repair.backups import ABLATIONS, backups
from pellucid.circuit.self_repair.result import Backups
from pellucid.model.model import Model
from pellucid.options import (
    ABLATION,
    BUDGET,
    METRIC,
    NODE_METHOD,
    NODE_SEARCH,
    OVER,
    RANDOM_SETS,
    SEED,
    TARGET,
    Ablation,
    NodeMethod,
    NodeSearch,
    Over,
)
from pellucid.passes import metering
from pellucid.run.answers import top_tokens
from pellucid.run.provenance import provenance_of, with_provenance
from pellucid.run.record import Trace
from pellucid.run.setup import setup_of
from pellucid.stats.agreement import Agreement, agreement
from pellucid.task.contrast import Contrasts
from pellucid.task.metrics import Metric, Nearness

CHECKED = 12
"""How many of the highest ranked nodes are measured alone, to say how far the estimates are off."""
REPAIR = 90
"""Forwards that the search for backups may spend."""


@with_provenance
def analyze(
    model: Model,
    contrast: Contrasts | None = None,
    *,
    prompt: str | Sequence[int] | None = None,
    answer: str | int | Sequence[int] | None = None,
    foil: str | int | Sequence[int] | None = None,
    corrupted: str | Sequence[int] | None = None,
    method: NodeMethod = NODE_METHOD,
    search: NodeSearch = NODE_SEARCH,
    over: Over = OVER,
    target: float = TARGET,
    budget: int = BUDGET,
    ablation: Ablation = ABLATION,
    metric: str | Metric = METRIC,
    random_sets: int = RANDOM_SETS,
    seed: int = SEED,
    insist: bool = False,
    command: str | None = None,
) -> Analysis:
    """Find and measure the circuit behind ``answer`` rather than ``foil``.

    Give a ``contrast``, or ``prompt``, ``answer`` and ``foil`` (and ``corrupted``, if you have it).
    ``over`` says which parts the circuit is searched in; its faithfulness is measured over both.
    ``random_sets`` circuits of the same size, and as many with the same layers, are measured for
    comparison. What steps in once the circuit is replaced is measured too, and compared with chance
    by ``backups``. ``insist`` claims a circuit even if the model does not prefer the answer.

    **Cost** at most ``budget`` forwards for recording and search; beside them one for each
    corrupted prompt that is judged, about twenty that measure what was found, up to 90 to see what
    steps in, and at most two for every random set; 1 backward with ``method="atp"``, one more of
    each for every step of another, and one for every round of what steps in.
    **Raises** ``TaskError`` for an incomplete or impossible question, ``CorruptionError`` when no
    corrupted prompt works, ``BudgetError``, ``NonFiniteError``.
    """
    settings = {
        name: value
        for name, value in {
            "method": method, "search": search, "over": over, "target": target, "budget": budget,
            "ablation": ablation, "metric": metric, "random_sets": random_sets, "seed": seed,
            "insist": insist,
        }.items()
        if value != signature(analyze).parameters[name].default
    }  # fmt: skip
    with metering() as meter:
        asked = question_of(
            model,
            contrast,
            prompt=prompt,
            answer=answer,
            foil=foil,
            corrupted=corrupted,
            metric=metric,
        )
        setup = setup_of(model, asked.contrast, metric=metric, ablation=ablation, seed=seed)
        trace = setup.trace
        attribution = attribute(model, asked.contrast, method=method, metric=metric, trace=trace)
        measure = SetMeasure(setup, replaceable(model, over))
        circuit = discover(
            model,
            asked.contrast,
            method=search,
            over=over,
            target=target,
            ablation=ablation,
            budget=budget,
            attribution=attribution,
            trace=trace,
            measure=measure,
            insist=insist,
        )
        over_heads = over_both = step_in = None
        if circuit.nodes:
            step_in = stepping_in(model, asked, circuit, trace, ablation, seed)
            over_heads, over_both = both_faithful(
                model, asked, circuit, attribution, trace, measure, ablation, random_sets, seed
            )
        patches, agreed = check_estimates(model, asked.contrast, attribution, trace)
    return Analysis(
        question=describe_question(model, asked.contrast, asked.how, trace, metric),
        metric_clean=float(trace.metric_clean.mean()),
        metric_corrupted=float(trace.metric_corrupted.mean()),
        preference=float(trace.preference.mean()),
        behaves=float(trace.preference.mean()) > 0,
        top=top_tokens(model, trace),
        attribution=attribution,
        circuit=circuit,
        over_heads=over_heads,
        over_heads_and_mlps=over_both,
        patches=patches,
        agreement=agreed,
        backups=step_in,
        caveats=caveats_of(trace, attribution, circuit, over_heads, over_both, agreed, step_in),
        passes=meter.passes,
        provenance=provenance_of(model, seed, command or call_for(asked.contrast, model, settings)),
    )


def both_faithful(
    model: Model,
    asked: Asked,
    circuit: Circuit,
    attribution: Attribution,
    trace: Trace,
    measure: SetMeasure,
    ablation: Ablation,
    random_sets: int,
    seed: int,
) -> tuple[Faithfulness, Faithfulness]:
    """Faithfulness of the circuit's heads over heads, and of all of it over heads and MLPs.

    The curve and the random sets are measured for the parts that the circuit was searched in.
    """
    estimates = dict(zip(attribution.nodes, attribution.estimate.tolist(), strict=True))
    order = rankings(measure.over, estimates)[1]  # measured by the search already
    found: list[Faithfulness] = []
    for over in get_args(Over):
        searched = over == circuit.over
        kinds = ("head",) if over == "heads" else ("head", "mlp")
        found.append(
            faithfulness(
                model,
                asked.contrast,
                [node for node in circuit.nodes if node.kind in kinds],
                over=over,
                ablation=ablation,
                curve=order if searched else None,
                random_sets=random_sets if searched else 0,
                seed=seed,
                trace=trace,
                measure=measure if searched else None,
            )
        )
    return found[0], found[1]


def stepping_in(
    model: Model,
    asked: Asked,
    circuit: Circuit,
    trace: Trace,
    ablation: Ablation,
    seed: int,
) -> Backups | None:
    """What does more once the circuit is replaced; None for a metric that cannot tell (kl)."""
    if isinstance(trace.metric, Nearness):
        return None
    return backups(
        model,
        asked.contrast,
        circuit,
        ablations=tuple(dict.fromkeys([*ABLATIONS, ablation])),
        controls=0,
        budget=REPAIR,
        seed=seed,
        trace=trace,
    )


def check_estimates(
    model: Model,
    contrast: Contrasts,
    attribution: Attribution,
    trace: Trace,
) -> tuple[PatchEffects, Agreement]:
    """Measure the highest ranked nodes one by one, and compare."""
    nodes = [node for node in attribution.nodes if node.kind != "embed"]
    estimates = dict(zip(attribution.nodes, attribution.estimate.tolist(), strict=True))
    highest = sorted(nodes, key=lambda node: -abs(estimates[node]))[:CHECKED]
    names = [node.name for node in highest]
    patches = patch(model, contrast, sites="nodes", only=names, trace=trace)
    by_name = {node.name: value for node, value in estimates.items()}
    wanted = [by_name[place.name] for place in patches.places]
    return patches, agreement(wanted, patches.effect[0])
