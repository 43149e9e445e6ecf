"""The walkthrough runs, its notebook is made from it, and its text says what it finds."""

import importlib.util
import json
import re
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
def made(make, smol, tmp_path_factory):
    """The notebook made anew, and the folder in which its script ran."""
    place = tmp_path_factory.mktemp("walkthrough")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        return make.notebook(SCRIPT.read_text())["cells"], place


def printed(cells: list[dict]) -> list[float]:
    """Every decimal number in what the cells printed, but the sizes of rounding errors."""
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    text = "".join("".join(output.get("text", ())) for output in outputs)
    return [float(number) for number in NUMBER.findall(text)]


def test_the_notebook_has_the_cells_of_its_script(make, committed):
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in committed]
    assert cells == [(cell.kind, cell.source) for cell in make.cells_of(SCRIPT.read_text())]


def test_text_and_code_are_told_apart(make):
    cells = make.cells_of("# %% [markdown]\n# # Title\n#\n# text\n\n# %%\nx = 1\n\nx\n")
    assert [(cell.kind, cell.source) for cell in cells] == [
        ("markdown", "# Title\n\ntext"),
        ("code", "x = 1\n\nx"),
    ]


def test_a_cell_puts_out_what_it_prints_and_its_last_picture(make):
    class Picture:
        def _repr_png_(self):
            return b"png"

    cell = make.Cell("code", "print(1)\nprint(2)\npicture")
    text, picture = make.run(cell, {"picture": Picture()})
    assert text["text"] == ["1\n", "2\n"]
    assert picture["data"] == {"image/png": "cG5n"}
    assert make.run(make.Cell("code", "x = 1"), {}) == []


@pytest.mark.smol
def test_the_walkthrough_finds_what_its_notebook_shows(made, committed):
    assert printed(made[0]) == pytest.approx(printed(committed), rel=0.02, abs=0.02)


@pytest.mark.smol
def test_the_walkthrough_writes_seven_figures(made):
    files = sorted(path.name for path in (made[1] / "ioi_figures").iterdir())
    assert [name[0] for name in files] == list("1234567")
    pictures = [o for cell in made[0] for o in cell.get("outputs", ()) if "data" in o]
    assert len(pictures) == 7


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
