"""Figures are written whole, as the same bytes each time, and touch nothing of the user's."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import matplotlib
import numpy as np
import pytest

from pellucid.errors import FigureError
from pellucid.figures.appearance.text import visible
from pellucid.figures.attention import attention
from pellucid.figures.bars import bars
from pellucid.figures.circuit import circuit
from pellucid.figures.curve import curve
from pellucid.figures.heatmap import heatmap
from pellucid.figures.layered import Vertex
from pellucid.figures.lens_grid import lens_grid
from pellucid.figures.lines import lines
from pellucid.figures.save import save
from pellucid.figures.scatter import scatter
from tests.figures.look import ODD, tokens

N = 12
NAMES = [visible(token) for token in tokens(N)]
GRID = np.random.default_rng(0).normal(size=(N, N))
FIGURES = {
    "heatmap": lambda: heatmap(
        np.where(GRID > 1, np.nan, GRID), title="T", rows=NAMES, columns=NAMES, label="$e_1$"
    ),
    "attention": lambda: attention(abs(GRID)[None], tokens=tokens(N), title="T"),
    "lens_grid": lambda: lens_grid(
        GRID, [ODD[:N]] * N, tokens=tokens(N), rows=[f"L{i}" for i in range(N)], title="T"
    ),
    "bars": lambda: bars(ODD[:N], GRID[0], title="T", label="effect"),
    "scatter": lambda: scatter(GRID[0], GRID[1], ODD[:N], title="T", labels=("x", "y")),
    "curve": lambda: curve([1, 2, 4], [0, 0.5, 1], title="T", bands={"r": ([2], [0], [0.2])}),
    "lines": lambda: lines(range(N), {"$a": GRID[0], "b_": GRID[1]}, title="T", labels=("x", "y")),
    "circuit": lambda: circuit(
        [Vertex(name="H", kind="head", layer=0, value=1.0), Vertex(name="M", kind="mlp", layer=0)],
        [("H", "M", 1.0)], title="T",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(FIGURES))
@pytest.mark.parametrize("ending", ["png", "svg"])
def test_equal_figures_are_equal_files_whatever_the_users_settings(kind, ending, tmp_path):
    first = save(FIGURES[kind](), tmp_path / f"a.{ending}").read_bytes()
    with matplotlib.rc_context({"font.size": 30, "axes.grid": True, "axes.facecolor": "red",
                                "text.parse_math": True, "svg.hashsalt": "other"}):  # fmt: skip
        before = matplotlib.rcParams.copy()
        second = save(FIGURES[kind](), tmp_path / f"b.{ending}").read_bytes()
        assert matplotlib.rcParams.copy() == before
    assert first == second


def test_threads_can_draw_at_once_and_leave_the_settings_alone():
    before = matplotlib.rcParams.copy()
    with ThreadPoolExecutor(4) as pool:
        figures = list(
            pool.map(lambda kind: FIGURES[kind](), ["bars", "curve", "lines", "bars"] * 3)
        )
    assert len(figures) == 12
    assert matplotlib.rcParams.copy() == before


def test_text_in_an_svg_is_text_without_a_date(tmp_path):
    svg = save(FIGURES["bars"](), tmp_path / "f.svg").read_text()
    for text in ("$x_1$", "שלום", "effect", "a_b^{c}", "DejaVu Sans"):
        assert text in svg
    assert "<dc:date>" not in svg


def test_a_figure_needs_neither_pyplot_nor_a_screen():
    code = (
        "import sys, matplotlib\n"
        "before = matplotlib.rcParams.copy()\n"
        "from pellucid.figures.heatmap import heatmap\n"
        "heatmap([[1.0]], title='', rows=['a'], columns=['b'], label='')\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert 'torch' not in sys.modules\n"
        "assert matplotlib.rcParams.copy() == before\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


@pytest.mark.parametrize("name", ["figure.pdf", "figure", "figure.png.txt"])
def test_any_other_ending_is_refused(name, tmp_path):
    with pytest.raises(FigureError, match=r"written as \.png or \.svg"):
        save(FIGURES["curve"](), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_folders_are_made_and_an_old_file_is_replaced(tmp_path):
    target = tmp_path / "new" / "Figure.PNG"
    for _ in range(2):
        assert save(FIGURES["curve"](), target) == target
    assert target.read_bytes().startswith(b"\x89PNG")
    assert save(FIGURES["curve"](), tmp_path / "a" / "b" / "f.svg").is_file()
    assert list(target.parent.iterdir()) == [target]


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path):
    taken = tmp_path / "taken.png"
    taken.mkdir()
    with pytest.raises(FigureError, match=r"Cannot write|no ordinary file"):
        save(FIGURES["curve"](), taken)
    assert list(tmp_path.iterdir()) == [taken]
    (tmp_path / "file").touch()
    with pytest.raises(FigureError, match=r"Cannot write|no ordinary file"):
        save(FIGURES["curve"](), tmp_path / "file" / "f.png")
