"""Metrics: from the logits at the reads to one number an example.

A metric is a differentiable function ``metric(logits, encoded)`` of the logits at
``encoded.reads``, shape ``[*variant, row, read, d_vocab]``, that returns ``[*variant, example]``.
Any number of variant dimensions may come first. Logits of less than float32 are computed in
float32.

Higher means more of the behaviour, except for ``KL``, which is a distance: zero for the run that
it refers to, and growing as a run departs from it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pellucid.errors import NonFiniteError, TaskError
from pellucid.options import METRIC
from pellucid.shapes import Logits, PerExample
from pellucid.task.encode import Encoded

Metric: TypeAlias = Callable[[Tensor, Encoded], Tensor]


def logit_diff(logits: Logits, encoded: Encoded) -> PerExample:
    """Log-probability of the answer minus that of the foil, in nats.

    For an answer and a foil of one token each this is the difference of their two logits, exactly
    (the normaliser is the same and is left out), as in Wang et al. 2022 (arXiv:2211.00593). Longer
    ones are scored as sequences. Higher: the answer is preferred more.
    """
    logits = at_least_float32(logits)
    scored = chosen(logits, encoded.answers, encoded.answers_real) - chosen(
        logits, encoded.foils, encoded.foils_real
    )
    once = encoded.answers_real.int() - encoded.foils_real.int()
    if bool(once.any()):  # a normaliser that does not cancel: continuations of several tokens
        scored = scored - logits.logsumexp(-1) * once
    return by_example(scored, encoded)


def logit_diff_per_token(logits: Logits, encoded: Encoded) -> PerExample:
    """Mean log-probability of the answer's tokens minus that of the foil's, in nats a token.

    Length-normalised, so that an answer is not preferred for being shorter than its foil; where
    each is one token it is ``logit_diff``. Higher: the answer is preferred more.
    """
    logits = at_least_float32(logits)
    scored = logits.new_zeros(())
    normaliser = logits.logsumexp(-1)
    for sign, tokens, real in (
        (1, encoded.answers, encoded.answers_real),
        (-1, encoded.foils, encoded.foils_real),
    ):
        count = by_example(real.to(logits.dtype), encoded)[encoded.example, None]
        scored = scored + sign * (chosen(logits, tokens, real) - normaliser * real) / count
    return by_example(scored, encoded)


def log_prob(logits: Logits, encoded: Encoded) -> PerExample:
    """Log-probability of the answer in nats, summed over its tokens. Higher: more likely."""
    return sequence_log_prob(logits, encoded, encoded.answers, encoded.answers_real)


def logit(logits: Logits, encoded: Encoded) -> PerExample:
    """Logit of the answer, summed over its tokens: before the softmax, so not of a probability.

    Adding one number to every logit changes it and no probability; ``log_prob`` knows no such
    number. Higher: more likely, all else equal.
    """
    logits = at_least_float32(logits)
    return by_example(chosen(logits, encoded.answers, encoded.answers_real), encoded)


def prob_diff(logits: Logits, encoded: Encoded) -> PerExample:
    """Probability of the answer minus that of the foil, from -1 to 1. Higher: preferred more."""
    return (
        sequence_log_prob(logits, encoded, encoded.answers, encoded.answers_real).exp()
        - sequence_log_prob(logits, encoded, encoded.foils, encoded.foils_real).exp()
    )


@dataclass(frozen=True, eq=False)
class KL:
    """KL(reference || run) in nats, the mean over an example's reads.

    ``reference`` is the logits at the reads of the run that is compared with, as a rule the clean
    one, ``[row, read, d_vocab]``. A distance: zero for the reference itself, higher for a run that
    is further from it. So a circuit is faithful when it stays *low*, and normalised faithfulness
    (m - m_corrupted) / (m_clean - m_corrupted) reads as for any other metric. Its gradient on the
    reference run is zero, a minimum; first-order attribution with it must start from the corrupted
    run. Used by ACDC (Conmy et al. 2023, arXiv:2304.14997).
    """

    reference: Float[Tensor, "row read d_vocab"]
    __name__ = "kl"

    def __call__(self, logits: Logits, encoded: Encoded) -> PerExample:
        """The distance of each example."""
        p = at_least_float32(self.reference).detach().log_softmax(-1)
        q = at_least_float32(logits).log_softmax(-1)
        here = encoded.reads_real
        # Where p is zero its term is zero, also when both logarithms are minus infinity.
        terms = torch.where(p.exp() > 0, p.exp() * (p - q), 0.0)
        total = by_example(terms.sum(-1) * here, encoded)
        count = by_example(here.to(total.dtype), encoded)
        return total / count


@dataclass(frozen=True, eq=False)
class Nearness:
    """Minus the distance, so that higher is closer to the clean run, as for every other metric."""

    distance: KL
    __name__ = "kl"

    def __call__(self, logits: Tensor, encoded: Encoded) -> Tensor:
        """Minus the distance of each example."""
        return -self.distance(logits, encoded)


@dataclass(frozen=True)
class Checked:
    """A metric of the user's own, its result checked at each call."""

    function: Metric

    @property
    def __name__(self) -> str:
        return getattr(self.function, "__name__", type(self.function).__name__)

    def __call__(self, logits: Logits, encoded: Encoded) -> PerExample:
        """The function's values.

        **Raises** ``TaskError`` for another shape than [*variant, example], ``NonFiniteError`` for
        NaN or infinity.
        """
        values = self.function(logits, encoded)
        wanted = (*logits.shape[:-3], encoded.n_examples)
        found = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        if found != wanted:
            raise TaskError(
                f"The metric {self.__name__!r} returned {found} for logits of shape "
                f"{tuple(logits.shape)} [*variant, row, read, d_vocab]; it must return one number "
                f"an example, shape {wanted}, and keep any dimensions that come first."
            )
        if not bool(values.isfinite().all()):
            bad = (~values.isfinite()).nonzero()[0].tolist()
            raise NonFiniteError(
                f"The metric {self.__name__!r} is {values[tuple(bad)].item()} at [*variant, "
                f"example] = {bad}. Look for a logarithm of zero or a division by zero in it."
            )
        return values


METRICS: dict[str, Metric] = {
    "logit_diff": logit_diff,
    "logit_diff_per_token": logit_diff_per_token,
    "log_prob": log_prob,
    "logit": logit,
    "prob_diff": prob_diff,
}


def metric(of: str | Metric = METRIC, *, reference: Tensor | None = None) -> Metric:
    """The metric of that name, or the user's own function with its results checked.

    "kl" needs ``reference``, the logits at the reads of the clean run.

    **Raises** ``TaskError`` for an unknown name.
    """
    if isinstance(of, KL | Checked) or of in METRICS.values():
        return of  # type: ignore[return-value]
    if isinstance(of, str) and of in METRICS:
        return METRICS[of]
    if callable(of):
        return Checked(of)
    if of == "kl" and reference is not None:
        return KL(reference)
    if of == "kl":
        raise TaskError(
            'The metric "kl" is a distance from a run, and none was given. Pass KL(reference) with '
            "the logits at the reads of the clean run."
        )
    raise TaskError(
        f"No metric is called {of!r}. There are {', '.join(METRICS)}, kl; or give a function "
        "of (logits, encoded) that returns one number an example."
    )


def sequence_log_prob(
    logits: Logits,
    encoded: Encoded,
    tokens: Int[Tensor, "row read"],
    real: Bool[Tensor, "row read"],
) -> PerExample:
    """Sum of log p(token) over the reads where ``real``."""
    logits = at_least_float32(logits)
    scored = chosen(logits, tokens, real) - logits.logsumexp(-1) * real
    return by_example(scored, encoded)


def chosen(
    logits: Logits, tokens: Int[Tensor, "row read"], real: Bool[Tensor, "row read"]
) -> Float[Tensor, "*variant row read"]:
    """The logit of each read's token; 0 where not ``real``."""
    index = tokens.expand(logits.shape[:-1]).unsqueeze(-1)
    return logits.gather(-1, index).squeeze(-1) * real


def by_example(
    scored: Float[Tensor, "*variant row read"], encoded: Encoded
) -> Float[Tensor, "*variant example"]:
    """Sums over the reads and rows of each example."""
    rows = scored.sum(-1)
    empty = rows.new_zeros(*rows.shape[:-1], encoded.n_examples)
    return empty.index_add(-1, encoded.example, rows)


def at_least_float32(logits: Tensor) -> Tensor:
    """Half precision made single; single and double as they are."""
    return logits if logits.dtype in (torch.float32, torch.float64) else logits.float()
