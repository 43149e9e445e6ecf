"""AtP* and RelP: against a transformer written out by hand, and where their answer is known."""

import pytest
import torch
from torch.testing import assert_close

from pellucid import Contrast, Model, TaskError, attribute_edges
from pellucid.model.tiny import TinyConfig, TinyTransformer
from pellucid.run.freeze import freezable, frozen
from pellucid.run.gradient import differentiate
from pellucid.run.record import record
from pellucid.run.sites import node_sites
from tests.models.by_hand import metric_by_hand
from tests.models.families import tiny_model as of_family
from tests.models.handbuilt import induction_model
from tests.models.questions import VARIETIES, tiny_model

PAIR = Contrast([3, 7, 11, 2, 9, 4], [3, 7, 5, 2, 9, 4], 6, 8)


@pytest.mark.parametrize("variety", sorted(VARIETIES))
def test_relp_is_the_effect_of_every_edge_in_the_affine_model(variety):
    """Held at their clean values, norms, patterns and activations leave an affine map."""
    model = tiny_model(VARIETIES[variety])
    scores = attribute_edges(model, PAIR, method="relp")
    exists, held = model.anatomy.edges, {}
    ones = torch.ones(exists.shape, dtype=torch.float64)
    with torch.no_grad():
        whole = metric_by_hand(model, model.module, PAIR, ones, held=held)
        for i, j in exists.nonzero()[:: max(1, int(exists.sum()) // 150)].tolist():
            cut = ones.clone()
            cut[i, j] = 0
            effect = whole - metric_by_hand(model, model.module, PAIR, cut, held=held)
            assert_close(scores.matrix[i, j].double(), effect, atol=1e-10, rtol=1e-8)
    assert scores.identity_error < 1e-12


def test_relp_says_that_queries_and_keys_get_nothing(one_tiny, pair):
    scores = attribute_edges(one_tiny, pair, method="relp")
    into = [j for j, slot in enumerate(scores.slots) if slot.kind in ("q", "k")]
    assert not scores.matrix[:, into].any()
    assert "queries and keys are zero" in scores.note


def test_the_affine_run_changes_no_value_and_leaves_nothing_behind(one_tiny, pair):
    sites = node_sites(one_tiny)
    plain = record(one_tiny, pair, sites=sites)
    run = (one_tiny, plain.objective, sites)
    before = differentiate(*run)
    hooks = [len(part._forward_hooks) for part in one_tiny.module.modules()]
    with frozen(one_tiny):
        held = differentiate(*run)
    assert torch.equal(held.logits, before.logits)
    assert not torch.equal(held.gradients[sites[0]], before.gradients[sites[0]])
    assert hooks == [len(part._forward_hooks) for part in one_tiny.module.modules()]
    again = differentiate(*run)
    for site in sites:
        assert torch.equal(again.gradients[site], before.gradients[site])


@pytest.mark.parametrize(
    ("family", "gated"),
    [("llama", True), ("gpt2", False), ("gemma2", True), ("phi3", True), ("gpt_neox", False)],
)
def test_gates_activations_and_norms_are_found_by_what_they_compute(family, gated):
    model = Model.build(of_family(family))
    found = freezable(model)
    layers = tuple(range(model.anatomy.n_layers))
    assert found.gated == (layers if gated else ())
    assert found.patterns == layers
    assert found.activations
    norms = {module for module, _ in found.norms}
    assert model.anatomy.final_norm in norms
    assert all(block.attention.norm in norms for block in model.anatomy.blocks)


def test_a_gated_product_gives_half_to_each_side():
    """RelP of a gated MLP, against autograd on the product written out with the half rule."""
    model = Model.build(of_family("llama").double())
    trace_pair = Contrast([31, 77, 45, 102], [31, 77, 9, 102], 10, 20)
    with frozen(model):
        trace = record(model, trace_pair, sites=node_sites(model))
    mlp = model.module.model.layers[-1].mlp
    norm = model.module.model.layers[-1].post_attention_layernorm
    seen = {}
    handle = norm.register_forward_hook(lambda m, args, out: seen.update(x=args[0].detach()))
    with torch.no_grad():
        model.module(input_ids=torch.tensor([[31, 77, 45, 102]]))
    handle.remove()
    x = seen["x"]
    term = x.clone().requires_grad_()
    scale = (x.square().mean(-1, keepdim=True) + norm.variance_epsilon).sqrt()
    normed = term / scale * norm.weight
    gate, up = mlp.gate_proj(normed), mlp.up_proj(normed)
    slope = (torch.nn.functional.silu(gate) / gate).detach()
    product = (gate * slope * up.detach() + (gate * slope).detach() * up) / 2
    final = model.module.model.norm
    stream = term + mlp.down_proj(product)
    at_end = (x + mlp(norm(x))).detach()
    last = stream / (at_end.square().mean(-1, keepdim=True) + final.variance_epsilon).sqrt()
    logits = model.module.lm_head(last * final.weight)[0, -1]
    (gradient,) = torch.autograd.grad(logits[10] - logits[20], term)
    layer = model.anatomy.n_layers - 1
    z = next(site for site in node_sites(model) if (site.kind, site.layer) == ("z", layer))
    through = gradient @ model.module.model.layers[-1].self_attn.o_proj.weight
    assert_close(trace.gradient[z].flatten(-2), through.detach(), atol=1e-9, rtol=1e-6)


def test_the_qk_fix_is_how_the_pattern_moves_times_its_gradient():
    """One layer, so that no layer can be dropped; the pattern written out."""
    model = tiny_model(TinyConfig(num_hidden_layers=1, num_key_value_heads=2))
    scores = attribute_edges(model, PAIR, method="atp*")
    module, block = model.module, model.module.layers[0]
    a, size = block.attention, block.attention.head_dim
    clean, corrupted = (
        block.attention_norm(module.embed(torch.tensor(list(p))) + module.position.weight[:6])
        for p in (PAIR.clean, PAIR.corrupted)
    )
    trace = record(model, PAIR)
    z_gradient = trace.gradient[next(s for s in node_sites(model) if s.kind == "z")][0]
    mask = torch.ones(6, 6, dtype=torch.bool).tril()
    for head in range(a.num_heads):
        rows = slice(head * size, (head + 1) * size)
        kv = head // 2
        shared = slice(kv * size, (kv + 1) * size)

        def pattern(asks, gives, rows=rows, shared=shared):
            q, k = asks @ a.q_proj.weight[rows].T, gives @ a.k_proj.weight[shared].T
            return (q @ k.T / size**0.5).masked_fill(~mask, -torch.inf).softmax(-1)

        value = clean @ a.v_proj.weight[shared].T
        by_pattern = z_gradient[:, head] @ value.T  # query key
        moved = (pattern(clean, clean) - pattern(corrupted, clean)) * by_pattern
        column = [slot.name for slot in scores.slots].index(f"L0H{head}.q")
        assert_close(scores.matrix[0, column].double(), moved.sum().detach(), atol=1e-12, rtol=1e-9)


def test_graddrop_is_the_mean_size_over_the_layers_dropped():
    """Edges into values, the MLPs and the logits, against autograd with detached terms by hand."""
    model = tiny_model(TinyConfig(num_hidden_layers=3, num_key_value_heads=2))
    scores = attribute_edges(model, PAIR, method="atp*")

    def slopes(dropped: int) -> torch.Tensor:
        weights = torch.ones(model.anatomy.edges.shape, dtype=torch.float64, requires_grad=True)
        metric = metric_by_hand(
            model, model.module, PAIR, weights,
            passing=lambda term, layer: term.detach() if layer == dropped else term,
        )  # fmt: skip
        return torch.autograd.grad(metric, weights)[0]

    # A slot of the dropped layer gives no gradient by hand, for its own term is detached.
    total = sum(slopes(layer).abs() for layer in range(3))
    for j, slot in enumerate(model.slots):
        if slot.kind in ("q", "k"):
            continue
        counted = 3 if slot.kind == "logits" else 2
        assert_close(scores.matrix[:, j].abs(), total[:, j] / counted, atol=1e-10, rtol=1e-8)
    assert_close(scores.matrix.sign()[:, -1], slopes(-1).sign()[:, -1])


def test_saturated_attention_has_no_gradient_but_the_qk_fix_sees_it():
    """Where the answer's position moves, the induction head finds it by its keys alone."""
    model = Model.build(induction_model())
    moved = Contrast([5, 7, 2, 6, 9, 5], [2, 7, 5, 6, 9, 5], 7, 6)
    exact = attribute_edges(model, moved, method="exact")
    plain = attribute_edges(model, moved, method="eap")
    fixed = attribute_edges(model, moved, method="atp*")
    names = [slot.name for slot in exact.slots]
    into = [names.index("L1KV2.k")]
    assert exact.matrix[:, into].abs().max() > 0.9
    assert plain.matrix[:, into].abs().max() < 1e-9
    assert_close(fixed.matrix[:, into], exact.matrix[:, into], atol=1e-9, rtol=1e-9)


def test_an_example_s_scores_do_not_depend_on_its_company(one_tiny, batch):
    for method in ("atp*", "relp"):
        together = attribute_edges(one_tiny, batch, method=method).per_example
        alone = attribute_edges(one_tiny, batch.contrasts[0], method=method).per_example
        assert_close(together[0], alone[0], atol=1e-3 * float(alone.abs().max()), rtol=0.01)


@pytest.mark.parametrize("method", ["atp*", "exact"])
def test_whole_runs_are_not_split_by_position(one_tiny, pair, method):
    with pytest.raises(TaskError, match="sums over"):
        attribute_edges(one_tiny, pair, method=method, positions="each")


def test_the_costs_are_as_stated(one_tiny, pair):
    layers = one_tiny.anatomy.n_layers
    attribute_edges(one_tiny, pair, method="relp")  # finds, once, what can be held
    assert attribute_edges(one_tiny, pair, method="relp").passes.forwards == 2
    assert attribute_edges(one_tiny, pair, method="atp*").passes.backwards == 1 + layers


def test_tiny_models_hold_nothing_that_is_not_there():
    model = tiny_model(VARIETIES["attention-only"])
    found = freezable(model)
    assert (found.norms, found.activations, found.gated) == ((), (), ())
    assert isinstance(model.module, TinyTransformer)
