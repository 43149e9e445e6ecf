"""`pellucid analyze`: the circuit behind an answer, found and measured."""

import json
from dataclasses import asdict
from typing import Annotated, get_args

import typer

from pellucid import options
from pellucid.cli.expand import expanded, option
from pellucid.cli.options import (
    ModelOptions,
    OutputOptions,
    QuestionOptions,
    RankOptions,
    SearchOptions,
)
from pellucid.cli.terminal import progress, tell, tell_json, typed

INCLUDABLE: tuple[options.Include, ...] = get_args(options.Include)


@expanded
def analyze(
    question: QuestionOptions,
    model: ModelOptions,
    rank: RankOptions,
    search: Annotated[
        options.NodeSearch, option("How the circuit is found.")
    ] = options.NODE_SEARCH,
    *,
    circuit: SearchOptions,
    fail_under: Annotated[float | None, option("Exit 3 if sufficiency stays below this.")] = None,
    include: Annotated[
        str | None,
        option(
            f"What the result holds beside the circuit: any of {', '.join(INCLUDABLE)}.",
            metavar="<names>",
        ),
    ] = None,
    output: OutputOptions,
    plan: Annotated[bool, option("Only say what it would cost.", "--plan")] = False,
) -> None:
    """Find and measure the circuit behind an answer."""
    rank.check()
    named = names_of(include)
    asked = question.ask()
    asked.check_ablation(circuit.ablation)
    opened = model.opened()
    from pellucid.analysis.analyze import analyze as run
    from pellucid.analysis.forwards import most_forwards
    from pellucid.analysis.options import AnalysisOptions
    from pellucid.cli.cost import plan_text, planned, tokens_of

    with progress("Judging corrupted prompts"):
        asked = asked.completed(opened, rank.metric)
    chosen = AnalysisOptions(**asdict(rank), search=search, **asdict(circuit), include=named)
    if plan:
        costs = planned(opened, asked, chosen)
        if output.as_json:
            tell_json(json.dumps(costs, indent=1))
        else:
            tell(plan_text(costs, opened))
        return
    most = most_forwards(
        opened, chosen, judged=asked.judged(opened), length=tokens_of(opened, asked).shape[1]
    )
    with progress("Analysing", total=most):
        result = run(opened, **asked.asked, **chosen.changed, command=typed())
    output.show(result, str(result))
    measured = result.faithfulness
    if fail_under is not None and not (measured and measured.sufficiency >= fail_under):
        reached = "no circuit"
        if measured is not None:
            reached = f"sufficiency {measured.undefined or f'{measured.sufficiency:z.3f}'}"
        tell(f"Below --fail-under {fail_under}: {reached}.", err=True)
        raise typer.Exit(3)


def names_of(include: str | None) -> tuple[options.Include, ...]:
    """What ``--include`` names, between commas, once each."""
    words = [word.strip() for word in (include or "").split(",") if word.strip()]
    unknown = [word for word in words if word not in INCLUDABLE]
    if unknown:
        raise typer.BadParameter(
            f"--include {include!r}: {', '.join(unknown)} is not known; give any of "
            f"{', '.join(INCLUDABLE)}, with commas between."
        )
    return tuple(name for name in INCLUDABLE if name in words)
