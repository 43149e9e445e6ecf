"""Edge scores: against finite differences, identities that must hold, and closed forms."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close
from transformers import GPT2Config, GPT2LMHeadModel

from pellucid import Contrast, ContrastBatch, Model, attribute, attribute_edges
from pellucid.attribution.edges.integration import demand_identity
from pellucid.attribution.edges.path_patching import one_at_a_time
from pellucid.errors import EditError, TaskError, UnsupportedArchitectureError
from pellucid.model.tiny import TinyConfig, TinyTransformer
from pellucid.run.edges.cut import run_cut
from pellucid.run.record import record
from pellucid.run.setup import Setup
from pellucid.run.sites import node_sites, stream_sites

GRADIENTS = ["eap", "clean-corrupted", "eap-ig", "mask-ig"]


def test_sums_of_edges_are_judged_beside_the_metric_difference(one_tiny):
    """Where every score is next to nothing, sums differ by rounding alone."""
    nodes, difference = torch.tensor([[2e-22, 1e-22]]), torch.tensor([3.0])
    assert demand_identity(one_tiny, 1.5 * nodes, nodes, difference) == pytest.approx(1e-22 / 3)
    with pytest.raises(UnsupportedArchitectureError, match="beside the slots"):
        demand_identity(one_tiny, 1.5 * nodes, nodes, 1e-22 * difference)
    with pytest.raises(UnsupportedArchitectureError, match="beside the slots"):
        demand_identity(one_tiny, 1.5e22 * nodes, 1e22 * nodes, difference)


def test_gpt2_small_has_32491_edges():
    config = GPT2Config(n_embd=12, n_layer=12, n_head=12, vocab_size=50, n_positions=16)
    edges = Model.build(GPT2LMHeadModel(config).eval()).anatomy.edges
    assert edges.shape == (157, 445)
    assert edges.sum() == 32_491
    assert edges[:, -1].all()


@pytest.mark.parametrize("method", GRADIENTS)
def test_edges_of_a_node_add_up_to_the_node(tiny, batch, method):
    steps = {"steps": 3} if method.endswith("ig") else {}
    scores = attribute_edges(tiny, batch, method=method, **steps)
    assert scores.identity_error < 1e-12
    if method == "clean-corrupted":
        return
    node = {"eap": "atp", "eap-ig": "ig", "mask-ig": "mask-ig"}[method]
    nodes = attribute(tiny, batch, method=node, **steps)
    assert_close(scores.node_scores(), nodes.estimate, atol=1e-12, rtol=1e-9)


def test_eap_is_the_derivative_of_cutting_each_edge(tiny, pair):
    """A cut that replaces by a little of the corrupted term loses that little of the score."""
    trace = record(tiny, pair, sites=[*node_sites(tiny), *stream_sites(tiny)])
    step = 1e-6
    nudged = {
        site: trace.clean[site].lerp(trace.corrupted[site], step) for site in node_sites(tiny)
    }
    cut = run_cut(Setup(model=tiny, trace=trace), one_at_a_time(tiny.anatomy.edges), nudged)
    slope = (trace.metric_clean - cut)[:, 0] / step
    estimate = attribute_edges(tiny, pair, method="eap").matrix[tiny.anatomy.edges]
    assert_close(slope, estimate, atol=2e-6, rtol=1e-4)


def test_estimates_are_exact_in_a_linear_model():
    """Without norms, MLPs and moving attention every edge's effect is its estimate."""
    model = TinyTransformer(TinyConfig(d_mlp=0, norm="none")).eval()
    with torch.no_grad():
        for block in model.layers:
            block.attention.q_proj.weight.mul_(1e-9)  # at 0 writing a key would change nothing
    opened = Model.build(model)
    pair = Contrast([3, 7, 11, 2, 9, 4], [3, 7, 5, 2, 9, 4], 6, 8)
    estimated = attribute_edges(opened, pair, method="eap")
    measured = attribute_edges(opened, pair, method="exact")
    assert_close(estimated.matrix, measured.matrix, atol=1e-7, rtol=1e-7)
    assert_close(estimated.matrix[:, -1].sum(), estimated.difference.mean(), atol=1e-12, rtol=1e-9)


def test_mask_ig_completes_and_eap_does_not(one_tiny, pair):
    complete = attribute_edges(one_tiny, pair, method="mask-ig")
    assert complete.completeness < 0.02
    assert_close(complete.matrix.sum(), complete.difference.mean(), atol=0.0, rtol=0.02)
    assert attribute_edges(one_tiny, pair, method="eap").completeness > 0.02


@pytest.mark.parametrize("method", ["eap", "mask-ig", "relp"])
def test_a_batch_scored_in_parts_is_the_batch_scored_at_once(monkeypatch, one_tiny, batch, method):
    steps = {"steps": 2} if method == "mask-ig" else {}
    whole = attribute_edges(one_tiny, batch, method=method, positions="each", **steps)
    monkeypatch.setattr("pellucid.attribution.edges.batching.PART_BYTES", 1)
    parts = attribute_edges(one_tiny, batch, method=method, positions="each", **steps)
    assert parts.passes.calls > whole.passes.calls
    for name in ("matrix", "by_position", "difference", "accounted", "scale"):
        assert_close(getattr(parts, name), getattr(whole, name), atol=1e-9, rtol=1e-6)
    assert torch.equal(parts.halves, whole.halves)


def test_edges_by_position_sum_to_the_plain_ones(tiny, batch):
    plain = attribute_edges(tiny, batch, method="eap")
    split = attribute_edges(tiny, batch, positions="each", method="eap")
    assert split.by_position is not None
    assert_close(split.by_position.sum(0), plain.matrix, atol=1e-12, rtol=1e-9)
    assert_close(split.matrix, plain.matrix, atol=1e-12, rtol=1e-9)


def test_grouped_keys_and_values_score_what_their_copies_score_together(pair):
    grouped = TinyTransformer(TinyConfig(num_key_value_heads=2)).eval()
    apart = TinyTransformer(TinyConfig(num_key_value_heads=4)).eval()
    weights = grouped.state_dict()
    for name, value in weights.items():
        if "k_proj" in name or "v_proj" in name:
            weights[name] = value.unflatten(0, (2, 4)).repeat_interleave(2, 0).flatten(0, 1)
    apart.load_state_dict(weights)
    few = (
        attribute_edges(Model.build(grouped), pair, method="eap")
        .to_frame()
        .set_index(["sender", "slot"])
    )
    many = (
        attribute_edges(Model.build(apart), pair, method="eap")
        .to_frame()
        .set_index(["sender", "slot"])
    )
    for layer in range(2):
        copies = {f"L{layer}H{head}.q": [f"L{layer}H{head}.q"] for head in range(4)}
        for kind in "kv":
            for kv in range(2):
                twins = [f"L{layer}KV{2 * kv + i}.{kind}" for i in range(2)]
                copies[f"L{layer}KV{kv}.{kind}"] = twins
        for slot, twins in copies.items():
            own = few.xs(slot, level="slot").estimate
            together = sum(many.xs(twin, level="slot").estimate for twin in twins)
            np.testing.assert_allclose(own, together, atol=1e-12, rtol=1e-9)


def test_scores_of_each_example_are_those_of_its_prompt_alone(one_tiny, batch):
    together = attribute_edges(one_tiny, batch, method="eap").per_example
    for i, contrast in enumerate(batch.contrasts):
        alone = attribute_edges(one_tiny, contrast, method="eap").matrix
        assert_close(together[i].double(), alone, atol=1e-3 * float(alone.abs().max()), rtol=0.0)


def test_cost_in_passes_is_what_the_method_says(one_tiny, pair):
    spent = {
        "eap": (2, 1),
        "clean-corrupted": (3, 2),
        "eap-ig": (5, 4),
        "mask-ig": (5, 4),
    }
    for method, (forwards, backwards) in spent.items():
        steps = {"steps": 3} if method.endswith("ig") else {}
        passes = attribute_edges(one_tiny, pair, method=method, **steps).passes
        assert (passes.forwards, passes.backwards) == (forwards, backwards)
    few = attribute_edges(one_tiny, pair, method="exact", edges=[("embed", "logits")])
    assert (few.passes.forwards, few.passes.backwards) == (3, 1)


def test_only_the_edges_asked_for_are_measured(one_tiny, pair):
    asked = [("L0H1", "L1H2.q"), ("embed", "M0"), ("M1", "logits")]
    some = attribute_edges(one_tiny, pair, method="exact", edges=asked)
    every = attribute_edges(one_tiny, pair, method="exact")
    assert some.column == "effect"
    assert {(u.name, v.name) for u, v in some.ranked()} == set(asked)
    frame = some.to_frame().dropna().set_index(["sender", "slot"])
    expected = every.to_frame().set_index(["sender", "slot"])
    assert len(frame) == 3
    for edge in asked:
        assert frame.effect[edge] == pytest.approx(expected.effect[edge], abs=1e-12)


def test_scores_survive_saving(one_tiny, pair, tmp_path):
    scores = attribute_edges(one_tiny, pair, method="eap")
    again = type(scores).load(scores.save(tmp_path / "edges"))
    assert torch.equal(again.matrix, scores.matrix)
    assert again.halves.dtype == torch.float16
    assert list(again.to_frame().columns) == ["sender", "slot", "estimate"]
    assert list(again.to_frame("example").columns) == ["sender", "slot", "example", "estimate"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"method": "eap", "steps": 4}, "take steps"),
        ({"method": "guess"}, "not known"),
        ({"method": "eap", "edges": [("embed", "M0")]}, "edges= chooses"),
        ({"method": "eap", "metric": "kl"}, "no gradient"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(one_tiny, pair, arguments, words):
    with pytest.raises(TaskError, match=words):
        attribute_edges(one_tiny, pair, **arguments)


def test_an_edge_that_is_not_there_is_refused_by_name(one_tiny, pair):
    with pytest.raises(EditError, match=r"M1 -> M0"):
        attribute_edges(one_tiny, pair, method="exact", edges=[("M1", "M0")])


def test_questions_of_several_tokens_are_scored(one_tiny):
    batch = ContrastBatch((Contrast([3, 7, 11, 2], [3, 7, 5, 2], [6, 7], [8, 9]),))
    scores = attribute_edges(one_tiny, batch, method="eap")
    assert scores.identity_error < 1e-12
