"""Patching measures what it says, in both directions."""

import pytest
import torch

import pellucid
from pellucid import EditError


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
