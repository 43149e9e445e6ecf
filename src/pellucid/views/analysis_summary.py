"""An analysis as plain text of at most 80 columns."""

import textwrap
from collections.abc import Iterator

from pellucid.analysis.result import Analysis
from pellucid.analysis.wording import MEANING
from pellucid.circuit.self_repair.result import Backups
from pellucid.results.prose import plain, say
from pellucid.results.quoting import safely
from pellucid.results.views import shows
from pellucid.views import analysis_facts as facts

_WIDTH = 80
_COLUMNS = 11
_SHOWN = 12
"""Rows of a table before the rest is only counted."""


@shows(Analysis, "text")
def _summarise(analysis: Analysis) -> str:
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
    for name in ("over_heads", "over_heads_and_mlps"):
        if getattr(a, name) is not None:
            yield ""
            yield from _faithfulness(a, name)
    if a.backups is not None:
        yield ""
        yield from _backups(a, a.backups)
    yield ""
    yield from _nodes(a)
    for told in facts.of_included(a):
        yield ""
        yield told.title
        for sentence in told.sentences:
            yield from _wrapped(plain(sentence), "  ", "    ")
    if a.caveats:
        yield ""
        yield "Read with care"
        for fact in facts.caveats(a):
            yield from _wrapped(_told(a, fact), "  - ", "    ")
    yield ""
    yield f"Cost: {a.passes}."
    again, _ = facts.said_with(p.command, "", "Again")
    yield again
    yield from safely(p.command).split("\n")


def _told(a: Analysis, fact: str) -> str:
    """A fact with its numbers."""
    return plain(say(a, fact))


def _question(a: Analysis) -> Iterator[str]:
    for label, fact in facts._question(a).items():
        text = _told(a, fact)
        if label in ("Question", "Answer"):
            yield f"{label:11}{text}"
        elif label == "How":
            yield from _wrapped(text, " " * 11, " " * 12)
        else:
            yield from _wrapped(text, f"{label:11}", " " * 11)


def _behaviour(a: Analysis) -> Iterator[str]:
    for fact in facts._behaviour(a):
        yield from _wrapped(_told(a, fact), "", "  ")


def _circuit(a: Analysis) -> Iterator[str]:
    yield from _wrapped(_told(a, facts._circuit(a)), "", "  ")
    if a.circuit.nodes:
        yield from _wrapped(_told(a, " ".join(facts._names(a))), "  ", "  ")


def _faithfulness(a: Analysis, name: str) -> Iterator[str]:
    f = getattr(a, name)
    yield facts.measured_with(f.over)
    if f.undefined:
        yield from _wrapped(f"shares are {f.undefined}", "  ", "  ")
        return
    for share, said in facts.SHARES.items():
        yield f"  {share:17}  {getattr(f, share):z7.3f}   {said}"
    yield f"  {'F1':17}  {f.f1:z7.3f}   {f.category}"
    yield from _wrapped(MEANING[f.category], " " * 31, " " * 31)
    if told := ", ".join(facts.over_prompts(a, name)):
        yield from _wrapped(_told(a, told), "  ", "  ")
    if f.percentile_same_size is not None:
        yield from (f"  {_told(a, fact)}" for fact in facts.among_random_sets(name))
    if f.curve:
        yield "  sufficiency of the highest ranked nodes, by how many"
        for begin in range(0, len(f.curve), _COLUMNS):
            part = slice(begin, begin + _COLUMNS)
            yield "  nodes       " + "".join(f"{size:>6}" for size in f.curve_sizes[part])
            yield "  sufficiency " + "".join(f"{value:z6.2f}" for value in f.curve[part])


def _backups(a: Analysis, b: Backups) -> Iterator[str]:
    yield "Self-repair: what does more for the answer once the circuit is replaced"
    shown = b.found or b.grew
    if shown:
        yield "  node     replaced by  effect before     after  (both measured)"
    for growth in shown[:_SHOWN]:
        how = growth.role if growth.found else "" if b.compared else "not compared"
        yield (
            f"  {growth.node.name:8} {growth.ablation:11} {growth.effect_before:+z13.3f} "
            f"{growth.effect_after:+z9.3f}  {how}"
        ).rstrip()
    if len(shown) > _SHOWN:
        yield f"  and {len(shown) - _SHOWN} more"
    for fact in (*facts._backups(b), *facts.notes(b)):
        yield from _wrapped(_told(a, fact), "  ", "  ")


def _nodes(a: Analysis) -> Iterator[str]:
    estimates = {n.name: v for n, v in zip(
        a.attribution.nodes, a.attribution.estimate.tolist(), strict=True)}  # fmt: skip
    rows = sorted(
        zip((p.name for p in a.patches.places), a.patches.effect[0].tolist(), strict=True),
        key=lambda row: -abs(row[1]),
    )
    yield "Nodes ranked highest, each replaced alone (positive supports the answer)"
    yield "  node     effect (measured)  estimate  in circuit"
    for name, effect in rows[:_SHOWN]:
        inside = "yes" if name in a.circuit else ""
        yield f"  {name:8} {effect:+z13.3f}     {estimates[name]:+z8.3f}  {inside}".rstrip()
    yield f"  {_told(a, facts.AGREEMENT)}"


def _wrapped(text: str, first: str, rest: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_on_hyphens=False,
        drop_whitespace=True,
    )
