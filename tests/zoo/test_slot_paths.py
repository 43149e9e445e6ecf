"""slot-ig: its sums against runs by plain hooks, exactness in a linear model, its cost."""

import pytest
import torch
from torch.testing import assert_close

from pellucid import Contrast, ContrastBatch, Model, attribute_edges
from pellucid.model.tiny import TinyConfig, TinyTransformer
from pellucid.zoo.nulls import null_questions

PAIR = Contrast([3, 7, 11, 2, 9, 4], [3, 7, 5, 2, 9, 4], 6, 8)
FINE = {"method": "slot-ig", "steps": 64}


def model_of(**config) -> Model:
    return Model.build(TinyTransformer(TinyConfig(**config)).eval())


def difference_with_corrupted(model: Model, kind: str) -> float:
    """metric(clean) - metric(clean with all outputs of ``kind`` projections corrupted)."""
    module = model.module
    projections = [getattr(block.attention, f"{kind}_proj") for block in module.layers]
    clean, corrupted = (torch.tensor([list(p)]) for p in (PAIR.clean, PAIR.corrupted))
    held: list[torch.Tensor] = []
    with torch.no_grad():
        handles = [p.register_forward_hook(lambda m, i, out: held.append(out)) for p in projections]
        module(corrupted)
        for handle in handles:
            handle.remove()
        plain = module(clean).logits[0, -1]
        handles = [
            p.register_forward_hook(lambda m, i, out, value=value: value)
            for p, value in zip(projections, held, strict=True)
        ]
        cut = module(clean).logits[0, -1]
        for handle in handles:
            handle.remove()
    return float((plain - cut)[PAIR.answer] - (plain - cut)[PAIR.foil])


@pytest.mark.parametrize("kind", ["q", "k", "v"])
def test_a_path_alone_adds_up_to_corrupting_its_slots(kind):
    """Half of each of these edges' scores is the path alone; without norms its sum is exact."""
    model = model_of(norm="none", d_mlp=0)
    scores = attribute_edges(model, PAIR, **FINE)
    slots = torch.tensor([slot.kind == kind for slot in scores.slots])
    alone = difference_with_corrupted(model, kind)
    joint = joint_sum(model, kind)
    assert float(scores.matrix[:, slots].sum()) == pytest.approx((alone + joint) / 2, abs=1e-4)


def joint_sum(model: Model, kind: str) -> float:
    """What mask-ig, the joint path where there are no norms, gives the slots of ``kind``."""
    mask = attribute_edges(model, PAIR, method="mask-ig", steps=64)
    slots = torch.tensor([slot.kind == kind for slot in mask.slots])
    return float(mask.matrix[:, slots].sum())


def test_without_norms_edges_into_mlps_and_logits_are_those_of_mask_ig():
    model = model_of(norm="none")
    slot, mask = (attribute_edges(model, PAIR, method=m, steps=16) for m in ("slot-ig", "mask-ig"))
    joint_only = torch.tensor([s.kind not in "qkv" for s in slot.slots])
    assert_close(slot.matrix[:, joint_only], mask.matrix[:, joint_only], atol=1e-12, rtol=1e-9)


def test_two_links_of_a_linear_chain_share_the_joint_path():
    """embed -> head -> logits is worth c: the joint path is a^2 c, so each link gets c / 2 of it;
    the first, which is a value, gets c on its own path, and the mean of the two."""
    module = TinyTransformer(TinyConfig(d_mlp=0, norm="none", num_hidden_layers=1)).eval()
    with torch.no_grad():
        module.layers[0].attention.q_proj.weight.mul_(1e-9)  # at 0 a key would change nothing
    model = Model.build(module)
    scores = attribute_edges(model, PAIR, method="slot-ig")
    measured = attribute_edges(model, PAIR, method="exact")
    value = torch.tensor([slot.kind == "v" for slot in scores.slots])
    close = {"atol": 1e-7, "rtol": 1e-7}
    assert_close(scores.matrix[0, value], 0.75 * measured.matrix[0, value], **close)
    assert_close(scores.matrix[1:, -1], 0.5 * measured.matrix[1:, -1], **close)
    assert_close(scores.matrix[0, -1], measured.matrix[0, -1], **close)


@pytest.mark.parametrize("norm", ["layer", "rms"])
def test_norms_take_little_of_what_the_joint_path_accounts_for(norm):
    config = TinyConfig(norm=norm, num_key_value_heads=2, mlp="gated", rotary_pairs=2)
    model, batch = null_questions(config, 3)
    scores = attribute_edges(model, batch, method="slot-ig", steps=32)
    left = (scores.accounted - scores.difference).abs().mean()
    assert float(left) < 0.1 * float(scores.difference.abs().mean())


def test_examples_and_positions_add_up():
    model = model_of()
    batch = ContrastBatch((PAIR, Contrast([1, 2, 3, 4], [1, 9, 3, 4], 10, 11)))
    plain = attribute_edges(model, batch, method="slot-ig", steps=4)
    split = attribute_edges(model, batch, method="slot-ig", steps=4, positions="each")
    assert_close(split.by_position.sum(0), plain.matrix, atol=1e-12, rtol=1e-9)
    assert_close(split.accounted, plain.accounted, atol=1e-12, rtol=1e-9)
    assert_close(plain.per_example.mean(0).double(), plain.matrix, atol=1e-3, rtol=0.0)


def test_cost_is_four_paths_of_steps():
    passes = attribute_edges(model_of(), PAIR, method="slot-ig", steps=3).passes
    assert (passes.forwards, passes.backwards) == (2 + 12, 1 + 12)


def test_scores_can_be_saved(tmp_path):
    scores = attribute_edges(model_of(), PAIR, method="slot-ig", steps=2)
    assert type(scores).load(scores.save(tmp_path / "s")).method == "slot-ig"
    assert "dormant backup" in scores.note
