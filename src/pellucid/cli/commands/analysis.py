"""`pellucid analyze`: the circuit behind an answer, found and measured."""

import shlex
import sys
from typing import Annotated

import typer

from pellucid.cli.options import (
    Answer,
    AsJson,
    Corrupted,
    Device,
    Dtype,
    Foil,
    Method,
    MetricOption,
    ModelSource,
    Offline,
    Out,
    PromptArgument,
    PromptOption,
    Prompts,
    ask,
    check_ablation,
    check_method,
    check_out,
)
from pellucid.cli.terminal import deliver, open_model, progress, show_mapping
from pellucid.options import (
    ABLATION,
    BUDGET,
    DTYPE,
    METRIC,
    MODEL,
    NODE_METHOD,
    NODE_SEARCH,
    OVER,
    RANDOM_SETS,
    SEED,
    TARGET,
    Ablation,
    NodeSearch,
    Over,
)


def analyze(
    prompt: PromptArgument = None,
    prompt_option: PromptOption = None,
    answer: Answer = None,
    foil: Foil = None,
    corrupted: Corrupted = None,
    prompts: Prompts = None,
    model: ModelSource = MODEL,
    dtype: Dtype = DTYPE,
    device: Device = None,
    metric: MetricOption = METRIC,
    method: Method = NODE_METHOD,
    search: Annotated[
        NodeSearch, typer.Option("--search", help="How the circuit is found.")
    ] = NODE_SEARCH,
    over: Annotated[Over, typer.Option("--over", help="Parts that may be replaced.")] = OVER,
    ablation: Annotated[
        Ablation, typer.Option("--ablation", help="What parts are replaced with.")
    ] = ABLATION,
    target: Annotated[float, typer.Option(min=0.01, max=1, help="Sufficiency to reach.")] = TARGET,
    budget: Annotated[int, typer.Option(min=10, help="Forwards the search may spend.")] = BUDGET,
    random_sets: Annotated[
        int, typer.Option(min=0, help="Random circuits to compare with.")
    ] = RANDOM_SETS,
    seed: Annotated[int, typer.Option(help="Seed of the random sets.")] = SEED,
    insist: Annotated[
        bool, typer.Option("--insist", help="Claim a circuit even if the foil is preferred.")
    ] = False,
    fail_under: Annotated[
        float | None, typer.Option(help="Exit 3 if sufficiency stays below this.")
    ] = None,
    as_json: AsJson = False,
    out: Out = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what it would cost.")] = False,
    offline: Offline = False,
) -> None:
    """Find and measure the circuit behind an answer."""
    check_out(out)
    check_method(method, metric)
    question = ask(prompt, prompt_option, answer, foil, corrupted, prompts)
    check_ablation(ablation, question)
    opened = open_model(model, offline, dtype=dtype, device=device)
    from pellucid.analysis.options import AnalysisKeywords, AnalysisOptions
    from pellucid.cli.cost import judged, planned

    options: AnalysisKeywords = {
        "metric": metric,
        "method": method,
        "search": search,
        "over": over,
        "ablation": ablation,
        "target": target,
        "budget": budget,
        "random_sets": random_sets,
        "seed": seed,
        "insist": insist,
    }
    chosen = AnalysisOptions(**options)
    if plan:
        show_mapping(planned(opened, question, chosen), as_json)
        return
    from pellucid.analysis.analyze import analyze as run
    from pellucid.analysis.forwards import most_forwards

    most = most_forwards(opened, chosen, judged=judged(opened, question))
    with progress("Analysing", total=most):
        result = run(
            opened,
            **question.asked,
            **options,
            command=shlex.join(["pellucid", *sys.argv[1:]]),
        )
    deliver(result, str(result), as_json=as_json, out=out)
    measured = result.faithfulness
    if fail_under is not None and not (measured and measured.sufficiency >= fail_under):
        reached = "no circuit" if measured is None else f"sufficiency {measured.sufficiency:z.3f}"
        typer.echo(f"Below --fail-under {fail_under}: {reached}.", err=True)
        raise typer.Exit(3)
