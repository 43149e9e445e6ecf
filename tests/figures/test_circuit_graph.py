"""The graph of a circuit: layers upwards, boxes apart, edges by weight and sign."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.patches import PathPatch

from pellucid.errors import FigureError
from pellucid.figures.appearance import palette
from pellucid.figures.circuit import circuit
from pellucid.figures.layered import Room, Vertex, _apart, _hidden, resolve, route, rows_of, stand
from tests.figures.look import assert_nothing_is_clipped, said

ENDS = [Vertex(name="embed", kind="embed"), Vertex(name="logits", kind="logits")]
ROOM = Room(box=(0.5, 0.24))


def head(layer: int, number: int, value: float | None = None) -> Vertex:
    return Vertex(name=f"L{layer}H{number}", kind="head", layer=layer, value=value)


def mlp(layer: int) -> Vertex:
    return Vertex(name=f"M{layer}", kind="mlp", layer=layer)


def large(seed: int) -> tuple[list[Vertex], list[tuple[str, str, float]]]:
    """40 parts and 120 edges."""
    rng = np.random.default_rng(seed)
    heads = {(int(i) // 12, int(i) % 12) for i in rng.choice(144, 30, replace=False)}
    vertices = [*ENDS, *(head(*place) for place in heads), *(mlp(layer) for layer in range(8))]
    height = {v.name: i for i, row in enumerate(rows_of(vertices)) for v in row}
    pairs = [(a, b) for a in height for b in height if height[a] < height[b]]
    chosen = rng.choice(len(pairs), 120, replace=False)
    return vertices, [(*pairs[i], float(rng.normal())) for i in chosen]


def test_rows_go_from_the_embedding_up_through_heads_and_mlps_to_the_logits():
    rows = rows_of([*ENDS, mlp(3), head(3, 10), head(3, 2), head(0, 1)])
    names = [[vertex.name for vertex in row] for row in rows]
    assert names == [["embed"], ["L0H1"], ["L3H2", "L3H10"], ["M3"], ["logits"]]


@pytest.mark.parametrize("seed", range(4))
def test_boxes_of_a_row_never_overlap_and_heights_follow_the_rows(seed):
    vertices, edges = large(seed)
    rows = rows_of(vertices)
    places = stand(rows, edges, ROOM)
    for height, row in enumerate(rows):
        xs = sorted(places[vertex.name][0] for vertex in row)
        assert all(np.diff(xs) >= ROOM.pitch - 1e-9)
        assert {places[vertex.name][1] for vertex in row} == {height * ROOM.row}


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=12))
def test_boxes_pushed_apart_keep_their_order_and_stay_where_they_fit(wanted):
    half = 8.0
    placed = _apart(wanted, 0.8, half)
    order = np.argsort(wanted, kind="stable")
    assert (np.diff(placed[order]) >= 0.8 - 1e-9).all()
    assert np.abs(placed).max() <= half
    if len(wanted) == 1 or np.diff(np.sort(wanted)).min() >= 0.8:
        np.testing.assert_allclose(placed, wanted, atol=1e-9)


def test_an_edge_is_straight_unless_a_box_is_in_its_way():
    begin, end = (0.0, 0.1), (0.0, 2.0)
    free = route(begin, end, np.array([[3.0, 1.0]]), ROOM)
    assert free[:, 0].tolist() == [0, 0, 0, 0]
    box = np.array([[0.0, 1.0]])
    around = route(begin, end, box, ROOM)
    assert _hidden(free, box, ROOM) == 1
    assert _hidden(around, box, ROOM) == 0
    np.testing.assert_allclose(around[[0, 3]], [begin, end])


def test_edges_have_the_colour_of_their_sign_and_the_width_of_their_weight():
    edges = [("embed", "L0H1.q", 1.0), ("L0H1", "logits", -2.0)]
    figure = circuit([*ENDS, head(0, 1)], edges, title="", edge_label="estimate")
    lines = {
        to_hex(p.get_edgecolor()): p.get_linewidth()
        for p in figure.axes[0].patches
        if type(p) is PathPatch
    }
    assert set(lines) == {palette.POSITIVE, palette.NEGATIVE}
    assert lines[palette.NEGATIVE] > lines[palette.POSITIVE]
    assert "the widest is -2" in said(figure)
    assert "positive and supports the answer" in said(figure)
    assert "q (left)" in said(figure)


def test_boxes_are_coloured_by_value_and_the_legend_says_what_positive_means():
    figure = circuit([head(0, 1, 2.0), head(1, 1, -2.0), mlp(1)], title="", label="drop")
    faces = [to_hex(p.get_facecolor()) for p in figure.axes[0].patches if p.get_fill()][-3:]
    assert faces == [palette.DIVERGING[-1], palette.DIVERGING[0], "#ffffff"]
    assert "drop positive supports the answer" in said(figure)


@pytest.mark.parametrize("seed", range(2))
def test_a_large_circuit_is_drawn_whole(seed):
    figure = circuit(*large(seed), title="A circuit of 40 parts")
    assert_nothing_is_clipped(figure)
    names = [text.get_window_extent() for text in figure.axes[0].texts]
    assert not any(a.overlaps(b) for i, a in enumerate(names) for b in names[:i])


def test_an_edge_enters_the_slot_it_names():
    rows = rows_of([*ENDS, head(0, 1)])
    found = resolve([("embed", "L0H1.k", 1.0), ("embed", "L0H1", 2.0)], rows)
    by_slot = defaultdict(list)
    for (_, receiver, _), slot in found:
        by_slot[slot].append(receiver)
    assert by_slot == {"k": ["L0H1"], "": ["L0H1"]}


@pytest.mark.parametrize(
    ("vertices", "edges", "message"),
    [
        ([], [], "no nodes"),
        ([head(0, 1), head(0, 1)], [], "L0H1: given more than once"),
        ([Vertex(name="x", kind="head")], [], "x is a head and needs a layer"),
        ([Vertex(name="x", kind="neuron")], [], "kind='neuron'"),
        (ENDS, [("embed", "L9H9.q", 1.0)], "no node named L9H9"),
        (ENDS, [("logits", "embed", 1.0)], "does not go up"),
        (ENDS, [("embed", "logits", np.nan)], "has the weight nan"),
    ],
)
def test_what_is_no_circuit_is_refused_by_name(vertices, edges, message):
    with pytest.raises(FigureError, match=message):
        circuit(vertices, edges, title="")
