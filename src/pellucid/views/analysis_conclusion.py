"""The conclusion of an analysis in plain words, for a reader who knows none of the terms."""

from collections.abc import Iterator

from pellucid.analysis.result import Analysis
from pellucid.views import analysis_facts as facts

_INSTEAD = "all others of them are replaced"


def conclusion(a: Analysis) -> Iterator[str]:
    """What the model prefers, which parts carry it, how that was checked, and what to mind."""
    yield _preferred(a)
    if a.faithfulness is None:
        yield facts._circuit(a) + "."
        return
    if a.faithfulness.undefined:
        yield f"How much of it the parts found carry is {{{facts.searched(a)}.undefined}}."
        return
    found = facts.searched(a)
    parts = a.circuit.over.replace("+", " and ")
    yield (
        f"{{circuit.nodes.length}} of the model's {{{found}.out_of}} {parts} keep "
        f"{{{found}.sufficiency:z.0%}} of what separates the two answers when {_INSTEAD}; with "
        f"these replaced instead, {{{found}.comprehensiveness:z.0%}} of it is lost."
    )
    if a.faithfulness.percentile_same_size is None:
        yield "Nothing was compared with chance: no random sets were measured."
    else:
        yield (
            f"{{{found}.percentile_same_size:.0f}} % of {{{found}.random_same_size.length}} random "
            "sets of as many parts keep less."
        )
    if a.caveats:
        yield "Before this is relied on: {caveats.length} remarks stand under “Read with care”."


def _preferred(a: Analysis) -> str:
    """Answer and foil, with the probability of each that is among the likeliest tokens."""
    answer, foil = (_told(a, which) for which in ("answer", "foil"))
    verb = "prefers" if a.behaves else "does not prefer"
    several = len(a.question.clean) > 1
    who = "On {question.clean.length} prompts, the first shown here, the" if several else "The"
    return f"{who} model {verb} {answer} to {foil}."


def _told(a: Analysis, which: str) -> str:
    """One of the two in quotes, with its mean probability; early versions did not keep that."""
    known = getattr(a, f"{which}_probability") is not None
    return f"{{question.{which}.0!r}}" + (f" (probability {{{which}_probability:.1%}})" * known)
