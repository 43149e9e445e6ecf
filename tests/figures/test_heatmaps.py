"""Heat maps, attention and lens grids show their numbers where and as they should."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from pellucid.errors import FigureError
from pellucid.figures.appearance import palette
from pellucid.figures.appearance.text import visible
from pellucid.figures.attention import attention
from pellucid.figures.heatmap import heatmap
from pellucid.figures.lens_grid import lens_grid
from tests.figures.look import (
    ODD,
    assert_nothing_is_clipped,
    assert_ticks_do_not_overlap,
    pixel_at,
    said,
    tokens,
)


def plain(values, **given):
    rows, columns = np.shape(values)
    names = {
        "rows": [f"L{i}" for i in range(rows)],
        "columns": [f"H{i}" for i in range(columns)],
    }
    return heatmap(values, title="Effects", label="effect", **names | given)


def test_positive_cells_are_blue_and_negative_orange_with_the_first_row_on_top():
    figure = plain([[3.0, -3.0], [0.0, 1.0]])
    (panel,) = figure.axes
    assert panel.yaxis_inverted()
    at = {(row, column): pixel_at(figure, panel, column + 0.2, row + 0.2)
          for row in (0, 1) for column in (0, 1)}  # fmt: skip
    np.testing.assert_allclose(at[0, 0], to_rgb(palette.DIVERGING[-1]), atol=0.01)
    np.testing.assert_allclose(at[0, 1], to_rgb(palette.DIVERGING[0]), atol=0.01)
    np.testing.assert_allclose(at[1, 0], to_rgb(palette.NEUTRAL), atol=0.01)
    assert at[1, 1][2] > at[1, 1][0]


def test_the_legend_is_symmetric_and_says_that_positive_supports_the_answer():
    figure = plain([[0.5, -4.0]])
    (image,) = figure.axes[0].images
    assert image.get_clim() == (-4.0, 4.0)
    assert "positive supports the answer" in said(figure)
    bar = image.colorbar
    assert bar.ax.get_ylim() == (-4.0, 4.0)
    upper, lower = (pixel_at(figure, bar.ax, 0.5, value) for value in (3.9, -3.9))
    assert upper[2] > upper[0]
    assert lower[2] < lower[0]


def test_what_is_not_there_is_hatched_and_zero_is_not():
    figure = plain([[np.nan, 0.0], [1.0, -1.0]])
    (panel,) = figure.axes
    assert panel.images[0].get_array().mask.tolist() == [[True, False], [False, False]]
    assert panel.patch.get_hatch()
    assert to_rgb(panel.patch.get_facecolor()) != to_rgb(palette.NEUTRAL)
    # Under the hatching the first cell is grey; the second is the neutral colour.
    absent, zero = (pixel_at(figure, panel, x, 0.3) for x in (0.0, 1.0))
    assert abs(absent - zero).max() > 0.05
    assert "hatched: not there" in said(figure)
    assert "hatched" not in said(plain([[0.0, 1.0]]))


@pytest.mark.parametrize("values", [[[0.0]], [[np.nan]], [[0.0, np.nan]]])
def test_nothing_but_zeros_or_gaps_can_be_drawn(values):
    figure = plain(values)
    assert figure.axes[0].images[0].get_clim() == (-1.0, 1.0)


def test_cells_are_framed():
    figure = plain(np.eye(3), highlight=[(0, 2)])
    (frame,) = figure.axes[0].patches
    assert frame.get_xy() == (1.5, -0.5)
    assert not frame.get_fill()


@pytest.mark.parametrize("shape", [(1, 1), (12, 12), (30, 9), (30, 60), (2, 400), (200, 3)])
def test_labels_neither_overlap_nor_are_clipped(shape):
    columns = [visible(token) for token in tokens(shape[1])]
    figure = plain(np.random.default_rng(0).normal(size=shape), columns=columns)
    assert_nothing_is_clipped(figure)
    assert_ticks_do_not_overlap(figure.axes[0])


def test_sixty_tokens_are_all_named():
    names = [visible(token) for token in tokens(60)]
    figure = plain(np.zeros((30, 60)), columns=names)
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == names


@pytest.mark.parametrize(
    ("values", "given", "message"),
    [
        ([1.0, 2.0], {"rows": ["a"], "columns": ["b"]}, r"axes \[row column\].*shape is \[2\]"),
        (np.zeros((0, 3)), {}, r"none empty; its shape is \[0, 3\]"),
        ([[1.0, 2.0]], {"columns": ["only one"]}, "columns has 1 entries for 2"),
        ([[np.inf]], {}, "infinity"),
        ([["a"]], {}, "must be numbers"),
        ([[-1.0]], {"scale": "sequential"}, "smallest value is -1"),
        ([[1.0]], {"scale": "rainbow"}, "choose one of \\('diverging', 'signed'"),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_name(values, given, message):
    with pytest.raises(FigureError, match=message):
        plain(np.asarray(values), **given) if np.ndim(values) == 2 else heatmap(
            values, title="", label="", **given
        )


def causal(heads: int, length: int) -> np.ndarray:
    weights = np.random.default_rng(1).random((heads, length, length)) * np.tri(length)
    return weights / weights.sum(-1, keepdims=True)


@pytest.mark.parametrize(("heads", "length"), [(1, 12), (9, 15), (4, 60)])
def test_attention_names_every_token_and_leaves_the_future_blank(heads, length):
    names = [f"L9H{i}" for i in range(heads)]
    figure = attention(causal(heads, length), tokens=tokens(length), title="", heads=names)
    panels = [panel for panel in figure.axes if panel.images]
    assert [panel.get_title(loc="left") for panel in panels] == names
    shown = [visible(token) for token in tokens(length)]
    assert [label.get_text() for label in panels[0].get_yticklabels()] == shown
    later = np.triu(np.ones((length, length), bool), 1)
    for panel in panels:
        np.testing.assert_array_equal(panel.images[0].get_array().mask, later)
        assert panel.images[0].get_clim() == (0.0, causal(heads, length).max())
    assert_nothing_is_clipped(figure)
    assert_ticks_do_not_overlap(panels[0])


def test_attention_to_later_tokens_is_shown_where_there_is_any():
    figure = attention(np.full((1, 3, 3), 1 / 3), tokens=list("abc"), title="")
    assert not figure.axes[0].images[0].get_array().mask.any()


def test_attention_must_not_be_negative_and_needs_a_name_for_each_position():
    with pytest.raises(FigureError, match="smallest value is -1"):
        attention(-causal(1, 3), tokens=list("abc"), title="")
    with pytest.raises(FigureError, match="tokens has 2 entries for 3 positions"):
        attention(causal(1, 3), tokens=list("ab"), title="")


@pytest.mark.parametrize("shape", [(31, 15), (13, 60)])
def test_a_lens_grid_writes_the_token_of_each_cell_in_it(shape):
    rows, columns = shape
    inside = [[ODD[(i + j) % len(ODD)] for j in range(columns)] for i in range(rows)]
    values = np.random.default_rng(2).random(shape)
    figure = lens_grid(
        values, inside, tokens=tokens(columns), rows=[f"L{i}" for i in range(rows)], title=""
    )
    (panel,) = figure.axes
    written = {text.get_position(): text for text in panel.texts}
    assert len(written) == rows * columns
    assert written[3, 5].get_text() == visible(inside[5][3], 8 if columns > 24 else 10)
    cell = panel.bbox.width / columns
    assert max(text.get_window_extent().width for text in panel.texts) < cell
    assert_nothing_is_clipped(figure)


def test_a_lens_grid_of_differences_is_centred_on_zero():
    figure = lens_grid(
        [[-1.0, 3.0]], [["a", "b"]], tokens=["x", "y"], rows=["L0"], title="", label="difference"
    )
    assert figure.axes[0].images[0].get_clim() == (-3.0, 3.0)
    assert palette.MEANING in said(figure)


def test_a_lens_grid_needs_a_text_for_each_cell():
    with pytest.raises(FigureError, match="a line of texts has 1 entries for 2 positions"):
        lens_grid([[1.0, 2.0]], [["a"]], tokens=["x", "y"], rows=["L0"], title="")
