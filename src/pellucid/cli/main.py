"""The command line: data on stdout, progress on stderr, arguments checked before a model opens.

Exit codes: 0 ok, 1 failed, 2 usage, 3 a threshold was not met.
"""

import os
import sys
from typing import Annotated

import typer

from pellucid.cli.commands.analysis import analyze
from pellucid.cli.commands.causal import das, interchange
from pellucid.cli.commands.circuits import circuit
from pellucid.cli.commands.dictionary import dictionary
from pellucid.cli.commands.heads import attention, compose, roles
from pellucid.cli.commands.models import models
from pellucid.cli.commands.probing import probe
from pellucid.cli.commands.prompts import dla, lens, neurons, tokens
from pellucid.cli.commands.report import report
from pellucid.cli.commands.scores import ablate, attribute, edges, patch
from pellucid.cli.commands.serve import serve
from pellucid.cli.commands.steering import steer
from pellucid.cli.commands.study import study
from pellucid.cli.commands.writing import generate
from pellucid.cli.commands.zoo import zoo
from pellucid.cli.expand import expanded
from pellucid.cli.help import Group, add_command
from pellucid.cli.options import AsJson
from pellucid.cli.terminal import CannotPrintError, tell, tell_json
from pellucid.errors import BudgetError, EditError, PellucidError, TaskError

app = typer.Typer(
    cls=Group,
    help="Shows, with measured evidence, which parts of a language model produce a decision.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(models, name="models")
app.add_typer(zoo, name="zoo")
app.add_typer(dictionary, name="dictionary")
add_command(app, "analyze")(analyze)
add_command(app, "attribute")(attribute)
add_command(app, "patch")(patch)
add_command(app, "ablate")(ablate)
add_command(app, "edges")(edges)
add_command(app, "circuit")(circuit)
add_command(app, "lens")(lens)
add_command(app, "dla")(dla)
add_command(app, "neurons")(neurons)
add_command(app, "tokens")(tokens)
add_command(app, "attention")(attention)
add_command(app, "roles")(roles)
add_command(app, "compose")(compose)
add_command(app, "generate")(generate)
add_command(app, "probe")(probe)
add_command(app, "steer")(steer)
add_command(app, "interchange")(interchange)
add_command(app, "das")(das)
add_command(app, "study")(study)
add_command(app, "report")(report)
add_command(app, "app")(serve)


def main() -> None:
    """Run the command line; errors of our own become one message and exit code 1, or 2 (usage)."""
    try:
        app()
    except CannotPrintError as error:
        # What Python still holds for stdout goes nowhere when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        fail(error, code=1)
    except (TaskError, EditError, BudgetError) as error:
        fail(error, code=2)
    except PellucidError as error:
        fail(error, code=1)


def fail(error: Exception, *, code: int) -> None:
    """Say what went wrong, and leave."""
    tell(f"{type(error).__name__}: {error}", err=True)
    raise SystemExit(code)


def show_version(wanted: bool) -> bool:
    """Print the version and leave."""
    if wanted:
        from pellucid import __version__

        tell(f"pellucid {__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True)
    ] = False,
) -> None:
    """Options that come before any command."""


@add_command(app, "doctor")
@expanded
def doctor(as_json: AsJson = False) -> None:
    """Check this installation; exit code 1 if something is wrong."""
    from pellucid.cli.doctor import examine

    found = examine()
    if as_json:
        import dataclasses
        import json

        tell_json(json.dumps([dataclasses.asdict(one) for one in found], indent=1))
    for one in [] if as_json else found:
        tell(f"{one.status:8} {one.name}: {one.found}")
        if one.advice:
            tell(f"         {one.advice}")
    if any(one.status == "problem" for one in found):
        raise typer.Exit(1)
