"""Patching measures what it says, in both directions."""

from dataclasses import replace

import pytest
import torch

import pellucid
from pellucid import EditError
from pellucid.run.setup import Setup
from pellucid.run.variants import Unit, run_variants
from tests.models.questions import VARIETIES, tiny_model


def test_patching_the_whole_stream_at_every_position_is_the_other_prompt(tiny, pair):
    noising = pellucid.patch(tiny, pair, sites="resid")
    denoising = pellucid.patch(tiny, pair, sites="resid", direction="denoising")
    torch.testing.assert_close(noising.normalised, torch.ones_like(noising.normalised))
    torch.testing.assert_close(denoising.normalised, torch.ones_like(denoising.normalised))


def test_positions_before_the_first_difference_have_no_effect(tiny, pair):
    found = pellucid.patch(tiny, pair, sites="resid", positions="each")
    grid = found.grid()
    assert grid.shape == (tiny.anatomy.n_layers, 6)
    assert float(grid[:, :2].abs().max()) < 1e-12
    # What enters the first layer differs at the third position only, so that is all of the effect.
    assert float(found.normalised[2, 0]) == pytest.approx(1, abs=1e-12)


def test_noising_and_denoising_agree_where_only_one_head_matters():
    from tests.models import handbuilt

    model = pellucid.Model.build(handbuilt.induction_model())
    questions = handbuilt.induction_questions()
    for direction in ("noising", "denoising"):
        frame = pellucid.patch(model, questions, direction=direction).to_frame()
        effects = frame.set_index("node")["effect"]
        span = float(model_metric(model, questions, "clean"))
        # The last head alone carries all of it; the first moves nothing when only its successor's
        # value differs between the prompts.
        assert effects[handbuilt.INDUCTION] == pytest.approx(2 * span, rel=1e-6)
        others = effects.drop([handbuilt.INDUCTION])
        assert float(others.abs().max()) < 1e-6


def model_metric(model, questions, side):
    trace = pellucid.record(model, questions)
    return (trace.metric_clean if side == "clean" else trace.metric_corrupted).mean()


def test_heads_grid_and_frame_agree(one_tiny, pair):
    found = pellucid.patch(one_tiny, pair)
    grid = found.grid()
    for row in found.to_frame().itertuples():
        assert float(grid[row.layer, row.head]) == row.effect
    assert found.passes.forwards == 2 + 12


def test_positions_may_be_counted_from_the_end(one_tiny, pair):
    end = pellucid.patch(one_tiny, pair, sites="resid", positions=[-1])
    start = pellucid.patch(one_tiny, pair, sites="resid", positions=[5])
    assert end.positions == start.positions == (5,)
    assert torch.equal(end.per_example, start.per_example)


def test_what_is_not_there_is_named(one_tiny, pair):
    with pytest.raises(EditError, match="choose sites from"):
        pellucid.patch(one_tiny, pair, sites="tails")
    with pytest.raises(EditError, match="6 positions"):
        pellucid.patch(one_tiny, pair, positions=[6])
    with pytest.raises(EditError, match=r"only=: No part named L9H9: there are L0H0, L0H1 to L2H3"):
        pellucid.patch(one_tiny, pair, only=["L9H9"])


def test_zero_ablation_of_every_head_is_that_of_plain_hooks(pair):
    model = tiny_model(VARIETIES["grouped"])
    found = pellucid.patch(model, pair, ablation="zero")
    clean = torch.tensor([pair.clean])
    for place, effect in zip(found.places, found.effect[0].tolist(), strict=True):
        attention = model.module.layers[place.layer].attention

        def without(module, inputs, head=place.head):
            (mixed,) = inputs
            kept = mixed.unflatten(-1, (4, -1)).clone()
            kept[..., head, :] = 0
            return (kept.flatten(-2),)

        handle = attention.o_proj.register_forward_pre_hook(without)
        with torch.no_grad():
            logits = model.module(clean).logits[0, -1]
        handle.remove()
        left = float(logits[pair.answer] - logits[pair.foil])
        assert effect == pytest.approx(float(found.metric_clean) - left, abs=1e-9)
    assert found.ablation == "zero"


def test_mean_values_are_those_of_the_batch(one_tiny, batch):
    trace = pellucid.record(one_tiny, batch)
    site = pellucid.Site("mlp_out", 1)
    real = trace.encoded.real  # prompts are of unequal lengths
    mean = torch.cat([trace.clean[site][real], trace.corrupted[site][real]]).mean(0)[None, None]
    unit = [Unit(site)]
    once = torch.ones(1, 1, dtype=torch.bool)
    left = run_variants(Setup(model=one_tiny, trace=trace), unit, once, {site: mean})
    found = pellucid.patch(one_tiny, batch, sites="mlps", only=["M1"], ablation="mean")
    torch.testing.assert_close(found.per_example[:, 0, 0], (trace.metric_clean - left)[0])


def test_resampled_values_are_another_example_s_and_drawn_by_seed(one_tiny, pair):
    asked = [
        pair,
        replace(pair, clean=[3, 7, 1, 2, 9, 4]),
        replace(pair, corrupted=[3, 7, 1, 2, 9, 4]),
    ]
    trace = pellucid.record(one_tiny, asked)
    site = pellucid.Site("mlp_out", 1)
    found = [
        pellucid.patch(one_tiny, asked, sites="mlps", only=["M1"], ablation="resample", seed=seed)
        for seed in range(6)
    ]
    once = torch.ones(1, 1, dtype=torch.bool)
    orders = [[1, 2, 0], [2, 0, 1]]  # the two in which no example keeps its own
    by_hand = [
        run_variants(
            Setup(model=one_tiny, trace=trace),
            [Unit(site)],
            once,
            {site: trace.corrupted[site][order]},
        )[0]
        for order in orders
    ]
    which = [
        [torch.allclose(trace.metric_clean - left, one.per_example[:, 0, 0]) for left in by_hand]
        for one in found
    ]
    assert all(sum(row) == 1 for row in which)
    assert {row.index(True) for row in which} == {0, 1}


def test_denoising_takes_no_ablation(one_tiny, pair):
    with pytest.raises(EditError, match="Leave out one of the two"):
        pellucid.patch(one_tiny, pair, direction="denoising", ablation="zero")
    with pytest.raises(EditError, match="at least two examples"):
        pellucid.patch(one_tiny, pair, ablation="resample")


@pytest.mark.parametrize("sites", ["heads", "mlps", "nodes", "attn", "resid", "q", "k", "v"])
def test_every_kind_of_part_can_be_ablated_at_each_position(one_tiny, pair, sites):
    for ablation in ("zero", "mean"):
        found = pellucid.patch(
            one_tiny, pair, sites=sites, ablation=ablation, positions="each"
        ).per_example
        assert found.shape[1] == 6
        assert bool(found.isfinite().all())
        assert float(found.abs().max()) > 0 or ablation == "mean"
