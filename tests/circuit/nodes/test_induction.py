"""The hand-built induction model: its two heads are what patching and the search show."""

import pytest
import torch

import pellucid
from pellucid import Contrast, ContrastBatch, Edit, Model, Site
from tests.models.handbuilt import HEADS, INDUCTION, PREVIOUS_TOKEN, VOCAB, induction_model


@pytest.fixture(scope="module")
def model():
    return Model.build(induction_model())


@pytest.fixture(scope="module")
def moved():
    """What stands before the answer is moved, so only the previous-token head sees a difference."""
    return ContrastBatch(
        (
            Contrast([1, 5, 7, 8, 4, 5], [1, 8, 7, 5, 4, 5], 7, 4),
            Contrast([0, 3, 10, 6, 2, 3], [0, 6, 10, 3, 2, 3], 10, 2),
        )
    )


def test_it_continues_repeated_random_tokens(model):
    generator = torch.Generator().manual_seed(0)
    for _ in range(10):
        # The first token has none before it, so another one comes first.
        first, *copy = torch.randperm(VOCAB, generator=generator)[:9].tolist()
        with torch.no_grad():
            said = model.module(torch.tensor([[first, *copy, *copy]])).logits[0, 9:16].argmax(-1)
        assert said.tolist() == copy[1:]


@pytest.mark.parametrize("ablation", ["corrupted", "zero"])
def test_exactly_its_two_heads_are_found(ablation, model, moved):
    found = pellucid.discover(model, moved, ablation=ablation)
    assert set(found.names) == {PREVIOUS_TOKEN, INDUCTION}
    assert found.minimal
    assert found.sufficiency == pytest.approx(1, abs=1e-9)
    assert all(drop > 0.85 for drop in found.drops)


def test_patching_shows_exactly_its_two_heads(model, moved):
    found = pellucid.patch(model, moved).to_frame().set_index("node")["effect"]
    span = float(pellucid.record(model, moved).difference.mean())
    assert span == pytest.approx(2)  # one logit up, another down
    for name, effect in found.items():
        wanted = span if name in (PREVIOUS_TOKEN, INDUCTION) else 0
        assert effect == pytest.approx(wanted, abs=1e-9), name


def test_the_first_head_writes_the_key_not_the_value(model, moved):
    keys = pellucid.patch(model, moved, sites="k").normalised[0]
    values = pellucid.patch(model, moved, sites="v").normalised[0]
    names = [f"L{layer}H{head}" for layer in range(2) for head in range(HEADS)]
    assert float(keys[names.index(INDUCTION)]) == pytest.approx(1, abs=1e-9)
    # The head's key is all that moves: positions of the values differ only where it does not look.
    assert float(values[names.index(INDUCTION)]) == pytest.approx(0, abs=1e-9)


def test_the_effect_passes_through_the_answer_s_position_and_then_the_last(model, moved):
    grid = pellucid.patch(model, moved, sites="resid", positions="each").normalised
    layers = grid.T  # layer position
    before, second, end = layers[0], layers[1], 5
    # Entering layer 0 the swapped tokens matter, entering layer 1 the tokens after them.
    assert before[[0, 2, 4, 5]].abs().max() < 1e-9
    assert second[[0, end]].abs().max() < 1e-9
    assert second[[2, 4]].sum() == pytest.approx(1, abs=1e-9)


def test_zeroing_the_other_heads_changes_no_logit(model):
    prompt = [1, 5, 7, 2, 9, 5]
    plain = pellucid.run_edited(model, prompt, [])
    edits = [
        Edit(site=Site("z", 0), heads=(0, 2, 3), value=0.0),
        Edit(site=Site("z", 1), heads=(0, 1, 3), value=0.0),
    ]
    assert torch.equal(pellucid.run_edited(model, prompt, edits), plain)
    for site, head in ((Site("z", 0), 1), (Site("z", 1), 2)):
        broken = pellucid.run_edited(model, prompt, [Edit(site=site, heads=(head,), value=0.0)])
        assert int(broken[0, -1].argmax()) != 7
