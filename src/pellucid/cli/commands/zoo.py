"""`pellucid zoo`: methods scored on models whose circuit is known."""

import json
from pathlib import Path
from typing import Annotated

import typer

from pellucid import options
from pellucid.cli.expand import expanded, option
from pellucid.cli.help import Group, add_command
from pellucid.cli.options import AsJson, ModelSource, OutputOptions, checked
from pellucid.cli.terminal import open_model, progress, show, tell, tell_json
from pellucid.results.disk.files import demand_file, write_file

zoo = typer.Typer(
    cls=Group, help="Methods scored on small models whose circuit is known.", no_args_is_help=True
)
Models = Annotated[
    list[str] | None,
    option("As 'induction/*' or '*@llama'; repeatable.", "--models", metavar="<pattern>"),
]


@add_command(zoo, "zoo list")
@expanded
def list_models(models: Models = None, as_json: AsJson = False) -> None:
    """Names of the models, and what they do."""
    from pellucid.zoo import about, names

    rows = {name: about(name) for name in names(models or "*")}
    if as_json:
        tell_json(json.dumps(rows, indent=1))
        return
    width = max(map(len, rows))
    for name, text in rows.items():
        tell(f"{name:{width}}  {text}")


@add_command(zoo, "zoo certify")
@expanded
def certify(models: Models = None, as_json: AsJson = False) -> None:
    """Enumerate what matters in each model; exit code 4 if one is not what it is said to be."""
    from pellucid.zoo import certify as enumerate_edges
    from pellucid.zoo import names, specimen

    wrong = False
    for name in names(models or "*"):
        with progress(f"Certifying {name}"):
            found = enumerate_edges(specimen(name))
        show(found, str(found), as_json=as_json)
        wrong |= bool(found.wrong)
    if wrong:
        raise typer.Exit(4)


@add_command(zoo, "zoo run")
@expanded
def run(
    method: Annotated[list[str] | None, option("As of attribute_edges; repeatable.")] = None,
    models: Models = None,
    null_tests: Annotated[
        int, option("Questions to each model without a circuit; 0 for none.", min=0)
    ] = options.NULL_TESTS,
    real: Annotated[
        bool, option("Estimates of nodes on a real model instead, against exact effects.", "--real")
    ] = False,
    model: ModelSource = options.MODEL,
    *,
    output: OutputOptions,
    write: Annotated[Path | None, option("Write the tables of all methods as Markdown.")] = None,
) -> None:
    """Score methods: how far up each puts the edges that matter."""
    if real:
        if models or write is not None:
            raise typer.BadParameter(
                "--real scores one real model: leave --models and --write out."
            )
        _run_real(model, method, output)
        return
    if write is not None:
        checked("--write", write, demand_file)
    from pellucid.zoo import METHODS, page
    from pellucid.zoo import run as score

    with progress("Scoring"):
        result = score(method or METHODS, models=models or "*", null_tests=null_tests)
    if write is not None:
        write_file(write, page(result))
        tell(f"Written to {write}", err=True)
    output.show(result, str(result))


def _run_real(source: str, methods: list[str] | None, output: OutputOptions) -> None:
    """Estimates of nodes against exact effects."""
    from pellucid.zoo.real import NODE_BUDGETS, run_real

    for name in methods or ():
        if name not in NODE_BUDGETS:
            raise typer.BadParameter(
                f"--method {name}: with --real choose from {', '.join(NODE_BUDGETS)}."
            )
    model = open_model(source, False)
    with progress("Scoring"):
        result = run_real(model, methods or tuple(NODE_BUDGETS))
    output.show(result, str(result))
