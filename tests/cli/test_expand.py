"""Dataclasses of options become the options of a command, and come back as what they are."""

import inspect
from dataclasses import dataclass, field
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from pellucid.cli.expand import LAST, expanded


@dataclass(frozen=True, kw_only=True)
class Place:
    model: Annotated[str, typer.Option("--model", help="Which.")] = "small"
    quiet: Annotated[bool, typer.Option("--quiet")] = field(default=False, metadata={LAST: True})


@dataclass(frozen=True, kw_only=True)
class Size:
    wide: Annotated[int, typer.Option(min=1)]
    high: int = 2

    def __post_init__(self) -> None:
        if self.high > 9:
            raise typer.BadParameter("too high")


@expanded
def build(model: Place, colour: str = "red", *, size: Size) -> None:
    """Builds it."""
    typer.echo(f"{model.model} {model.quiet} {colour} {size.wide}x{size.high}")


def written(
    *,
    model: Annotated[str, typer.Option("--model", help="Which.", metavar="<model>")] = "small",
    colour: str = "red",
    wide: Annotated[int, typer.Option(min=1, metavar="<number>")],
    high: int = 2,
    quiet: Annotated[bool, typer.Option("--quiet")] = False,
) -> None:
    """Builds it."""


def app(command) -> typer.Typer:
    made = typer.Typer()
    made.command()(command)
    return made


def run(*words, command=build):
    return CliRunner().invoke(app(command), words, prog_name="build", env={"COLUMNS": "80"})


def test_the_help_is_that_of_a_function_with_every_option_written():
    assert list(inspect.signature(build).parameters) == list(inspect.signature(written).parameters)
    assert run("--help").output == run("--help", command=written).output
    assert "Builds it." in run("--help").output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--wide", "3"], "small False red 3x2"),
        (["--wide", "3", "--quiet", "--model", "big", "--high", "9"], "big True red 3x9"),
    ],
)
def test_values_arrive_in_their_dataclass(words, said):
    assert run(*words).output.strip() == said


@pytest.mark.parametrize("words", [[], ["--wide", "0"], ["--wide", "1", "--high", "10"]])
def test_what_is_missing_or_refused_exits_with_2(words):
    assert run(*words).exit_code == 2
