"""An analysis in sentences, each made from its numbers; measured and estimated are told apart.

What the printed summary says too stands in ``analysis_facts.py``.

No sentence says more than what was measured: no grade, and no word for how good a number is.
"""

from collections.abc import Iterator

from pellucid.analysis.result import Analysis
from pellucid.circuit.self_repair.result import Backups
from pellucid.results.prose import Section, section
from pellucid.results.views import shows
from pellucid.views import analysis_facts as facts
from pellucid.views.analysis_conclusion import conclusion

_METHOD = (
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
    "Model {provenance.model} ({provenance.model_source}), weights {provenance.weight_hash}, "
    "{provenance.dtype} on {provenance.device}, {provenance.threads} threads, seed "
    "{provenance.seed}.",
    "Pellucid {provenance.pellucid}, torch {provenance.torch}, transformers "
    "{provenance.transformers}, Python {provenance.python}; made {provenance.created}.",
)


@shows(Analysis, "story")
def _story_of(a: Analysis) -> tuple[Section, ...]:
    """What was asked, found and measured; how; how to do it again."""
    return (
        section(a, "Conclusion", [*conclusion(a)]),
        section(a, "Summary", [*_question(a), *_circuit(a), *_agreement(a)]),
        section(a, "Self-repair", [*_repair(a)]),
        section(a, "Read with care", facts.caveats(a)),
        *facts.of_included(a),
        section(a, "Method", _METHOD),
        section(a, "Limits", LIMITS),
        section(a, "Cost", ["{passes}."]),
        section(a, "How to reproduce", [*_again(a), *REPRODUCE, *_system(a)]),
    )


def _again(a: Analysis) -> Iterator[str]:
    """The command, and what speaks against relying on the file that was read."""
    yield from facts.said_with(a.provenance.command, "{provenance.command}", "The same")
    if a.provenance.note:
        yield "{provenance.note}"


def _system(a: Analysis) -> Iterator[str]:
    """The files and the machine; early versions did not write them down."""
    yield from facts.files_read(a.provenance)
    if a.provenance.system:
        yield "Computed on {provenance.system}."


def sentence(fact: str) -> str:
    """A fact as a sentence: with a capital, and a full stop."""
    return f"{fact[0].upper()}{fact[1:].removesuffix('.')}."


def _question(a: Analysis) -> Iterator[str]:
    for label, fact in facts._question(a).items():
        yield f"{label}: {fact}."
    yield (
        "{provenance.model} gives the answer a log-probability that differs by {preference:+z.2f} "
        "from that of the foil."
    )
    yield from facts._behaviour(a)


def _circuit(a: Analysis) -> Iterator[str]:
    if a.faithfulness is None:
        yield facts._circuit(a)
        return
    yield f"{facts._circuit(a)}: {', '.join(facts._names(a))}."
    if a.circuit.minimal:
        yield "Without any one of them, sufficiency fell below the target of {circuit.target:.2f}."
    first = facts.searched(a)
    for name in sorted(("over_heads", "over_heads_and_mlps"), key=lambda name: name != first):
        yield from _faithfulness(a, name)


def _faithfulness(a: Analysis, name: str) -> Iterator[str]:
    found = getattr(a, name)
    if found is None:
        return
    if found.undefined:
        yield f"{facts.measured_with(found.over)}, shares are {{{name}.undefined}}."
        return
    shares = (f"{{{name}.{share}:z.3f}} {said}" for share, said in facts.SHARES.items())
    yield (
        f"{facts.measured_with(found.over)}: {', '.join(shares)}. The metric is "
        f"{{{name}.metric_circuit:+z.2f}} then, and {{{name}.metric_without:+z.2f}}."
    )
    if told := ", ".join(facts.over_prompts(a, name)):
        yield sentence(told)
    if found.percentile_same_size is not None:
        yield sentence(" ".join(facts.among_random_sets(name)))


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
    yield sentence(facts.AGREEMENT)


def _repair(a: Analysis) -> Iterator[str]:
    """What was measured of the nodes that do more once the circuit is replaced."""
    b = a.backups
    if b is None:
        return
    yield "{backups.looked_at.length} growths of a node's effect were measured."
    told = b.found or b.grew
    grown = [i for i, one in enumerate(b.looked_at) if one in told]
    for i in sorted(grown, key=lambda i: -b.looked_at[i].effect):
        yield _growth(b, i)
    yield from map(sentence, facts._backups(b))
    ablations = {b.looked_at[i].ablation for i in grown}
    for i, one in enumerate(b.repairs):
        if one.ablation in ablations:
            yield (
                f"With the circuit replaced ({{backups.repairs.{i}.ablation}}) the metric is "
                f"{{backups.repairs.{i}.metric_without:+z.2f}}."
            )
    yield from map(sentence, facts.notes(b))


def _growth(b: Backups, i: int) -> str:
    place = f"backups.looked_at.{i}"
    others = f", with {{{place}.others.length}} others replaced both times"
    return (
        f"The effect of {{{place}.node.name}} is {{{place}.effect_before:+z.3f}} with the circuit "
        f"whole and {{{place}.effect_after:+z.3f}} with the circuit replaced "
        f"({{{place}.ablation}}{others if b.looked_at[i].others else ''})."
    )
