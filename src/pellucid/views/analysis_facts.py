"""What an analysis says, each thing once: the printed summary and the page are made of these.

A fact is a template with places in it (``results/prose.py``). The page says it as a sentence whose
numbers keep their place, the summary as a line, or as a row of a table in its columns.
"""

from collections.abc import Iterator

from pellucid.analysis.result import Analysis
from pellucid.analysis.wording import NOT_DONE, OVER_IN_WORDS, metric_template
from pellucid.circuit.self_repair.result import Backups
from pellucid.results.prose import Section, held_in
from pellucid.results.provenance import Provenance

LIKELY = 4
"""Next tokens that are named."""
SHARES = {
    "sufficiency": "of the effect is left with only the circuit",
    "comprehensiveness": "is lost when the circuit is replaced",
}


def _question(a: Analysis) -> dict[str, str]:
    """What was asked, by what it is."""
    several = {"Question": "{question.clean.length} prompts; the first is shown"}
    return {
        **(several if len(a.question.clean) > 1 else {}),
        "Prompt": "{question.clean.0!r}",
        "Corrupted": "{question.corrupted.0!r}",
        "How": "({question.how_corrupted})",
        "Answer": "{question.answer.0!r} against {question.foil.0!r}",
    }


def _behaviour(a: Analysis) -> Iterator[str]:
    """The metric on both prompts, what the model says next, and whether it does this at all."""
    yield metric_template(a.question.metric)
    if a.top:
        likely = (
            f"{{top.{i}.token!r}} {{top.{i}.probability:.0%}}" for i in range(len(a.top[:LIKELY]))
        )
        yield f"It says next: {', '.join(likely)}."
    if a.question.unequal and a.answer_probability is not None:
        yield (
            "Probability of the whole answer {answer_probability:.2g}, of the whole foil "
            "{foil_probability:.2g}."
        )
    if not a.behaves:
        yield NOT_DONE


def searched(a: Analysis) -> str:
    """The field that holds the faithfulness over the parts in which the circuit was searched."""
    return "over_heads" if a.circuit.over == "heads" else "over_heads_and_mlps"


def _circuit(a: Analysis) -> str:
    """How many parts it has, out of how many, and how it was found; or why there is none."""
    if a.faithfulness is None:
        return f"No circuit is claimed: {'{circuit.note}' if a.circuit.note else 'none was found'}."
    parts = a.circuit.over.replace("+", " and ")
    checked = ", minimal: no node can go" if a.circuit.minimal else ""
    total = f"{{{searched(a)}.out_of}}"
    return f"Circuit: {{circuit.nodes.length}} of {total} {parts} ({{circuit.method}}{checked})"


def _names(a: Analysis) -> list[str]:
    """The nodes of the circuit."""
    return [f"{{circuit.names.{i}}}" for i in range(len(a.circuit))]


def over_prompts(a: Analysis, name: str) -> Iterator[str]:
    """The intervals of both shares in field ``name``, or why there are none; of several prompts."""
    found = getattr(a, name)
    if len(a.question.clean) == 1 or found.sufficiency_interval is None:
        return
    for share in SHARES:
        place = f"{name}.{share}_interval"
        if not getattr(found, f"{share}_interval").known:
            yield f"no interval over prompts: {{{place}.why}}"
            return
        yield f"{share} is {{{place}.low:z.2f}} to {{{place}.high:z.2f}} with 95 %"
    yield f"over {{{place}.units}}"


def measured_with(over: str) -> str:
    """What was replaced in a measurement of faithfulness."""
    return f"Measured with {OVER_IN_WORDS[over]}"


def among_random_sets(name: str) -> tuple[str, str]:
    """How the faithfulness in field ``name`` stands beside random sets, of one kind and another."""
    count = f"{{{name}.random_same_size.length}}"
    return (
        f"against {count} + {count} random sets: more sufficient than "
        f"{{{name}.percentile_same_size:.0f}} % of the same size,",
        f"and {{{name}.percentile_same_layers:.0f}} % with as many nodes in each layer",
    )


AGREEMENT = (
    "estimate against effect: Spearman {agreement.spearman:z.2f}, Pearson {agreement.pearson:z.2f}"
)


def ablations(b: Backups) -> str:
    """What the circuit was replaced by, one after the other."""
    return ", ".join(f"{{backups.repairs.{i}.ablation}}" for i in range(len(b.repairs)))


def _backups(b: Backups) -> Iterator[str]:
    """What it takes to be a backup, and what the backups do; or that none is claimed."""
    if not b.grew:
        yield f"nothing grew (circuit replaced by: {ablations(b)})"
        return
    yield f"Each grew by more than {{backups.share:.0%}} of the effect, under {ablations(b)}."
    if not b.compared:
        yield (
            "Not compared with chance, so no backup is claimed: whatever is replaced, something "
            "grows. --controls (in Python controls=) compares with random sets."
        )
        return
    above = "" if b.found else " No backup is claimed."
    yield (
        "Of the circuit and {backups.sets} random sets that were replaced instead, a share of "
        f"{{backups.p_by_sets:.2f}} makes as much grow.{above}"
    )
    shown = {growth.ablation for growth in b.found}
    saved = ", ".join(
        f"{{backups.repairs.{i}.repaired:+z.2f}} ({{backups.repairs.{i}.ablation}})"
        for i, repair in enumerate(b.repairs)
        if repair.ablation in shown
    )
    if saved:
        yield f"By changing what they write they save {saved} of the metric."


def notes(b: Backups) -> Iterator[str]:
    """What was left undone under an ablation."""
    for i, repair in enumerate(b.repairs):
        if repair.note:
            yield f"{{backups.repairs.{i}.ablation}}: {{backups.repairs.{i}.note}}"


def caveats(a: Analysis) -> list[str]:
    """What a careful reader should know."""
    return [f"{{caveats.{i}}}" for i in range(len(a.caveats))]


def of_included(a: Analysis) -> Iterator[Section]:
    """What the lenses that it holds say of themselves."""
    for field, found in a.included.items():
        for told in found.story():
            yield held_in(told, field)


def files_read(made: Provenance) -> Iterator[str]:
    """The files that a question was read from; early versions did not write them down."""
    for i in range(len(made.files)):
        yield (
            f"Questions were read from the file {{provenance.files.{i}.name!r}}, SHA-256 "
            f"{{provenance.files.{i}.sha256}}."
        )


def said_with(command: str, place: str, what: str) -> Iterator[str]:
    """Where a command is typed or called, and the command at ``place``."""
    typed = command.startswith("pellucid ")
    yield f"{what}, {'in a POSIX shell (sh, bash, zsh)' if typed else 'in Python'}:"
    yield place
