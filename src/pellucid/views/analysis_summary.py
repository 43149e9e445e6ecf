"""An analysis as plain text of at most 80 columns."""

import shlex
import textwrap
from collections.abc import Iterator

from pellucid.analysis.result import Analysis
from pellucid.analysis.wording import MEANING, NOT_DONE, OVER, metric_line
from pellucid.circuit.nodes.faithfulness import Faithfulness
from pellucid.circuit.self_repair.result import Backups
from pellucid.results.views import shows

WIDTH = 80
COLUMNS = 11
SHOWN = 12
"""Rows of a table before the rest is only counted."""


@shows(Analysis, "text")
def summarise(analysis: Analysis) -> str:
    """The whole result, measured numbers first."""
    return "\n".join(_lines(analysis))


def _lines(a: Analysis) -> Iterator[str]:
    p = a.provenance
    yield f"Pellucid {p.pellucid} on {p.model} ({p.dtype}, {p.device})"
    yield ""
    yield from _question(a)
    yield ""
    yield from _behaviour(a)
    yield ""
    yield from _circuit(a)
    for found in (a.over_heads, a.over_heads_and_mlps):
        if found is not None:
            yield ""
            yield from _faithfulness(found)
    if a.backups is not None:
        yield ""
        yield from _backups(a.backups)
    yield ""
    yield from _nodes(a)
    if a.caveats:
        yield ""
        yield "Read with care"
        for caveat in a.caveats:
            yield from _wrapped(caveat, "  - ", "    ")
    yield ""
    yield f"Cost: {a.passes}."
    yield "Again:"
    yield from _command(p.command)


def _question(a: Analysis) -> Iterator[str]:
    q = a.question
    n = len(q.clean)
    if n > 1:
        yield f"Question   {n} prompts; the first is shown"
    yield from _wrapped(f'"{q.clean[0]}"', "Prompt     ", " " * 11)
    yield from _wrapped(f'"{q.corrupted[0]}"', "Corrupted  ", " " * 11)
    yield from _wrapped(q.how_corrupted, "           (", " " * 12, end=")")
    yield f'Answer     "{q.answer[0]}" against "{q.foil[0]}"'


def _behaviour(a: Analysis) -> Iterator[str]:
    yield metric_line(a.question.metric, a.metric_clean, a.metric_corrupted)
    top = ", ".join(f'"{t.token}" {t.probability:.0%}' for t in a.top[:4])
    yield from _wrapped(f"It says next: {top}.", "", "  ")
    if not a.behaves:
        yield NOT_DONE


def _circuit(a: Analysis) -> Iterator[str]:
    c = a.circuit
    if not c.nodes:
        yield from _wrapped(f"No circuit is claimed: {c.note or 'none was found'}.", "", "  ")
        return
    total = a.over_heads.out_of if a.over_heads and c.over == "heads" else None
    total = a.over_heads_and_mlps.out_of if total is None and a.over_heads_and_mlps else total
    checked = ", minimal: no node can go" if c.minimal else ""
    yield f"Circuit: {len(c)} of {total} {c.over.replace('+', ' and ')} ({c.method}{checked})"
    yield from _wrapped(" ".join(c.names), "  ", "  ")


def _faithfulness(f: Faithfulness) -> Iterator[str]:
    yield f"Measured with {OVER[f.over]}"
    for name, value, said in (
        ("sufficiency", f.sufficiency, "of the effect is left with only the circuit"),
        ("comprehensiveness", f.comprehensiveness, "is lost when the circuit is replaced"),
        ("F1", f.f1, f.category),
    ):
        yield f"  {name:17}  {value:z7.3f}   {said}"
    yield from _wrapped(MEANING[f.category], " " * 31, " " * 31)
    if f.percentile_same_size is not None and f.percentile_same_layers is not None:
        n = len(f.random_same_size)
        yield (
            f"  against {n} + {n} random sets: more sufficient than {f.percentile_same_size:.0f} % "
            "of the same size,"
        )
        yield f"  and {f.percentile_same_layers:.0f} % with as many nodes in each layer"
    if f.curve:
        yield "  sufficiency of the highest ranked nodes, by how many"
        for begin in range(0, len(f.curve), COLUMNS):
            part = slice(begin, begin + COLUMNS)
            yield "  nodes       " + "".join(f"{size:>6}" for size in f.curve_sizes[part])
            yield "  sufficiency " + "".join(f"{value:z6.2f}" for value in f.curve[part])


def _backups(b: Backups) -> Iterator[str]:
    ablations = ", ".join(repair.ablation for repair in b.repairs)
    yield "Self-repair: what does more for the answer once the circuit is replaced"
    if not b.found:
        yield from _wrapped(f"nothing found (circuit replaced by: {ablations})", "  ", "  ")
    else:
        yield "  node     replaced by  effect before     after  (both measured)"
    for growth in b.found[:SHOWN]:
        yield (
            f"  {growth.node.name:8} {growth.ablation:11} {growth.effect_before:+z13.3f} "
            f"{growth.effect_after:+z9.3f}  {growth.role}"
        )
    if len(b.found) > SHOWN:
        yield f"  and {len(b.found) - SHOWN} more"
    beside = f", and more than any does for {b.controls} random sets" if b.controls else ""
    if b.found:
        yield from _wrapped(
            f"Each grew by more than {b.share:.0%} of the effect{beside}; looked for under "
            f"{ablations}.",
            "  ",
            "  ",
        )
    shown = {growth.ablation for growth in b.found}
    saved = [f"{r.repaired:+z.2f} ({r.ablation})" for r in b.repairs if r.ablation in shown]
    if saved:
        yield from _wrapped(
            f"By changing what they write they save {', '.join(saved)} of the metric.", "  ", "  "
        )
    for repair in b.repairs:
        if repair.note:
            yield from _wrapped(f"{repair.ablation}: {repair.note}", "  ", "  ")


def _nodes(a: Analysis) -> Iterator[str]:
    estimates = {n.name: v for n, v in zip(
        a.attribution.nodes, a.attribution.estimate.tolist(), strict=True)}  # fmt: skip
    rows = sorted(
        zip((p.name for p in a.patches.places), a.patches.effect[0].tolist(), strict=True),
        key=lambda row: -abs(row[1]),
    )
    yield "Nodes ranked highest, each replaced alone (positive supports the answer)"
    yield "  node     effect (measured)  estimate  in circuit"
    for name, effect in rows[:SHOWN]:
        inside = "yes" if name in a.circuit else ""
        yield f"  {name:8} {effect:+z13.3f}     {estimates[name]:+z8.3f}  {inside}".rstrip()
    s = a.agreement
    yield f"  estimate against effect: Spearman {s.spearman:z.2f}, Pearson {s.pearson:z.2f}"


def _command(command: str) -> Iterator[str]:
    """A command that can be pasted: lines end in a backslash, and no argument is broken."""
    if not command.startswith("pellucid "):
        yield f"  {command}"
        return
    line = " "
    for word in map(shlex.quote, shlex.split(command)):
        if len(line) + len(word) + 3 > WIDTH and line.strip():
            yield f"{line} \\"
            line = "   "
        line = f"{line} {word}"
    yield line


def _wrapped(text: str, first: str, rest: str, end: str = "") -> list[str]:
    return textwrap.wrap(
        text + end,
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_on_hyphens=False,
        drop_whitespace=True,
    )
