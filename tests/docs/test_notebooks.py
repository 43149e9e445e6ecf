"""The walkthrough runs, its notebook is made from it, and its text says what it finds."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
SCRIPT = FOLDER / "ioi_walkthrough.py"
NUMBER = re.compile(r"[-+]?\d+\.\d+(?![\de])")


@pytest.fixture(scope="module")
def make():
    spec = importlib.util.spec_from_file_location("make_notebook", FOLDER / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def committed() -> list[dict]:
    return json.loads(SCRIPT.with_suffix(".ipynb").read_text())["cells"]


@pytest.fixture(scope="module")
def made(smol, tmp_path_factory) -> list[dict]:
    """The notebook made anew, in a real Jupyter kernel."""
    target = tmp_path_factory.mktemp("walkthrough") / "made.ipynb"
    run = subprocess.run(
        [sys.executable, FOLDER / "make.py", SCRIPT, target], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return json.loads(target.read_text())["cells"]


def printed(cells: list[dict]) -> list[float]:
    """Every decimal number in what the cells printed, but the sizes of rounding errors."""
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    text = "".join("".join(output.get("text", ())) for output in outputs)
    return [float(number) for number in NUMBER.findall(text)]


def test_the_notebook_has_the_cells_of_its_script(make, committed):
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in committed]
    book = make.cells_of(SCRIPT.read_text())
    assert cells == [(cell.cell_type, cell.source) for cell in book.cells]


@pytest.mark.smol
def test_the_walkthrough_finds_what_its_notebook_shows(made, committed):
    assert printed(made) == pytest.approx(printed(committed), rel=0.02, abs=0.02)


@pytest.mark.smol
@pytest.mark.parametrize("which", ["made", "committed"])
def test_jupyter_shows_seven_figures_without_magic(which, request):
    cells = request.getfixturevalue(which)
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 7


def test_what_the_text_says_was_found_was_printed(committed):
    numbers = [abs(number) for number in printed(committed)]
    said = []
    for cell in committed:
        if cell["cell_type"] == "markdown":
            paragraphs = "".join(cell["source"]).split("\n\n")
            found = [text for text in paragraphs if text.startswith("**Found.**")]
            said += [number for text in found for number in NUMBER.findall(text)]
    assert len(said) > 25
    for number in said:
        rounding = 0.5 * 10.0 ** -len(number.partition(".")[2]) + 0.005
        assert any(abs(abs(float(number)) - other) <= rounding for other in numbers), number
