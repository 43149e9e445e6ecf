"""`pellucid models`: which models can be opened, and what is in them."""

import dataclasses

import typer

from pellucid.cli.options import AsJson, ModelArgument, ModelOption, Offline, one_model
from pellucid.cli.terminal import open_model, show_mapping

models = typer.Typer(help="Which models can be opened, and what is in them.", no_args_is_help=True)


@models.command("list")
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


@models.command()
def describe(
    source: ModelArgument = None,
    model: ModelOption = None,
    as_json: AsJson = False,
    offline: Offline = False,
) -> None:
    """Sizes, tokenizer, dtype and weight hash of a model."""
    show_mapping(open_model(one_model(source, model), offline).describe(), as_json)


@models.command()
def check(
    source: ModelArgument = None,
    model: ModelOption = None,
    as_json: AsJson = False,
    offline: Offline = False,
) -> None:
    """Prove again that the model's parts add up."""
    opened = open_model(one_model(source, model), offline)
    show_mapping(dataclasses.asdict(opened.check), as_json)
