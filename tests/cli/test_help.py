"""Help at 80 columns: whole words, no types of Python, an example that can be typed."""

import re
import shlex

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from pellucid.cli.help import COMMAND_EXAMPLES as EXAMPLES
from pellucid.cli.main import app

COMMANDS = [*EXAMPLES, "", "models", "zoo", "dictionary"]


def shown(command: str) -> str:
    done = CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "80"})
    assert done.exit_code == 0
    return done.output


def parsed(name: str):
    """The command of that name."""
    found = get_command(app)
    for word in name.split():
        found = found.commands[word]
    return found


def test_every_command_has_an_example():
    top = get_command(app).commands
    groups = {name: one.commands for name, one in top.items() if hasattr(one, "commands")}
    below = {f"{group} {name}" for group, commands in groups.items() for name in commands}
    assert set(EXAMPLES) == set(top) - set(groups) | below


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_and_breaks_no_word(name):
    text = shown(name)
    assert max(map(len, text.splitlines())) <= 80
    assert not set(re.findall(r"<(?:bool|str|int|float|path)>", text))
    assert not set(re.findall(r" (?:TEXT|PATH|NUMBER|CHOICE|INTEGER|FLOAT)", text))
    words = set(re.findall(r"[\w*+-]+", text))
    for parameter in parsed(name).params:
        told = re.findall(r"[\w*+-]+", getattr(parameter, "help", None) or "")
        assert set(told) <= words, parameter.name


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_is_what_the_command_takes(name):
    assert " ".join(f"Example: pellucid {name}".split()) in " ".join(shown(name).split())
    typed = shlex.split(EXAMPLES[name])
    parsed(name).make_context(name, typed)  # parses, and runs nothing


def test_options_stand_in_groups():
    text = shown("analyze")
    places = [text.index(f"─ {panel} ─") for panel in ("Question", "Model", "Output")]
    assert places == sorted(places)
    assert text.index("--dtype") > places[1] > text.index("--answer")
