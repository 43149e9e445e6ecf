"""A study in sentences and as text; what an analysis says of itself is not said again."""

import textwrap
from collections.abc import Iterator

from rich.cells import cell_len, set_cell_size

from pellucid.results.prose import Section, plain, section, shown_as
from pellucid.results.views import shows
from pellucid.studies.result import Study
from pellucid.views.analysis_facts import files_read, said_with

_WIDTH = 80
_NAME = 24
OFTEN = 8
"""Nodes in more than one circuit that are named."""

_METHOD = (
    "Each question was analysed by itself; sufficiency and comprehensiveness were measured by "
    "running the model, over the parts in which the circuit was searched.",
    "The Jaccard index of two circuits is the number of nodes in both over the number in either. "
    "Beside it stands its mean for two sets of the same sizes drawn at random from the parts that "
    "were searched.",
    "Kendall's tau-b compares the order in which two analyses rank all nodes by estimate: 1 for "
    "the same order, 0 for unrelated ones, -1 for the opposite. Estimates are gradients.",
)


@shows(Study, "story")
def _story_of(s: Study) -> tuple[Section, ...]:
    """What was found of each question, what the circuits share; how; how to do it again."""
    everyone = range(len(s.analyses))
    return (
        section(s, "Summary", [_one(s, i) for i in everyone]),
        section(s, "Circuits", [*_circuits(s)]),
        section(s, "Read with care", [f"{{caveats.{i}}}" for i in range(len(s.caveats))]),
        section(s, "Method", _METHOD),
        section(s, "Cost", ["{passes}."]),
        section(
            s,
            "How to reproduce",
            [*_commands(s)],
        ),
    )


def _commands(s: Study) -> Iterator[str]:
    """What makes the study again, and what each of its analyses."""
    if s.provenance is not None and s.provenance.command:
        yield from said_with(s.provenance.command, "{provenance.command}", "All of it")
        yield from files_read(s.provenance)
    for i, one in enumerate(s.analyses):
        place = f"{{analyses.{i}.provenance.command}}"
        yield from said_with(one.provenance.command, place, f"{{names.{i}}}")


def _one(s: Study, i: int) -> str:
    a, place = s.analyses[i], f"analyses.{i}"
    question = f"{place}.question"
    asked = (
        f"{{{question}.clean.0!r}}, {{{question}.answer.0!r}} against {{{question}.foil.0!r}}"
        if len(a.question.clean) == 1
        else f"{{{question}.clean.length}} prompts, the first {{{question}.clean.0!r}}"
    )
    metric = f"{{names.{i}}}: {asked}. The metric is {{{place}.metric_clean:+z.2f}}"
    searched = "over_heads" if a.circuit.over == "heads" else "over_heads_and_mlps"
    if a.faithfulness is None:
        return f"{metric}; no circuit is claimed: {{{place}.circuit.note}}."
    if a.faithfulness.undefined:
        return f"{metric}; shares are {{{place}.{searched}.undefined}}."
    parts = "part" if len(a.circuit) == 1 else "parts"
    return (
        f"{metric}; a circuit of {{{place}.circuit.nodes.length}} {parts} keeps "
        f"{{{place}.{searched}.sufficiency:z.3f}} of the effect, and "
        f"{{{place}.{searched}.comprehensiveness:z.3f}} of it is lost when that is replaced."
    )


def _circuits(s: Study) -> Iterator[str]:
    yield "Analyses in which a circuit is claimed: {claimed} of {analyses.length}."
    often = [i for i, one in enumerate(s.occurrences[:OFTEN]) if one.circuits > 1]
    if often:
        listed = ", ".join(
            f"{{occurrences.{i}.node}} ({{occurrences.{i}.circuits}})" for i in often
        )
        yield f"Nodes in most circuits, with the number of circuits: {listed}."
    elif s.claimed > 1:
        yield "No node is in more than one circuit."
    if s.jaccard is not None:
        several = s.jaccard.n > 1
        chance = "" if s.by_chance is None else "; by chance {by_chance.median:.3f}"
        between = "{jaccard.low:.2f} to {jaccard.high:.2f}" if several else "{jaccard.median:.2f}"
        middle = "; median {jaccard.median:.2f}" if several else ""
        yield (
            f"Of the nodes in either of two circuits, {between} is in both (Jaccard "
            f"index{middle}{chance})."
        )
    if s.tau is not None:
        between = (
            "{tau.low:z.2f} to {tau.high:z.2f} (median {tau.median:z.2f})"
            if s.tau.n > 1
            else "{tau.median:z.2f}"
        )
        yield f"Estimates of all nodes agree between two analyses to a Kendall tau-b of {between}."


@shows(Study, "text")
def _summarise(s: Study) -> str:
    """The whole study in at most 80 columns."""
    return "\n".join(_lines(s))


def _lines(s: Study) -> Iterator[str]:
    n = len(s.analyses)
    yield f"Study of {n} {'analysis' if n == 1 else 'analyses'} ({s.passes})"
    yield ""
    yield f"{'':{_NAME + 2}}  metric  parts  sufficiency  comprehensiveness"
    for own, one in zip(s.names, s.analyses, strict=True):
        # Names are often told apart by their end.
        name = own if cell_len(own) <= _NAME else f"{own[:10]}...{own[-11:]}"
        found, kept = one.faithfulness, "no circuit is claimed"
        if found is not None:
            left = shown_as(found.sufficiency, "z11.3f")
            lost = shown_as(found.comprehensiveness, "z17.3f")
            kept = f"{found.size:5}  {left}  {lost}"
        yield f"  {set_cell_size(name, _NAME)}  {one.metric_clean:+z6.2f}  {kept}"
    for part in s.story()[1:3]:
        yield ""
        yield part.title
        for sentence in part.sentences:
            yield from textwrap.wrap(
                plain(sentence), _WIDTH, initial_indent="  - ", subsequent_indent="    "
            )
