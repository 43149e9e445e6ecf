"""Every block of the README and the docs runs, page by page, and prints what is shown."""

import re
import shlex
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pellucid.cli.main import app
from tests.docs.pages import PAGES, ROOT, Block, blocks, named, same_output

RUN = {"python", "bash"}
SOMEBODYS_OWN = "./my-model"
"""Stands for a model of the reader's: such a command is checked, and cannot be run."""


@pytest.fixture
def one_model(smol, monkeypatch):
    """Every page that opens the default model gets the one that is open already."""
    import pellucid
    from pellucid.model.opening import load as opening

    really = opening.load

    def load(source=None, *, dtype=None, device=None, **others):
        default = source in (None, "smollm2-135m") and dtype in (None, "float32")
        if default and device is None:
            return smol
        return really(source, dtype=dtype, device=device, **others)

    monkeypatch.setattr(opening, "load", load)
    monkeypatch.setattr(pellucid, "load", load, raising=False)


def runs(page: Path) -> bool:
    return any(block.kind in RUN for block in blocks(page))


def test_every_block_is_of_a_kind_that_is_run_or_is_plain():
    assert {block.kind for page in PAGES for block in blocks(page)} <= {*RUN, "csv", "text", ""}
    # Indented fences would be shown, and seen by no test.
    assert not [page for page in PAGES if re.search(r"^[ \t]+```", page.read_text(), re.MULTILINE)]


@pytest.mark.smol
@pytest.mark.parametrize("page", [page for page in PAGES if runs(page)], ids=named)
def test_the_blocks_of_a_page_run_and_print_what_is_shown(
    page: Path, one_model, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page"}
    for block in blocks(page):
        where = f"{named(page)}:{block.line}"
        if block.kind == "csv":
            (tmp_path / block.title).write_text(block.code)
        elif block.kind == "python":
            printed = run_python(block, names)
        elif block.kind == "bash":
            printed = "".join(map(run_command, commands(block)))
        if block.kind in RUN and block.prints is not None:
            assert same_output(block.prints, printed), f"{where} printed\n{printed}"


def run_python(block: Block, names: dict) -> str:
    # Empty lines in front, so that an error names the line of the page.
    source = "\n" * (block.line - 1) + block.code
    with redirect_stdout(StringIO()) as out:
        exec(compile(source, named(block.page), "exec"), names)
    return out.getvalue()


def commands(block: Block) -> list[list[str]]:
    lines = block.code.replace("\\\n", " ").splitlines()
    return [words for words in (shlex.split(line, comments=True) for line in lines) if words]


def run_command(words: list[str]) -> str:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    if words[0] == "make":
        assert words[1] in targets
    elif words[0] == "pip":
        assert words[1] == "install"
    else:
        assert words[0] == "pellucid", words
        return run_pellucid(words[1:])
    return ""


def run_pellucid(arguments: list[str]) -> str:
    if arguments[0] == "app":  # which serves until it is stopped; tests/app runs it
        arguments = [*arguments, "--help"]
    result = CliRunner().invoke(app, arguments)
    if SOMEBODYS_OWN in arguments:
        assert type(result.exception).__name__ == "ModelNotFoundError"
    elif arguments[0] != "doctor":  # whose exit code is about this machine
        assert result.exit_code == 0, f"{arguments}: {result.output}{result.exception!r}"
    return result.stdout


def test_the_python_that_runs_is_one_that_is_promised():
    assert sys.version_info >= (3, 11)


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("L9H6 +1.234 of 2.5", "L9H6  +1.236  of 2.5", True),
        ("L9H6 +1.234", "L9H7 +1.234", False),
        ("effect +1.2", "effect -1.2", False),
        ("92% a", "93% a", True),
        ("20 forwards", "21 forwards", False),
        ("a\n...\nz", "a\nb\nc\nz", True),
        ("a\n...\nz", "a\nb\nc\ny", False),
        ("a\n...", "a", True),
    ],
)
def test_output_is_compared_word_by_word_and_number_by_number(shown, printed, same):
    assert same_output(shown, printed) is same
