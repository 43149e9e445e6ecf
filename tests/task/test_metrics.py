import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pellucid.errors import NonFiniteError, TaskError
from pellucid.task.contrast import Contrast, ContrastBatch
from pellucid.task.metrics import KL, Checked, log_prob, logit_diff, metric, prob_diff

VOCABULARY = 11
SINGLE = ContrastBatch.of([Contrast([1, 2, 3], [1, 4, 3], 5, 6), Contrast([7], [8], 9, 0)])
MIXED = ContrastBatch.of(
    [
        Contrast([1, 2, 3], [1, 4, 3], [5, 6, 7], [8]),
        Contrast([7], [8], 9, 0),
        Contrast([3, 2], [4, 2], [5, 1], [5, 2, 9]),
    ]
)


class Summing(nn.Module):
    """A causal model small enough to trust: decayed sum of what came before, then two layers."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        shapes = (VOCABULARY, 8), (12, 8), (8, 8), (8, VOCABULARY)
        self.token, self.place, self.inner, self.out = (
            torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes
        )

    def forward(self, ids, position_ids, real):
        x = (self.token[ids] + self.place[position_ids]) * real[..., None]
        return torch.tanh(x.cumsum(1) @ self.inner) @ self.out

    def at_reads(self, encoded, ids=None):
        logits = self(encoded.clean if ids is None else ids, encoded.position_ids, encoded.real)
        index = encoded.reads[..., None].expand(-1, -1, VOCABULARY)
        return logits.gather(1, index)

    def step_by_step(self, prompt, continuation):
        """Sum of conditional log-probabilities, one unpadded forward a token."""
        total = 0.0
        for end, token in enumerate(continuation):
            ids = torch.tensor([[*prompt, *continuation[:end]]])
            real = torch.ones_like(ids, dtype=torch.bool)
            logits = self(ids, torch.arange(ids.shape[1])[None], real)[0, -1]
            total += float(logits[token] - torch.log(torch.exp(logits).sum()))
        return total


def sequence(ids):
    return (ids,) if isinstance(ids, int) else ids


@pytest.mark.parametrize("padding", ["right", "left"])
@pytest.mark.parametrize("batch", [SINGLE, MIXED])
def test_scores_are_sums_of_conditional_log_probabilities(batch, padding):
    model = Summing()
    encoded = batch.encode(None, padding=padding)
    logits = model.at_reads(encoded)
    answer = [model.step_by_step(one.clean, sequence(one.answer)) for one in batch]
    foil = [model.step_by_step(one.clean, sequence(one.foil)) for one in batch]
    pairs = list(zip(answer, foil, strict=True))
    close = {"rel": 1e-9, "abs": 1e-12}
    assert log_prob(logits, encoded).tolist() == pytest.approx(answer, **close)
    assert logit_diff(logits, encoded).tolist() == pytest.approx([a - f for a, f in pairs], **close)
    assert prob_diff(logits, encoded).tolist() == pytest.approx(
        [math.exp(a) - math.exp(f) for a, f in pairs], **close
    )


def test_single_tokens_are_exactly_the_difference_of_logits():
    encoded = SINGLE.encode(None)
    logits = torch.randn(2, 1, VOCABULARY) * 30
    expected = torch.stack([logits[0, 0, 5] - logits[0, 0, 6], logits[1, 0, 9] - logits[1, 0, 0]])
    assert torch.equal(logit_diff(logits, encoded), expected)


@pytest.mark.parametrize("measure", [logit_diff, log_prob, prob_diff, "kl"])
@pytest.mark.parametrize("batch", [SINGLE, MIXED])
def test_gradient_against_finite_differences(measure, batch):
    encoded = batch.encode(None)
    generator = torch.Generator().manual_seed(1)
    shape = (*encoded.reads.shape, VOCABULARY)
    logits, reference = (torch.randn(shape, generator=generator).double() for _ in range(2))
    chosen = metric(measure, reference=reference)
    assert torch.autograd.gradcheck(lambda x: chosen(x, encoded), logits.requires_grad_())


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 3), max_size=2), st.sampled_from(["logit_diff", "prob_diff", "kl"]))
def test_variants_are_measured_each_alone(variants, name):
    encoded = MIXED.encode(None)
    logits = torch.randn(*variants, *encoded.reads.shape, VOCABULARY, dtype=torch.float64)
    chosen = metric(name, reference=torch.randn(*encoded.reads.shape, VOCABULARY).double())
    values = chosen(logits, encoded)
    assert values.shape == (*variants, 3)
    flat = logits.reshape(-1, *encoded.reads.shape, VOCABULARY)
    alone = torch.stack([chosen(one, encoded) for one in flat])
    torch.testing.assert_close(values.reshape(-1, 3), alone)


def test_what_is_not_read_does_not_count():
    encoded = MIXED.encode(None)
    logits = torch.randn(*encoded.reads.shape, VOCABULARY, dtype=torch.float64)
    changed = torch.where(encoded.reads_real[..., None], logits, torch.randn_like(logits))
    for chosen in (logit_diff, log_prob, prob_diff, KL(logits)):
        torch.testing.assert_close(chosen(logits, encoded), chosen(changed, encoded))


def test_kl_is_a_distance_from_its_reference():
    encoded = SINGLE.encode(None)
    clean, other = torch.randn(2, 2, 1, VOCABULARY, dtype=torch.float64)
    distance = KL(clean)
    assert distance(clean, encoded).tolist() == pytest.approx([0, 0], abs=1e-12)
    p, q = (torch.exp(x) / torch.exp(x).sum(-1, keepdim=True) for x in (clean, other))
    by_hand = (p * torch.log(p / q)).sum(-1)[:, 0]
    torch.testing.assert_close(distance(other, encoded), by_hand)
    assert (by_hand > 0).all()


def test_kl_with_tokens_that_cannot_occur():
    encoded = SINGLE.encode(None)
    logits = torch.randn(2, 1, VOCABULARY)
    logits[..., 3] = -math.inf
    assert KL(logits)(logits, encoded).tolist() == pytest.approx([0, 0], abs=1e-6)


def test_half_precision_is_read_in_single():
    encoded = MIXED.encode(None)
    logits = torch.randn(*encoded.reads.shape, VOCABULARY).bfloat16()
    for chosen in (logit_diff, log_prob, prob_diff, KL(logits)):
        values = chosen(logits, encoded)
        assert values.dtype == torch.float32
        torch.testing.assert_close(values, chosen(logits.float(), encoded))


def test_names():
    assert metric() is logit_diff
    assert metric("prob_diff") is prob_diff
    assert isinstance(metric("kl", reference=torch.zeros(1, 1, 2)), KL)
    assert metric(log_prob) is log_prob
    with pytest.raises(TaskError, match=r"No metric is called 'logits'\. There are logit_diff"):
        metric("logits")
    with pytest.raises(TaskError, match=r"KL\(reference\)"):
        metric("kl")


def test_own_function_is_checked():
    encoded = SINGLE.encode(None)
    logits = torch.randn(4, 2, 1, VOCABULARY)

    def first_logit(logits, encoded):
        return logits[..., 0, 0]

    own = metric(first_logit)
    assert isinstance(own, Checked)
    assert own.__name__ == "first_logit"
    assert metric(own) is own
    assert torch.equal(own(logits, encoded), logits[..., 0, 0])
    with pytest.raises(TaskError, match=r"returned \(\) for logits .* shape \(4, 2\)"):
        metric(lambda logits, encoded: logits.mean())(logits, encoded)
    with pytest.raises(TaskError, match="returned float"):
        metric(lambda logits, encoded: 1.0)(logits, encoded)
    with pytest.raises(NonFiniteError, match=r"is inf at .* = \[0, 0\]"):
        metric(lambda logits, encoded: logits[..., 0, 0] / 0)(logits.abs(), encoded)
