"""The command line: data on stdout, progress on stderr, arguments checked before a model opens.

Exit codes: 0 ok, 1 failed, 2 usage, 3 a threshold was not met.
"""

import shlex
import sys
from dataclasses import replace
from typing import Annotated, Literal

import typer

from pellucid import report_command
from pellucid.app import command as app_command
from pellucid.arguments import (
    AblationName,
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
    Top,
    ask,
    check_ablation,
    check_method,
    check_out,
)
from pellucid.catalogue import models
from pellucid.console import (
    deliver,
    open_model,
    progress,
    show_behaviour,
    show_mapping,
    table_text,
)
from pellucid.errors import BudgetError, EditError, PellucidError, TaskError

app = typer.Typer(
    help="Shows, with measured evidence, which parts of a language model produce a decision.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(models, name="models")
report_command.register(app)
app_command.register(app)


def main() -> None:
    """Run the command line; errors of our own become one message and exit code 1, or 2 (usage)."""
    try:
        app()
    except (TaskError, EditError, BudgetError) as error:
        fail(error, code=2)
    except PellucidError as error:
        fail(error, code=1)


def fail(error: Exception, *, code: int) -> None:
    """Say what went wrong, and leave."""
    typer.echo(f"{type(error).__name__}: {error}", err=True)
    raise SystemExit(code)


def show_version(wanted: bool) -> bool:
    """Print the version and leave."""
    if wanted:
        from pellucid import __version__

        typer.echo(f"pellucid {__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True)
    ] = False,
) -> None:
    """Options that come before any command."""


@app.command()
def analyze(
    prompt: PromptArgument = None,
    prompt_option: PromptOption = None,
    answer: Answer = None,
    foil: Foil = None,
    corrupted: Corrupted = None,
    prompts: Prompts = None,
    model: ModelSource = "smollm2-135m",
    dtype: Dtype = "float32",
    device: Device = None,
    metric: MetricOption = "logit_diff",
    method: Method = "atp",
    search: Annotated[
        Literal["verified", "mfc"], typer.Option("--search", help="How the circuit is found.")
    ] = "verified",
    over: Annotated[
        Literal["heads", "heads+mlps"], typer.Option("--over", help="Parts that may be replaced.")
    ] = "heads",
    ablation: Annotated[
        AblationName, typer.Option("--ablation", help="What parts are replaced with.")
    ] = "corrupted",
    target: Annotated[float, typer.Option(min=0.01, max=1, help="Sufficiency to reach.")] = 0.85,
    budget: Annotated[int, typer.Option(min=10, help="Forwards the search may spend.")] = 150,
    random_sets: Annotated[int, typer.Option(min=0, help="Random circuits to compare with.")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the random sets.")] = 0,
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
    if plan:
        from pellucid.plan import planned

        cost = planned(
            opened,
            question,
            method=method,
            metric=metric,
            over=over,
            budget=budget,
            random_sets=random_sets,
        )
        show_mapping(cost, as_json)
        return
    from pellucid.analysis.analyze import analyze as run

    with progress("Analysing", total=budget + 20 + 2 * random_sets):
        result = run(
            opened,
            **question.asked,
            metric=metric,
            method=method,
            search=search,
            over=over,
            ablation=ablation,
            target=target,
            budget=budget,
            random_sets=random_sets,
            seed=seed,
            insist=insist,
            command=shlex.join(["pellucid", *sys.argv[1:]]),
        )
    deliver(result, str(result), as_json=as_json, out=out)
    measured = result.over_heads if over == "heads" else result.over_heads_and_mlps
    if fail_under is not None and not (measured and measured.sufficiency >= fail_under):
        reached = "no circuit" if measured is None else f"sufficiency {measured.sufficiency:z.3f}"
        typer.echo(f"Below --fail-under {fail_under}: {reached}.", err=True)
        raise typer.Exit(3)


@app.command()
def attribute(
    prompt: PromptArgument = None,
    prompt_option: PromptOption = None,
    answer: Answer = None,
    foil: Foil = None,
    corrupted: Corrupted = None,
    prompts: Prompts = None,
    model: ModelSource = "smollm2-135m",
    dtype: Dtype = "float32",
    device: Device = None,
    metric: MetricOption = "logit_diff",
    method: Method = "atp",
    top: Top = 20,
    as_json: AsJson = False,
    out: Out = None,
    offline: Offline = False,
) -> None:
    """Estimate how much every head and MLP matters."""
    check_out(out)
    check_method(method, metric)
    question = ask(prompt, prompt_option, answer, foil, corrupted, prompts)
    opened = open_model(model, offline, dtype=dtype, device=device)
    from pellucid.attribution.nodes import attribute as run
    from pellucid.run.record import record

    with progress("Attributing") as meter:
        contrast = question.contrast(opened, metric)
        trace = record(opened, contrast, metric=metric)
        found = run(opened, contrast, method=method, metric=metric, trace=trace)
    result = replace(found, passes=meter.passes)
    measured = trace.metric_clean, trace.metric_corrupted, trace.preference
    show_behaviour(metric, *measured, as_json=as_json)
    deliver(result, table_text(result, "estimate", top), as_json=as_json, out=out)


@app.command()
def patch(
    prompt: PromptArgument = None,
    prompt_option: PromptOption = None,
    answer: Answer = None,
    foil: Foil = None,
    corrupted: Corrupted = None,
    prompts: Prompts = None,
    model: ModelSource = "smollm2-135m",
    dtype: Dtype = "float32",
    device: Device = None,
    metric: MetricOption = "logit_diff",
    direction: Annotated[
        Literal["noising", "denoising"], typer.Option("--direction", help="What is put where.")
    ] = "noising",
    sites: Annotated[
        Literal["heads", "mlps", "nodes", "attn", "resid", "q", "k", "v"],
        typer.Option("--sites", help="What is replaced, one at a time."),
    ] = "heads",
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Just this place, as L9H6; repeatable.")
    ] = None,
    each_position: Annotated[
        bool, typer.Option("--each-position", help="Replace one position at a time.")
    ] = False,
    top: Top = 20,
    as_json: AsJson = False,
    out: Out = None,
    offline: Offline = False,
) -> None:
    """Measure how much every head, MLP or stream matters, by replacing each."""
    check_out(out)
    question = ask(prompt, prompt_option, answer, foil, corrupted, prompts)
    opened = open_model(model, offline, dtype=dtype, device=device)
    from pellucid.attribution.patch import patch as run

    with progress("Patching") as meter:
        found = run(
            opened,
            question.contrast(opened, metric),
            direction=direction,
            sites=sites,
            positions="each" if each_position else "all",
            only=only or None,
            metric=metric,
        )
    result = replace(found, passes=meter.passes)
    measured = result.metric_clean, result.metric_corrupted, result.preference
    show_behaviour(metric, *measured, as_json=as_json)
    deliver(result, table_text(result, "effect", top), as_json=as_json, out=out)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Check this installation; exit code 1 if something is wrong."""
    from pellucid.doctor import examine

    found = examine()
    if as_json:
        import dataclasses
        import json

        typer.echo(json.dumps([dataclasses.asdict(one) for one in found], indent=1))
    for one in [] if as_json else found:
        typer.echo(f"{one.status:8} {one.name}: {one.found}")
        if one.advice:
            typer.echo(f"         {one.advice}")
    if any(one.status == "problem" for one in found):
        raise typer.Exit(1)
