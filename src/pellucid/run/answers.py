"""What a model says next, plainly: used to judge prompts and to tell what it prefers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.model.model import Model
from pellucid.model.running.forward import Batch, forward, undisturbed
from pellucid.options import METRIC
from pellucid.results.registry import stored
from pellucid.run.gradient import demand_finite
from pellucid.run.record import Trace
from pellucid.task.contrast import Contrast, ContrastBatch
from pellucid.task.encode import Encoded
from pellucid.task.metrics import Metric, sequence_log_prob
from pellucid.task.metrics import metric as resolve_metric
from pellucid.task.tokens import label

BATCH = 32
"""Prompts per call when many are only measured."""


@stored
@dataclass(frozen=True, kw_only=True)
class TopToken:
    """One continuation that the model considers."""

    token: str
    id: int
    probability: float


def top_tokens(model: Model, trace: Trace, k: int = 5) -> tuple[TopToken, ...]:
    """The ``k`` likeliest next tokens of the first example's clean prompt; no pass of its own."""
    logits = trace.logits_clean[0, 0].float()
    best = logits.softmax(-1).topk(min(k, len(logits)))
    return tuple(
        TopToken(token=spell(model, int(i)), id=int(i), probability=float(p))
        for p, i in zip(best.values, best.indices, strict=True)
    )


def probability_of(trace: Trace, which: Literal["answer", "foil"]) -> float:
    """Of the whole answer, or foil, on the clean prompt, mean over examples; no pass of its own."""
    encoded = trace.encoded
    tokens, real = {
        "answer": (encoded.answers, encoded.answers_real),
        "foil": (encoded.foils, encoded.foils_real),
    }[which]
    scored = sequence_log_prob(trace.logits_clean, encoded, tokens, real)
    return float(scored.exp().mean())


def spell(model: Model, token_id: int) -> str:
    """A token's text, or its number when there is no tokenizer."""
    if model.tokenizer is None:
        return str(token_id)
    return str(model.tokenizer.decode([token_id])) or label(model.tokenizer, token_id)


def metrics_of(
    model: Model, contrasts: Sequence[Contrast], metric: str | Metric = METRIC
) -> list[tuple[float, float]]:
    """Metric on the clean and on each corrupted prompt, for contrasts that share a clean prompt.

    **Cost** 1 forward for the clean prompt and 1 per contrast, batched.
    """
    encoded = ContrastBatch(tuple(contrasts)).encode(
        model.tokenizer, max_positions=model.max_positions, vocab_size=model.anatomy.d_vocab
    )
    encoded = encoded.to(model.device)
    measure = resolve_metric(metric)
    clean = float(_measured(model, encoded.take([0]), measure, "clean"))
    found: list[float] = []
    for begin in range(0, len(contrasts), BATCH):
        part = encoded.take(range(begin, min(begin + BATCH, len(contrasts))))
        found += _measured(model, part, measure, "corrupted").tolist()
    return [(clean, corrupted) for corrupted in found]


def _measured(
    model: Model, encoded: Encoded, metric: Metric, side: Literal["clean", "corrupted"]
) -> Float[Tensor, " example"]:
    with undisturbed(model.module), torch.no_grad():
        tokens = (encoded.clean if side == "clean" else encoded.corrupted).clone()
        batch = Batch(
            tokens=tokens, real=encoded.real, reads=encoded.reads, forwards=encoded.n_examples
        )
        logits = forward(model.module, model.anatomy, batch)
        values = metric(logits, encoded)
    demand_finite(values, "metric")
    return values
