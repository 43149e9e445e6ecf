"""The one call: a question about a model -> measured evidence.

1. Make the corrupted prompt, if none was given, and judge it by running both prompts.
2. Record once: two forwards, one backward.
3. Rank every head and MLP by estimate; measure the highest ranked, each alone.
4. Search for the smallest circuit whose measured sufficiency reaches the target.
5. Measure its faithfulness over heads alone, and over heads and MLPs; beside random circuits, and
   with the parts in that oppose the answer strongly.
6. Replace it, and look for what steps in; beside random sets if asked for.
7. Read the same question through the lenses that ``include`` names.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Unpack, get_args

import torch

from pellucid.analysis.forwards import (
    CHECKED,
    ablations_looked_under,
    budget_of_repair,
    most_forwards,
)
from pellucid.analysis.include import demand_includable, included
from pellucid.analysis.options import AnalysisKeywords, AnalysisOptions
from pellucid.analysis.provenance import call_for, describe_question
from pellucid.analysis.question import question_of
from pellucid.analysis.result import Analysis
from pellucid.analysis.wording import caveats_of
from pellucid.attribution.nodes import Attribution, attribute
from pellucid.attribution.patch import PatchEffects, patch, place_of
from pellucid.callbacks import expect
from pellucid.circuit.nodes.circuit import Circuit, replaceable
from pellucid.circuit.nodes.discover import discover, rankings
from pellucid.circuit.nodes.faithfulness import Faithfulness, faithfulness
from pellucid.circuit.nodes.measure import SetMeasure
from pellucid.circuit.nodes.opponents import oppose
from pellucid.circuit.self_repair.backups import backups
from pellucid.circuit.self_repair.result import Backups
from pellucid.keywords import keywords_of
from pellucid.model.anatomy import Node
from pellucid.model.model import Model
from pellucid.options import Over
from pellucid.passes import metering
from pellucid.run.answers import probability_of, top_tokens
from pellucid.run.provenance import provenance_of, with_provenance
from pellucid.run.setup import MeasureOptions, Setup
from pellucid.run.variants import unit_of
from pellucid.stats.agreement import Agreement, rank_agreement
from pellucid.task.contrast import Contrasts
from pellucid.task.metrics import Metric, Nearness


@with_provenance
@keywords_of(AnalysisOptions)
def analyze(
    model: Model,
    contrast: Contrasts | None = None,
    *,
    prompt: str | Sequence[int] | None = None,
    answer: str | int | Sequence[int] | None = None,
    foil: str | int | Sequence[int] | None = None,
    corrupted: str | Sequence[int] | None = None,
    command: str | None = None,
    **options: Unpack[AnalysisKeywords],
) -> Analysis:
    """Find and measure the circuit behind ``answer`` rather than ``foil``.

    Give a ``contrast``, or ``prompt``, ``answer`` and ``foil`` (and ``corrupted``, if you have it).
    ``over`` says which parts the circuit is searched in; its faithfulness is measured over both.
    ``random_sets`` circuits of the same size, and as many with the same layers, are measured for
    comparison (19 unless you say otherwise; 0 for none). What grows once the circuit is replaced
    is measured too; only ``controls`` random sets replaced instead of it make a claim of that that
    something steps in. ``insist`` claims a circuit even if
    the model does not prefer the answer. ``include`` puts the logit lens, direct effects, tokens
    and attention of the question into the same result and page.
    ``AnalysisOptions`` says what each option is.

    **Cost** at most ``most_forwards``: ``budget`` forwards for recording and search; beside them
    one for each corrupted prompt that is judged, about twenty that measure what was found, up to 90
    to see what steps in and one for each of ``controls`` under each of at most four ablations, at
    most two for every random set, and what ``include`` adds (``tokens``
    most: eight for each token of the prompt); 2 backwards with ``method="atp-mask"``,
    1 with ``"atp"``, one more of each for every step of another, and one for every round of what
    steps in.
    **Raises** ``TaskError`` for an incomplete or impossible question, ``EditError`` for an option
    outside its range, ``CorruptionError`` when no corrupted prompt works, ``BudgetError``,
    ``NonFiniteError``.
    """
    chosen = AnalysisOptions(**options)
    metric, ablation = chosen.metric, chosen.ablation
    with metering() as meter:
        # 1. The question, with a corrupted prompt.
        asked = question_of(
            model,
            contrast,
            prompt=prompt,
            answer=answer,
            foil=foil,
            corrupted=corrupted,
            metric=metric,
        )
        question = asked.contrast
        length = demand_includable(model, question, chosen.include)
        expect(most_forwards(model, chosen, length=length))
        # 2. One recording, from which everything starts.
        options_of_setup = MeasureOptions(metric=metric, ablation=ablation, seed=chosen.seed)
        setup = options_of_setup.setup(model, question, mixture=chosen.method == "atp-mask")
        trace = setup.trace
        # 3. Estimates, and the highest of them measured.
        attribution = attribute(model, question, method=chosen.method, metric=metric, trace=trace)
        patches, agreed = check_estimates(question, attribution, setup, metric)
        attribution = with_effects(attribution, patches)
        # 4. The circuit.
        measure = SetMeasure(setup, replaceable(model, chosen.over))
        circuit = discover(
            model,
            question,
            method=chosen.search,
            over=chosen.over,
            opponents=chosen.opponents,
            target=chosen.target,
            metric=metric,
            ablation=ablation,
            seed=chosen.seed,
            budget=chosen.budget,
            attribution=attribution,
            measure=measure,
            insist=chosen.insist,
        )
        over_heads = over_both = step_in = None
        if circuit.nodes:
            # 5. How faithful it is.
            over_heads, over_both = both_faithful(
                question, circuit, attribution, patches, measure, chosen
            )
            # 6. What does more without it.
            step_in = stepping_in(question, circuit, setup, chosen)
        # 7. The same question through other lenses.
        beside = included(model, question, trace, (attribution, patches, circuit), chosen)
    found = Analysis(
        question=describe_question(model, question, asked.how, trace, metric),
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
        answer_probability=probability_of(trace, "answer"),
        foil_probability=probability_of(trace, "foil"),
        **beside,
        caveats=(),
        passes=meter.passes,
        provenance=provenance_of(
            model, chosen.seed, command or call_for(question, model, chosen.changed)
        ),
    )
    return replace(found, caveats=caveats_of(found, (*model.notes, *trace.encoded.notes)))


def check_estimates(
    contrast: Contrasts, attribution: Attribution, setup: Setup, metric: str | Metric
) -> tuple[PatchEffects, Agreement]:
    """Measure the highest ranked nodes one by one, and compare.

    What ``attribution`` measured on the way is not measured again.
    """
    nodes = [node for node in attribution.nodes if node.kind != "embed"]
    estimates = dict(zip(attribution.nodes, attribution.estimate.tolist(), strict=True))
    scores = attribution.score_by_node
    highest = sorted(nodes, key=lambda node: -abs(scores[node]))[:CHECKED]
    ranked_by = zip(attribution.nodes, attribution.effect.tolist(), strict=True)
    known = {node for node, effect in ranked_by if not math.isnan(effect)}
    unknown = [node.name for node in highest if node not in known] or [highest[0].name]
    patches = patch(
        setup.model, contrast, sites="nodes", only=unknown, metric=metric, trace=setup.trace
    )
    measured = [node for node in highest if node.name not in unknown]
    patches = with_those_measured(patches, attribution, measured)
    by_name = {node.name: value for node, value in estimates.items()}
    wanted = [by_name[place.name] for place in patches.places]
    effects = patches.effect[0]
    # Where nothing moves the metric, the order of effects is the order of rounding errors.
    felt = effects if bool((effects.abs() > patches.noise).any()) else effects * 0
    return patches, rank_agreement(wanted, felt)


def with_those_measured(
    patches: PatchEffects, attribution: Attribution, measured: Sequence[Node]
) -> PatchEffects:
    """``patches`` with the effects of nodes that ``attribution`` measured, in computing order."""
    if not measured or attribution.measured is None:
        return patches
    columns = {node: index for index, node in enumerate(attribution.nodes)}
    effects = {node.name: attribution.measured[:, columns[node]] for node in measured}
    places = {node.name: place_of(unit_of(node)) for node in measured}
    for place, effect in zip(patches.places, patches.per_example[:, 0].unbind(1), strict=True):
        effects[place.name], places[place.name] = effect, place
    names = [node.name for node in attribution.nodes if node.name in places]
    return replace(
        patches,
        places=tuple(places[name] for name in names),
        per_example=torch.stack([effects[name] for name in names], dim=1)[:, None],
    )


def with_effects(attribution: Attribution, patches: PatchEffects) -> Attribution:
    """The attribution with the effects that ``patches`` measured."""
    blank = torch.full_like(attribution.per_example, torch.nan)
    measured = blank if attribution.measured is None else attribution.measured.clone()
    columns = {node.name: index for index, node in enumerate(attribution.nodes)}
    measured[:, [columns[place.name] for place in patches.places]] = patches.per_example[:, 0]
    return replace(attribution, measured=measured)


def both_faithful(
    contrast: Contrasts,
    circuit: Circuit,
    attribution: Attribution,
    patches: PatchEffects,
    measure: SetMeasure,
    chosen: AnalysisOptions,
) -> tuple[Faithfulness, Faithfulness]:
    """Faithfulness of the circuit's heads over heads, and of all of it over heads and MLPs.

    The curve and the random sets are measured for the parts that the circuit was searched in.
    Parts outside that oppose the answer strongly, as ``patches`` measured them, are put beside it.
    """
    setup = measure.setup
    scores = attribution.score_by_node
    order = rankings(measure.over, scores)[1]  # measured by the search already
    places = (place.name for place in patches.places)
    effects = dict(zip(places, patches.effect[0].tolist(), strict=True))
    whole = float(setup.trace.difference.double().mean())
    against = [name for name in oppose(effects, whole, patches.noise) if name not in circuit]
    by_name = {node.name: node for node in attribution.nodes}
    found: list[Faithfulness] = []
    for over in get_args(Over):
        searched = over == circuit.over
        kinds = ("head",) if over == "heads" else ("head", "mlp")
        found.append(
            faithfulness(
                setup.model,
                contrast,
                [node for node in circuit.nodes if node.kind in kinds],
                over=over,
                metric=chosen.metric,
                ablation=chosen.ablation,
                curve=order if searched else None,
                random_sets=chosen.random_sets if searched else 0,
                opponents=[name for name in against if by_name[name].kind in kinds],
                seed=chosen.seed,
                trace=setup.trace,
                measure=measure if searched else None,
            )
        )
    return found[0], found[1]


def stepping_in(
    contrast: Contrasts, circuit: Circuit, setup: Setup, chosen: AnalysisOptions
) -> Backups | None:
    """What does more once the circuit is replaced; None for a metric that cannot tell (kl)."""
    if isinstance(setup.trace.metric, Nearness):
        return None
    return backups(
        setup.model,
        contrast,
        circuit,
        metric=chosen.metric,
        ablations=ablations_looked_under(chosen),
        controls=chosen.controls,
        budget=budget_of_repair(chosen),
        seed=chosen.seed,
        trace=setup.trace,
    )
