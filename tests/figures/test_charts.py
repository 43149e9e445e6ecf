"""Bars, scatter, curve and lines draw the numbers they are given."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text

from pellucid.errors import FigureError
from pellucid.figures.appearance import palette
from pellucid.figures.bars import bars
from pellucid.figures.curve import curve, middle
from pellucid.figures.lines import lines
from pellucid.figures.scatter import scatter
from tests.figures.look import ODD, assert_nothing_is_clipped, assert_ticks_do_not_overlap, said


def test_bars_are_sorted_and_coloured_by_sign_with_their_intervals():
    figure = bars(
        ["a", "b", "c"], [-1.0, 2.0, np.nan], title="", label="share",
        intervals=[[-2, 0], [1, 3], [0, 0]],
    )  # fmt: skip
    (panel,) = figure.axes
    assert [(bar.get_width(), to_hex(bar.get_facecolor())) for bar in panel.patches] == [
        (2.0, palette.POSITIVE),
        (-1.0, palette.NEGATIVE),
    ]
    assert [label.get_text() for label in panel.get_yticklabels()] == ["b", "a"]
    ends = [segment[:, 0].tolist() for segment in panel.collections[0].get_segments()]
    assert ends == [[1, 3], [-2, 0]]
    assert panel.yaxis_inverted()
    assert "positive supports the answer" in said(figure)
    assert "1 not there, left out" in said(figure)


@pytest.mark.parametrize(
    ("names", "intervals", "message"),
    [
        (["a"], None, "names has 1 entries for 2 values"),
        (["a", "b"], [[0, 1]], "intervals has 1 entries for 2 values"),
        (["a", "b"], [[0, 1, 2]] * 2, "each interval has 3 entries"),
    ],
)
def test_bars_refuse_what_does_not_match(names, intervals, message):
    with pytest.raises(FigureError, match=message):
        bars(names, [1.0, 2.0], title="", label="", intervals=intervals)


def test_a_scatter_names_the_points_farthest_from_the_line_and_the_highest():
    x = np.arange(10.0)
    y = x + np.where(x == 3, 5, 0) - np.where(x == 7, 4, 0)
    figure = scatter(
        x, y, [f"L{i}" for i in range(10)], title="", labels=("share", "effect"), outliers=2,
        note="Spearman 0.80",
    )  # fmt: skip
    (panel,) = figure.axes
    assert [text.get_text() for text in panel.texts] == ["L3", "L7", "L9"]
    assert panel.get_xlim() == panel.get_ylim()
    assert panel.get_xlabel() == "share"
    assert "Spearman 0.80" in said(figure)


def test_names_in_a_scatter_neither_overlap_nor_leave_it():
    rng = np.random.default_rng(0)
    x = rng.normal(size=100) * 0.1
    figure = scatter(
        x, x + rng.normal(size=100), [f"L{i}H{i % 12}" for i in range(100)], title="",
        labels=("x", "y"), outliers=12,
    )  # fmt: skip
    # An annotation's own extent holds its leader line too.
    boxes = [Text.get_window_extent(text) for text in figure.axes[0].texts]
    for index, box in enumerate(boxes):
        assert not any(box.padded(-0.5).overlaps(other) for other in boxes[:index])
    assert_nothing_is_clipped(figure)


def test_a_scatter_needs_a_point_and_lists_of_one_length():
    with pytest.raises(FigureError, match="no point where both"):
        scatter([np.nan], [1.0], ["a"], title="", labels=("", ""))
    with pytest.raises(FigureError, match="y has 1 entries for 2"):
        scatter([1.0, 2.0], [1.0], ["a", "b"], title="", labels=("", ""))


SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 270]


def test_the_curve_shows_values_target_circuit_and_random_sets():
    figure = curve(
        SIZES, np.linspace(0, 1, 10), title="Faithfulness", target=0.85,
        bands={"random": (SIZES, [0.0] * 10, [1.0] * 10), "in each layer": middle(27, [0.0, 1.0])},
        marks={"circuit": (27, 0.9)},
    )  # fmt: skip
    (panel,) = figure.axes
    drawn = {line.get_label(): line.get_xydata().tolist() for line in panel.lines}
    assert drawn["highest ranked first"][-1] == [270, 1]
    assert drawn["circuit"] == [[27, 0.9]]
    assert drawn["target 0.85"] == [[0, 0.85], [1, 0.85]]
    names = {text.get_text() for text in panel.get_legend().get_texts()}
    assert {"random", "in each layer", "circuit", "target 0.85"} <= names
    assert panel.get_xscale() == "log"
    assert_nothing_is_clipped(figure)
    assert_ticks_do_not_overlap(panel)
    ticks = [label.get_text() for label in panel.get_xticklabels()]
    assert (ticks[0], ticks[-1]) == ("1", "270")


def test_the_middle_of_random_sets_is_their_5th_to_95th_percentile():
    assert middle(27, range(101)) == ([27], [5.0], [95.0])


def test_a_curve_may_be_only_a_mark_and_must_be_something():
    figure = curve([], [], title="", marks={"circuit": (3, 0.5)})
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["3"]
    with pytest.raises(FigureError, match="nothing to draw"):
        curve([], [], title="")


def test_size_zero_has_no_place_on_a_log_axis():
    with pytest.raises(FigureError, match="axis='linear'"):
        curve([0, 1], [0, 1], title="")
    assert curve([0, 1], [0, 1], title="", axis="linear").axes[0].get_xscale() == "linear"
    with pytest.raises(FigureError, match="choose 'log' or 'linear'"):
        curve([1], [1], title="", axis="cubic")


def test_lines_are_told_apart_by_more_than_colour():
    figure = lines(
        range(4), {name: np.arange(4.0) + i for i, name in enumerate("abc")}, title="",
        labels=("position", "loss (nats)"), marks={"second half": 2},
    )  # fmt: skip
    (panel,) = figure.axes
    named = [line for line in panel.lines if line.get_label() in "abc"]
    assert len({line.get_color() for line in named}) == 3
    assert len({str(line.get_linestyle()) + str(line._dash_pattern) for line in named}) == 3
    assert "second half" in said(figure)
    assert_nothing_is_clipped(figure)


def test_lines_refuse_what_does_not_match():
    with pytest.raises(FigureError, match="series is empty"):
        lines([1], {}, title="", labels=("", ""))
    with pytest.raises(FigureError, match="series 'a' has 2 entries for 1"):
        lines([1], {"a": [1, 2]}, title="", labels=("", ""))


def test_names_may_hold_anything():
    values = np.arange(float(len(ODD)))
    assert_nothing_is_clipped(bars(ODD, values, title="$a_b$ 😀", label="$"))
    assert_nothing_is_clipped(scatter(values, -values, ODD, title="漢", labels=("$x$", "_")))
    assert_nothing_is_clipped(lines([1, 2], {t: [1, 2] for t in ODD}, title="", labels=("$", "$")))
