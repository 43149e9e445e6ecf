"""``.plot()`` of a result shows that result's numbers, each in its place."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pellucid import Contrast, Model, attribute, discover, faithfulness, patch
from pellucid.errors import FigureError, TaskError
from pellucid.model.anatomy import Node
from pellucid.model.tiny import TinyConfig, TinyTransformer
from tests.figures.look import assert_nothing_is_clipped, said

PAIR = Contrast([3, 7, 11, 2, 9, 4], [3, 7, 5, 2, 9, 4], 6, 8)
TOKENS = ["When", " Mary", "\n", "$", " gave", " to"]


@pytest.fixture(scope="module")
def model() -> Model:
    config = TinyConfig(num_key_value_heads=2, num_hidden_layers=3)
    return Model.build(TinyTransformer(config, seed=0).eval())


def cells(figure) -> dict[tuple[str, str], float]:
    """What a heat map shows, by the names of row and column; hatched cells are left out."""
    (panel,) = figure.axes
    grid = panel.images[0].get_array()
    rows = [label.get_text() for label in panel.get_yticklabels()]
    columns = [label.get_text() for label in panel.get_xticklabels()]
    assert grid.shape == (len(rows), len(columns))
    return {
        (row, column): float(grid[i, j])
        for i, row in enumerate(rows)
        for j, column in enumerate(columns)
        if not grid.mask[i, j]
    }


def test_estimates_are_shown_by_layer_head_and_mlp(model):
    found = attribute(model, PAIR)
    shown = cells(found.plot())
    nodes = [node for node in model.nodes if node.layer is not None]
    assert len(shown) == len(nodes)
    for node, value in zip(found.nodes, found.estimate.tolist(), strict=True):
        if node.layer is not None:
            column = "MLP" if node.kind == "mlp" else f"H{node.head}"
            assert shown[f"L{node.layer}", column] == value


def test_estimates_are_shown_by_position_under_its_token(model):
    found = attribute(model, PAIR)
    figure = found.plot(per="position", tokens=TOKENS)
    shown = cells(figure)
    for node in ("M1", "L2H0"):
        index = [n.name for n in found.nodes].index(node)
        assert shown[node, "↵"] == float(found.by_position[0, 2, index])
    assert "embed" not in said(figure)
    assert ("M1", "5") in cells(found.plot(per="position"))
    with pytest.raises(TaskError, match="per='example' cannot be plotted"):
        found.plot(per="example")


def test_a_model_without_some_head_shows_its_place_as_not_there(model):
    found = attribute(model, PAIR)
    fewer = tuple(node for node in found.nodes if node.name != "L1H0")
    keep = [found.nodes.index(node) for node in fewer]
    shown = found.by_position[..., keep]
    figure = replace(found, nodes=fewer, by_position=shown, measured=None).plot()
    assert ("L1", "H0") not in cells(figure)
    assert "hatched: not there" in said(figure)


@pytest.mark.parametrize(
    ("sites", "cell", "place"),
    [
        ("heads", ("L2", "H3"), "L2H3"),
        ("k", ("L1", "KV1"), "L1KV1.k"),
        ("mlps", ("L0", "MLP"), "M0"),
        ("attn", ("L2", "attn"), "A2"),
        ("resid", ("L1", "stream"), "resid1"),
    ],
)
def test_measured_effects_are_shown_by_layer(model, sites, cell, place):
    found = patch(model, PAIR, sites=sites)
    index = [p.name for p in found.places].index(place)
    assert cells(found.plot())[cell] == float(found.effect[0, index])


def test_measured_effects_at_positions_are_named_by_the_prompts_tokens(model):
    found = patch(model, PAIR, sites="resid", positions=[2, 5])
    shown = cells(found.plot(tokens=TOKENS))
    assert set(shown) == {(f"resid{i}", token) for i in range(3) for token in ("↵", "␣to")}
    assert shown["resid2", "␣to"] == float(found.effect[1, 2])
    with pytest.raises(FigureError, match="tokens has 3 entries, but position 5"):
        found.plot(tokens=TOKENS[:3])


def test_half_precision_can_be_plotted(model):
    found = patch(model, PAIR, sites="heads")
    half = replace(found, per_example=found.per_example.to(torch.bfloat16))
    assert len(cells(half.plot())) == len(found.places)


def test_the_faithfulness_curve_holds_what_was_measured(model):
    order = [node for node in model.nodes if node.kind == "head"]
    found = faithfulness(model, PAIR, ["L2H0", "L1H1"], curve=order, random_sets=5)
    figure = found.plot(target=0.9)
    drawn = {line.get_label(): line.get_xydata() for line in figure.axes[0].lines}
    np.testing.assert_allclose(drawn["highest ranked first"][:, 0], found.curve_sizes)
    np.testing.assert_allclose(drawn["highest ranked first"][:, 1], found.curve)
    np.testing.assert_allclose(drawn["the circuit, 2 of 12"], [[2, found.sufficiency]])
    assert "target 0.9" in drawn
    assert "random sets of the same size" in said(figure)
    assert_nothing_is_clipped(figure)


def test_faithfulness_without_a_curve_or_a_circuit_can_be_plotted(model):
    assert "the circuit, 1 of 12" in said(faithfulness(model, PAIR, ["L2H0"]).plot())
    empty = faithfulness(model, PAIR, [], over="heads", random_sets=2)
    assert empty.plot().axes[0].get_xscale() == "linear"


def test_a_circuit_shows_its_nodes_and_an_empty_one_says_so(model):
    found = replace(
        discover(model, PAIR),
        nodes=(Node("head", 0, 1), Node("mlp", 2)),
        estimates=(1.0, -0.5),
        drops=(),
    )
    for name in ("L0H1", "M2", "layer 0", "layer 2"):
        assert name in said(found.plot())
    assert "estimate positive supports" in said(found.plot())
    measured = replace(found, drops=(0.3, 0.1))
    assert "fall of sufficiency when removed" in said(measured.plot())
    with pytest.raises(FigureError, match="no nodes to draw"):
        replace(found, nodes=(), estimates=(), drops=()).plot()
