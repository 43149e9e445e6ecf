"""Plans become weights: closed forms, and what a change of basis or of architecture must keep."""

import math
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from pellucid import Model
from pellucid.model.tiny import TinyConfig, TinyGatedMlp, TinyTransformer, rotate
from pellucid.zoo.build import built, drawn_basis
from pellucid.zoo.case import CASES
from pellucid.zoo.registry import made
from pellucid.zoo.variety import PLAIN, VARIETIES

GAP = 3.0


def logits_of(name: str, variety, *, seed: int = 0) -> torch.Tensor:
    case = CASES[name]()
    prompts = torch.tensor([list(contrast.clean) for contrast in case.contrast.contrasts])
    with torch.no_grad():
        model = built(case.plan, variety, prompts, seed=seed)
        return model(prompts).logits[:, -1, : case.plan.vocab]


def test_a_head_attends_by_the_gap_it_was_given():
    """One key is GAP nats above five others, and its token is copied as a one-hot."""
    logits = logits_of("previous/token", replace(PLAIN, gap=GAP))
    share = math.exp(GAP) / (math.exp(GAP) + 5)
    answers = [contrast.answer for contrast in CASES["previous/token"]().contrast.contrasts]
    assert_close(logits[range(len(answers)), answers], torch.full((len(answers),), share).double())


def test_rectifiers_count_bits():
    """XOR of one bit on: (1 - 2 relu(0)) for YES against a half for NO, to what gelu is off."""
    case = CASES["xor/left"]()
    logits = logits_of("xor/left", replace(PLAIN, gap=30.0))
    for row, contrast in zip(logits, case.contrast.contrasts, strict=True):
        assert float(row[contrast.answer] - row[contrast.foil]) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("name", ["induction/all", "and/both", "binding/names"])
def test_a_rotated_basis_computes_the_same(name):
    assert_close(logits_of(name, PLAIN), logits_of(name, VARIETIES["rotated"]), atol=1e-9, rtol=0.0)


def test_a_basis_is_orthonormal_and_layer_norm_takes_nothing_from_it():
    basis = drawn_basis(7, VARIETIES["layer"], torch.Generator().manual_seed(0))
    assert_close(basis.T @ basis, torch.eye(7).double(), atol=1e-12, rtol=0.0)
    assert_close(basis.sum(0), torch.zeros(7).double(), atol=1e-12, rtol=0.0)


@pytest.mark.parametrize("variety", ["layer", "rms"])
def test_a_normed_stream_is_the_stream_where_its_size_is_usual(variety):
    normed = logits_of("lookup/content", VARIETIES[variety])
    assert_close(normed, logits_of("lookup/content", PLAIN), atol=0.1, rtol=0.0)


def test_heads_that_look_at_the_same_share_keys_and_values():
    places = CASES["negative/token"]().plan.places(2)
    assert {index // 2 for _, index in places.values()} == {1}
    assert len(set(places.values())) == 2


def test_the_seed_decides_everything():
    once, again = (logits_of("or/both", VARIETIES["llama"], seed=3) for _ in "12")
    other = logits_of("or/both", VARIETIES["llama"], seed=4)
    assert torch.equal(once, again)
    assert not torch.equal(once, other)


def test_a_gate_needs_a_gated_mlp():
    model = made("gate/bit@gpt", CASES["gate/bit"](), VARIETIES["gpt"]).model.module
    assert isinstance(model.layers[0].mlp, TinyGatedMlp)


def test_rotary_products_depend_on_the_distance_alone():
    x, y = torch.randn(2, 1, 1, 1, 6, dtype=torch.float64).expand(2, 1, 1, 5, 6)
    products = rotate(x, 3)[0, 0] @ rotate(y, 3)[0, 0].T
    for distance in range(5):
        diagonal = products.diagonal(-distance)
        assert_close(diagonal, diagonal[:1].expand_as(diagonal))
    assert_close(rotate(x, 3).norm(dim=-1), x.norm(dim=-1))
    assert rotate(x, 0) is x


def test_a_gated_mlp_is_its_formula():
    model = TinyTransformer(TinyConfig(mlp="gated", rotary_pairs=2))
    mlp, x = model.layers[0].mlp, torch.randn(3, 16, dtype=torch.float64)
    gate = x @ mlp.gate_proj.weight.T + mlp.gate_proj.bias
    up = x @ mlp.up_proj.weight.T + mlp.up_proj.bias
    expected = (gate * gate.sigmoid() * up) @ mlp.down_proj.weight.T + mlp.down_proj.bias
    assert_close(mlp(x[None])[0], expected)
    Model.build(model.eval())
