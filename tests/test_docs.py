"""Every code block in the README and the docs runs; what it names exists."""

import re
import shlex
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pellucid.cli import app

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[tuple[str, str]]:
    return [
        (page.name, code)
        for page in PAGES
        for found, code in BLOCK.findall(page.read_text())
        if found == language
    ]


def test_every_block_is_of_a_kind_that_is_run():
    kinds = {kind for page in PAGES for kind, _ in BLOCK.findall(page.read_text())}
    assert kinds <= {"python", "bash", "text"}


@pytest.mark.smol
@pytest.mark.parametrize(("page", "code"), blocks("python"))
def test_python_blocks_run(page: str, code: str, smol, capsys):
    exec(compile(code, page, "exec"), {"__name__": "block"})


@pytest.mark.parametrize(("page", "code"), blocks("bash"))
def test_commands_exist_with_the_options_shown(page: str, code: str):
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["make"]:
            assert words[1] in targets
        elif words[:1] == ["pellucid"]:
            # Usage is checked before the model is looked for, so a bad option would exit with 2.
            result = CliRunner().invoke(app, words[1:])
            assert result.exit_code != 2, result.output
        else:
            assert words[:2] == ["pip", "install"], line


def test_the_python_that_runs_is_one_that_is_promised():
    assert sys.version_info >= (3, 11)
