"""How far rounding moves a metric between two runs: from logits to the metric's own unit."""

import torch
from torch import Tensor

from pellucid.shapes import Logits
from pellucid.stats.rounding import rounding_noise
from pellucid.task.encode import Encoded
from pellucid.task.metrics import (
    KL,
    Metric,
    Nearness,
    at_least_float32,
    chosen,
    log_prob,
    logit,
    logit_diff,
    logit_diff_per_token,
    prob_diff,
    sequence_log_prob,
)


def metric_noise(
    metric: Metric, encoded: Encoded, runs: tuple[Logits, ...], stored: torch.dtype
) -> float:
    """Largest difference of the metric's mean over examples that rounding explains.

    ``runs`` are the logits of runs that are compared, ``stored`` the coarsest dtype on their way.
    With u the bound for the difference of two logits (``stats/rounding.py``):

        logit_diff_per_token   u
        logit_diff, log_prob, logit
                               u for each token scored, on the average of answer and foil
        prob_diff              that much of the probability itself, which is exp of a sum of logs
        kl                     2 u^2: the clean run is its minimum, where only curvature is left;
                               and 2 eps of the logits for its evaluation in single precision
        any other              u / 2 for each unit of its gradient's size (L1) by the logits

    **Cost** none of the model.
    """
    largest = max(_largest_logit(logits, encoded) for logits in runs)
    unit = rounding_noise(largest, stored)
    if isinstance(metric, KL | Nearness):
        return 2 * unit**2 + 2 * torch.finfo(torch.float32).eps * largest
    tokens = float(encoded.answers_real.sum() + encoded.foils_real.sum()) / 2
    each = unit * tokens / encoded.n_examples
    if metric in (logit_diff, log_prob, logit):
        return each
    if metric is logit_diff_per_token:
        return unit
    if metric is prob_diff:
        return each * max(_largest_probability(logits, encoded) for logits in runs)
    return unit / 2 * max(_gradient_size(metric, logits, encoded) for logits in runs)


def _largest_logit(logits: Logits, encoded: Encoded) -> float:
    """In size, of the likeliest tokens and of those scored; others may be masked by -inf."""
    scored = (
        chosen(logits, encoded.answers, encoded.answers_real),
        chosen(logits, encoded.foils, encoded.foils_real),
    )
    return float(torch.stack([logits.amax(-1), *scored]).abs().max())


def _largest_probability(logits: Logits, encoded: Encoded) -> float:
    """Of the answer or the foil of any example."""
    scored = (
        sequence_log_prob(logits, encoded, encoded.answers, encoded.answers_real),
        sequence_log_prob(logits, encoded, encoded.foils, encoded.foils_real),
    )
    return float(torch.stack(scored).exp().max())


def _gradient_size(metric: Metric, logits: Logits, encoded: Encoded) -> float:
    """Sum over logits of the absolute gradient, mean over examples; 1 where there is none."""
    with torch.inference_mode(False), torch.enable_grad():
        leaf = at_least_float32(logits).detach().clone().requires_grad_()
        total: Tensor = metric(leaf, encoded).sum()
        if not total.requires_grad:
            return 1.0
        (gradient,) = torch.autograd.grad(total, [leaf])
    return float(gradient.abs().sum()) / encoded.n_examples
