"""Sentences about an analysis, each made from its numbers."""

import math
from collections.abc import Iterator, Sequence

from pellucid.analysis.result import Analysis
from pellucid.circuit.nodes.faithfulness import Faithfulness
from pellucid.circuit.nodes.opponents import STRONG
from pellucid.circuit.self_repair.result import Backups

OVERSHOOT = 1.15
OVER_IN_WORDS = {
    "heads": "heads replaced, MLPs running freely",
    "heads+mlps": "heads and MLPs replaced",
}
MEANING = {
    "faithful": "the circuit carries the answer, and the model needs it",
    "backup_mechanisms": "the circuit can carry the answer, but the model manages without it",
    "opposed": "the circuit carries the answer only while parts that oppose it are replaced too",
    "incomplete": "the model needs it, but it does not carry the answer alone",
    "weak": "it neither carries most of the answer nor is most of the answer lost without it",
    "undefined": "replacing everything changes no more than rounding does, so there is nothing to "
    "divide by",
}


NOT_DONE = "The model does not do this: it does not prefer the answer to the foil."


def behaviour(
    metric: str, clean: Sequence[float], corrupted: Sequence[float], preference: Sequence[float]
) -> list[str]:
    """The metric on both prompts, and whether the answer is preferred; one value an example."""
    n = len(clean)
    lines = [metric_line(metric, sum(clean) / n, sum(corrupted) / n)]
    if n > 1:
        preferred = sum(value > 0 for value in preference)
        lines.append(f"Means of {n} prompts; the answer is preferred to the foil in {preferred}.")
    return lines if sum(preference) > 0 else [*lines, NOT_DONE]


def metric_line(metric: str, clean: float, corrupted: float) -> str:
    """What the metric is on the clean and on the corrupted prompt."""
    return metric_template(metric).format(metric_clean=clean, metric_corrupted=corrupted)


def metric_template(metric: str) -> str:
    """``metric_line`` with places for both values."""
    name = "minus KL" if metric == "kl" else metric.replace("_", " ")
    name = name.replace("{", "{{").replace("}", "}}")
    return (
        f"The model's {name}: {{metric_clean:+z.2f}} on the prompt, {{metric_corrupted:+z.2f}} on "
        "the corrupted one."
    )


def caveats_of(analysis: Analysis, notes: Sequence[str]) -> tuple[str, ...]:
    """What a careful reader should know before relying on the result; ``notes`` on its wording."""
    return tuple(_caveats(analysis, notes))


def _caveats(analysis: Analysis, notes: Sequence[str]) -> Iterator[str]:
    attribution, circuit, agreed = analysis.attribution, analysis.circuit, analysis.agreement
    over_heads, over_both = analysis.over_heads, analysis.over_heads_and_mlps
    step_in = analysis.backups
    searched = analysis.faithfulness
    if searched is not None and not searched.random_same_size:
        yield (
            "Nothing was compared with chance: no random sets were measured. A set of as many "
            "parts drawn at random may do as well."
        )
    if searched is not None and searched.opponents:
        yield _opposed(analysis, searched)
    yield from notes
    if len(analysis.question.clean) == 1:
        yield "One prompt was analysed: another wording may use other parts."
    if circuit.note:
        yield f"The search: {circuit.note}."
    if not attribution.converged:
        account = (
            "sum of the estimates" if attribution.method == "mask-ig" else "embedding's estimate"
        )
        off = attribution.completeness
        by = "and that change is no more than rounding" if math.isnan(off) else f"by {off:.0%}"
        yield (
            f"Estimates ({attribution.method}) are approximate: the {account} differs from the "
            f"measured change {by}. They were used only to rank."
        )
    if not math.isnan(agreed.spearman) and agreed.spearman < 0.7:
        yield (
            f"Estimates and measured effects of the {agreed.n} highest ranked nodes agree only to "
            f"Spearman {agreed.spearman:z.2f}; a node that matters may have been ranked too low."
        )
    if over_heads is not None and over_both is not None:
        gap = over_heads.sufficiency - over_both.sufficiency
        if circuit.over == "heads" and gap > 0.2:
            yield (
                f"Sufficiency falls from {over_heads.sufficiency:z.2f} to "
                f"{over_both.sufficiency:z.2f} when MLPs are replaced too: the heads rely on MLPs "
                "that the circuit does not name."
            )
    if searched is not None and searched.category == "backup_mechanisms":
        yield (
            f"Category backup_mechanisms: {MEANING['backup_mechanisms']}. "
            f"{backups_named(step_in, circuit.ablation)}"
        )
    if searched is not None and searched.sufficiency > OVERSHOOT:
        yield (
            f"Sufficiency is {searched.sufficiency:z.2f}: alone, the circuit does more than the "
            "whole model, because parts that oppose the answer are not in it."
        )
    if circuit.nodes and not circuit.minimal and circuit.method == "verified":
        yield "The circuit was not shown to be minimal."


def _opposed(analysis: Analysis, searched: Faithfulness) -> str:
    """Which parts outside the circuit oppose the answer, and what is left with them in."""
    whole = analysis.metric_clean - analysis.metric_corrupted
    places = (place.name for place in analysis.patches.places)
    effects = dict(zip(places, analysis.patches.effect[0].tolist(), strict=True))
    named = ", ".join(f"{name} ({effects[name] / whole:+.0%})" for name in searched.opponents)
    them = "it" if len(searched.opponents) == 1 else "them"
    return (
        f"Outside the circuit, and opposed to the answer by at least {STRONG:.0%} of the whole "
        f"effect: {named}. With {them} kept too, sufficiency is "
        f"{searched.sufficiency_with_opponents:z.2f} instead of {searched.sufficiency:z.2f}. "
        "opponents='kept' searches for a circuit with such parts in."
    )


def backups_named(step_in: Backups | None, ablation: str) -> str:
    """Which nodes take over when the circuit is replaced, and by how much."""
    if step_in is None:
        return "Which parts take over was not looked for."
    told = step_in.found if step_in.compared else step_in.grew
    here = [growth for growth in told if growth.ablation == ablation]
    if not here:
        elsewhere = [f"{g.node} ({g.ablation})" for g in told]
        return f"No single node was found to step in under {ablation} ablation" + (
            f", but {', '.join(elsewhere)}." if elsewhere else "."
        )
    named = [f"{g.node} {g.role} ({g.effect_before:+z.2f} to {g.effect_after:+z.2f})" for g in here]
    what = "What steps in" if step_in.compared else "What grows, not compared with chance"
    return f"{what}: {', '.join(named)}."
