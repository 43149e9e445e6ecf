"""An analysis in sentences, each made from its numbers; measured and estimated are told apart.

No sentence says more than what was measured: no grade, and no word for how good a number is.
"""

from collections.abc import Iterator

from pellucid.analysis.result import Analysis
from pellucid.analysis.wording import NOT_DONE, OVER
from pellucid.circuit.self_repair.result import Backups
from pellucid.results.prose import Section, section
from pellucid.results.views import shows

METHOD = (
    "A measured effect is how far the metric falls when the model is run with one node's values on "
    "the prompt replaced by those on the corrupted prompt.",
    "For the circuit, parts are replaced with: {circuit.ablation}.",
    "Sufficiency is (m(C) - m(none)) / (m(all) - m(none)), never clipped: m(C) is the metric when "
    "every replaceable part outside the set C is replaced. It is 1 for the whole model and 0 for "
    "nothing, and can lie outside that range.",
    "Comprehensiveness is the share that is lost when the parts in C are replaced instead.",
    "Estimates are gradients. They chose what was measured, and nothing else here rests on them.",
    "Positive supports the answer, in estimates and in effects.",
)
LIMITS = (
    "The account is for these prompts, this metric and this kind of replacement. Other wordings "
    "may use other parts.",
    "The search is greedy. Minimal means that no single node can go, not that the set is the "
    "smallest.",
    "A part whose estimate is near zero was not measured alone, and may matter all the same.",
    "Numbers differ in their last digits between processors.",
)
REPRODUCE = (
    "{provenance.command}",
    "Model {provenance.model} ({provenance.model_source}), weights {provenance.weight_hash}, "
    "{provenance.dtype} on {provenance.device}, {provenance.threads} threads, seed "
    "{provenance.seed}.",
    "Pellucid {provenance.pellucid}, torch {provenance.torch}, transformers "
    "{provenance.transformers}, Python {provenance.python}; made {provenance.created}.",
)


@shows(Analysis, "story")
def story_of(a: Analysis) -> tuple[Section, ...]:
    """What was asked, found and measured; how; how to do it again."""
    return (
        section(a, "Summary", [*_question(a), *_circuit(a), *_agreement(a)]),
        section(a, "Self-repair", [*_repair(a)]),
        section(a, "Read with care", [f"{{caveats.{i}}}" for i in range(len(a.caveats))]),
        section(a, "Method", METHOD),
        section(a, "Limits", LIMITS),
        section(a, "Cost", ["{passes}."]),
        section(a, "How to reproduce", REPRODUCE),
    )


def _question(a: Analysis) -> Iterator[str]:
    if len(a.question.clean) > 1:
        yield (
            "{question.clean.length} prompts were analysed; numbers are means over them, and the "
            "first is quoted."
        )
    yield "The prompt is “{question.clean.0}”; the corrupted one is “{question.corrupted.0}”."
    yield (
        "The answer “{question.answer.0}” is held against “{question.foil.0}”: on the prompt, "
        "{provenance.model} gives the answer a log-probability that differs by {preference:+z.2f} "
        "from that of the other."
    )
    if a.top:
        likely = ", ".join(
            f"“{{top.{i}.token}}” {{top.{i}.probability:.0%}}" for i in range(min(4, len(a.top)))
        )
        yield f"It says next: {likely}."
    yield (
        "The metric ({question.metric}) is {metric_clean:+z.2f} on the prompt and "
        "{metric_corrupted:+z.2f} on the corrupted one."
    )
    if not a.behaves:
        yield NOT_DONE


def _circuit(a: Analysis) -> Iterator[str]:
    searched = "over_heads" if a.circuit.over == "heads" else "over_heads_and_mlps"
    found = getattr(a, searched)
    if found is None:
        yield "No circuit is claimed: {circuit.note}."
        return
    names = ", ".join(f"{{circuit.names.{i}}}" for i in range(len(a.circuit)))
    yield f"The circuit is {{{searched}.size}} of {{{searched}.out_of}} parts: {names}."
    if a.circuit.minimal:
        yield "Without any one of them, sufficiency fell below the target of {circuit.target:.2f}."
    other = "over_heads_and_mlps" if searched == "over_heads" else "over_heads"
    for name in (searched, other):
        yield from _faithfulness(a, name)


def _faithfulness(a: Analysis, name: str) -> Iterator[str]:
    found = getattr(a, name)
    if found is None:
        return
    yield (
        f"Measured with {OVER[found.over]}: with everything outside the circuit replaced, "
        f"{{{name}.sufficiency:z.3f}} of the difference is left (the metric is "
        f"{{{name}.metric_circuit:+z.2f}}); with the circuit replaced, "
        f"{{{name}.comprehensiveness:z.3f}} of it is lost (the metric is "
        f"{{{name}.metric_without:+z.2f}})."
    )
    if found.percentile_same_size is not None:
        yield (
            f"Beside {{{name}.random_same_size.length}} random sets of each kind: "
            f"{{{name}.percentile_same_size:.0f}} % of those of the same size, and "
            f"{{{name}.percentile_same_layers:.0f}} % of those with as many nodes in each layer, "
            "are less sufficient."
        )


def _agreement(a: Analysis) -> Iterator[str]:
    effects = a.patches.effect[0]
    if not len(effects):
        return
    largest = int(effects.abs().argmax())
    yield (
        "Of {agreement.n} nodes that were replaced alone, "
        f"{{patches.places.{largest}.name}} changes the metric most: its effect is "
        f"{{patches.effect.0.{largest}:+z.3f}}."
    )
    yield (
        "The estimates of these nodes agree with their measured effects to Spearman "
        "{agreement.spearman:z.2f} and Pearson {agreement.pearson:z.2f}."
    )


def _repair(a: Analysis) -> Iterator[str]:
    """What was measured of the nodes that do more once the circuit is replaced."""
    b = a.backups
    if b is None:
        return
    ways = ", ".join(f"{{backups.repairs.{i}.ablation}}" for i in range(len(b.repairs)))
    yield (
        f"Other nodes were looked at with the circuit replaced ({ways}); "
        "{backups.looked_at.length} growths of a node's effect were measured."
    )
    grown = [i for i, one in enumerate(b.looked_at) if one.found]
    if not grown:
        yield f"Under {ways}, no backup was found."
    for i in sorted(grown, key=lambda i: -b.looked_at[i].effect):
        yield _growth(b, i)
    if grown:
        yield _counted(b)
    ablations = {b.looked_at[i].ablation for i in grown}
    for i, one in enumerate(b.repairs):
        if one.ablation in ablations:
            yield (
                f"With the circuit replaced ({{backups.repairs.{i}.ablation}}) the metric is "
                f"{{backups.repairs.{i}.metric_without:+z.2f}}; by changing what they write, the "
                f"backups raise it by {{backups.repairs.{i}.repaired:+z.2f}}."
            )
        if one.note:
            yield f"{{backups.repairs.{i}.ablation}}: {{backups.repairs.{i}.note}}."


def _growth(b: Backups, i: int) -> str:
    place = f"backups.looked_at.{i}"
    others = f", with {{{place}.others.length}} others replaced both times"
    return (
        f"The effect of {{{place}.node.name}} is {{{place}.effect_before:+z.3f}} with the circuit "
        f"whole and {{{place}.effect_after:+z.3f}} with the circuit replaced "
        f"({{{place}.ablation}}{others if b.looked_at[i].others else ''})."
    )


def _counted(b: Backups) -> str:
    beside = "more than that of any node for {backups.controls} random sets of replaced nodes"
    none = "random sets of replaced nodes that it was compared with: {backups.controls}"
    return (
        "A backup is a node whose measured effect grows by more than {backups.share:.0%} of the "
        f"effect of the corrupted prompt{', and ' + beside if b.controls else '; ' + none}."
    )
