"""The command line: data on stdout, progress on stderr, arguments checked before a model opens.

Exit codes: 0 ok, 1 failed, 2 usage, 3 a threshold was not met.
"""

import shlex
import sys
from typing import Annotated, Literal

import typer

from pellucid.console import (
    Question,
    check_out,
    deliver,
    open_model,
    progress,
    show_mapping,
    show_plan,
)
from pellucid.errors import PellucidError, TaskError

app = typer.Typer(
    help="Shows, with measured evidence, which parts of a language model produce a decision.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
models = typer.Typer(help="Which models can be opened, and what is in them.", no_args_is_help=True)
app.add_typer(models, name="models")

Model = Annotated[str, typer.Option("--model", "-m", help="Name, folder or .gguf file.")]
Offline = Annotated[bool, typer.Option("--offline", help="Never reach out to a hub.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Out = Annotated[str | None, typer.Option("--out", help="Also write a .json, .csv or a folder.")]
PromptArgument = Annotated[str | None, typer.Argument(help="The prompt.", show_default=False)]
PromptOption = Annotated[str | None, typer.Option("--prompt", help="The prompt, as an option.")]
Answer = Annotated[
    str | None, typer.Option("--answer", "--correct", help='Continuation wanted, as " Mary".')
]
Foil = Annotated[
    str | None, typer.Option("--foil", "--incorrect", help="The continuation it is held against.")
]
Corrupted = Annotated[
    str | None, typer.Option("--corrupted", help="Prompt with another answer; made if not given.")
]
MethodName = Literal["atp", "ig", "mask-ig"]
Method = Annotated[MethodName, typer.Option("--method", help="How nodes are ranked.")]


def main() -> None:
    """Run the command line; errors of our own become one message and exit code 1."""
    try:
        app()
    except TaskError as error:
        fail(error, code=2)
    except PellucidError as error:
        fail(error, code=1)


def fail(error: Exception, *, code: int) -> None:
    """Say what went wrong, and leave."""
    typer.echo(f"{type(error).__name__}: {error}", err=True)
    raise SystemExit(code)


def show_version(wanted: bool) -> None:
    """Print the version and leave."""
    if wanted:
        from pellucid import __version__

        typer.echo(f"pellucid {__version__}")
        raise typer.Exit


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
    model: Model = "smollm2-135m",
    method: Method = "atp",
    search: Annotated[
        Literal["verified", "mfc"], typer.Option("--search", help="How the circuit is found.")
    ] = "verified",
    over: Annotated[
        Literal["heads", "heads+mlps"], typer.Option("--over", help="Parts that may be replaced.")
    ] = "heads",
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
    question = Question(prompt, prompt_option, answer, foil, corrupted)
    check_out(out)
    opened = open_model(model, offline)
    if plan:
        show_plan(
            opened,
            question,
            method,
            over=over,
            budget=budget,
            random_sets=random_sets,
            as_json=as_json,
        )
        return
    from pellucid.analysis.analyze import analyze as run

    with progress("Analysing", total=budget + 20 + 2 * random_sets):
        result = run(
            opened,
            prompt=question.prompt,
            answer=question.answer,
            foil=question.foil,
            corrupted=question.corrupted,
            method=method,
            search=search,
            over=over,
            target=target,
            budget=budget,
            random_sets=random_sets,
            seed=seed,
            insist=insist,
            command=shlex.join(["pellucid", *sys.argv[1:]]),
        )
    deliver(result, result.attribution, as_json=as_json, out=out)
    measured = result.over_heads if over == "heads" else result.over_heads_and_mlps
    if fail_under is not None and not (measured and measured.sufficiency >= fail_under):
        reached = "no circuit" if measured is None else f"sufficiency {measured.sufficiency:.3f}"
        typer.echo(f"Below --fail-under {fail_under}: {reached}.", err=True)
        raise typer.Exit(3)


@app.command()
def attribute(
    prompt: PromptArgument = None,
    prompt_option: PromptOption = None,
    answer: Answer = None,
    foil: Foil = None,
    corrupted: Corrupted = None,
    model: Model = "smollm2-135m",
    method: Method = "atp",
    top: Annotated[int, typer.Option(min=1, help="Rows to print.")] = 20,
    as_json: AsJson = False,
    out: Out = None,
    offline: Offline = False,
) -> None:
    """Estimate how much every head and MLP matters."""
    question = Question(prompt, prompt_option, answer, foil, corrupted)
    check_out(out)
    opened = open_model(model, offline)
    from pellucid.attribution.nodes import attribute as run

    with progress("Attributing", total=None):
        result = run(opened, question.contrast(opened), method=method)
    deliver(result, result, as_json=as_json, out=out, column="estimate", top=top)


@app.command()
def patch(
    prompt: PromptArgument = None,
    prompt_option: PromptOption = None,
    answer: Answer = None,
    foil: Foil = None,
    corrupted: Corrupted = None,
    model: Model = "smollm2-135m",
    direction: Annotated[
        Literal["noising", "denoising"], typer.Option("--direction", help="What is put where.")
    ] = "noising",
    sites: Annotated[
        Literal["heads", "mlps", "nodes", "attn", "resid", "q", "k", "v"],
        typer.Option("--sites", help="What is replaced, one at a time."),
    ] = "heads",
    each_position: Annotated[
        bool, typer.Option("--each-position", help="Replace one position at a time.")
    ] = False,
    top: Annotated[int, typer.Option(min=1, help="Rows to print.")] = 20,
    as_json: AsJson = False,
    out: Out = None,
    offline: Offline = False,
) -> None:
    """Measure how much every head, MLP or stream matters, by replacing each."""
    question = Question(prompt, prompt_option, answer, foil, corrupted)
    check_out(out)
    opened = open_model(model, offline)
    from pellucid.attribution.patch import patch as run

    with progress("Patching", total=None):
        result = run(
            opened,
            question.contrast(opened),
            direction=direction,
            sites=sites,
            positions="each" if each_position else "all",
        )
    deliver(result, result, as_json=as_json, out=out, column="effect", top=top)


@models.command("list")
def list_models(as_json: AsJson = False) -> None:
    """Models that can be opened by name without a hub."""
    from pellucid.errors import MissingDependencyError
    from pellucid.model.embedded import EMBEDDED, find

    rows = {}
    for name, carried in EMBEDDED.items():
        try:
            find(name)
            rows[name] = "installed"
        except MissingDependencyError:
            rows[name] = f"not installed: {carried.install}"
    show_mapping(rows, as_json)


@models.command()
def describe(
    model: Model = "smollm2-135m", as_json: AsJson = False, offline: Offline = False
) -> None:
    """Sizes, tokenizer, dtype and weight hash of a model."""
    show_mapping(open_model(model, offline).describe(), as_json)


@models.command()
def check(model: Model = "smollm2-135m", as_json: AsJson = False, offline: Offline = False) -> None:
    """Prove again that the model's parts add up."""
    import dataclasses

    show_mapping(dataclasses.asdict(open_model(model, offline).check), as_json)


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
