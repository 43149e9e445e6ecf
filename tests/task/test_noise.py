"""Rounding in each metric's own unit, against logits that are moved by so much."""

import pytest
import torch

from pellucid.stats.rounding import rounding_noise
from pellucid.task.contrast import Contrast, ContrastBatch
from pellucid.task.metrics import KL, Checked, Nearness, log_prob, logit_diff, prob_diff
from pellucid.task.noise import metric_noise

PAIRS = {
    "one token each": [Contrast([1, 2, 3], [1, 4, 3], 5, 6)],
    "several": [Contrast([1, 2, 3], [1, 4, 3], [5, 7], [6, 8, 9]), Contrast([1, 2], [1, 3], 5, 6)],
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", ["logit_diff", "log_prob", "prob_diff", "kl", "custom"])
@pytest.mark.parametrize("contrasts", PAIRS.values(), ids=PAIRS)
def test_no_rounding_of_the_logits_moves_the_metric_by_more(name, dtype, contrasts):
    encoded = ContrastBatch(tuple(contrasts)).encode(None)
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(*encoded.reads.shape, 12, generator=draw) * 4
    metric = {
        "logit_diff": logit_diff,
        "log_prob": log_prob,
        "prob_diff": prob_diff,
        "kl": Nearness(KL(logits)),
        "custom": Checked(lambda values, encoded: 3 * logit_diff(values, encoded)),
    }[name]
    noise = metric_noise(metric, encoded, (logits, logits), dtype)
    unit = rounding_noise(float(logits.abs().max()), dtype)
    before = metric(logits, encoded).mean()
    moved = []
    for _ in range(200):
        sign = torch.randint(0, 2, logits.shape, generator=draw) * 2 - 1
        # Two runs of two logits: a fourth of the bound each, in the direction of the worst.
        moved.append(float((metric(logits + sign * unit / 4, encoded).mean() - before).abs()))
    assert max(moved) <= noise
    if name != "kl":
        assert max(moved) > noise / 50


def test_a_small_probability_keeps_its_small_differences():
    encoded = ContrastBatch((Contrast([1, 2, 3], [1, 4, 3], 5, 6),)).encode(None)
    logits = torch.zeros(1, 1, 12)
    logits[..., 0] = 20.0
    assert metric_noise(prob_diff, encoded, (logits, logits), torch.float32) < 1e-12


def test_tokens_that_are_masked_do_not_count():
    encoded = ContrastBatch((Contrast([1, 2, 3], [1, 4, 3], 5, 6),)).encode(None)
    logits = torch.ones(1, 1, 12)
    logits[..., 0] = -torch.inf
    assert metric_noise(logit_diff, encoded, (logits, logits), torch.float32) < 1e-5
