"""Probe sequences: random tokens said twice, and the same tokens shuffled.

A sequence is what the tokenizer puts before every prompt (BOS, for some), then ``length`` different
random tokens, then the same ones again in the same order. Nothing but the repetition predicts the
second half. In the shuffled sequences every token still comes twice, but where it comes says
nothing.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.errors import ContextLengthError, TaskError
from pellucid.model.model import Model
from pellucid.shapes import Logits, Tokens
from pellucid.task.draw import plain_tokens
from pellucid.task.tokens import encode


@dataclass(frozen=True, kw_only=True)
class Sequences:
    """Rows of ``prefix + 2 * length`` tokens."""

    repeated: Tokens
    prefix: int
    length: int

    def shuffled(self, generator: torch.Generator) -> Tokens:
        """These rows with what follows the prefix in random order."""
        return shuffle(self.repeated, self.prefix, self.repeated.shape[1], generator)

    def halves(self, loss: Float[Tensor, "*variant row pos"]) -> tuple[Tensor, Tensor]:
        """Mean loss on the first half, and on the second where the token before was seen before."""
        # Entry i is the loss of token i + 1; the first random token is predicted from the prefix
        # alone, the first of the repetition from a token that had not come before.
        middle = self.prefix + self.length
        first, second = loss[..., self.prefix : middle - 1], loss[..., middle:]
        return first.mean((-1, -2)), second.mean((-1, -2))


def draw_sequences(model: Model, *, rows: int, length: int, seed: int) -> Sequences:
    """``rows`` sequences of ordinary tokens (no special ones), drawn from ``seed``.

    **Raises** ``TaskError`` for sizes below 1 or a vocabulary that is too small,
    ``ContextLengthError`` for sequences that the model cannot read.
    """
    before, ordinary = prefix_ids(model), ordinary_ids(model)
    if rows < 1 or not 2 <= length <= len(ordinary):
        raise TaskError(
            f"sequences={rows}, length={length}: at least one sequence is needed, of 2 to "
            f"{len(ordinary)} tokens, as many as this vocabulary has."
        )
    limit = model.max_positions
    if limit is not None and len(before) + 2 * length > limit:
        raise ContextLengthError(
            f"length={length} gives sequences of {len(before) + 2 * length} tokens, and the model "
            f"reads at most {limit}. Pass length={(limit - len(before)) // 2} or less.",
            length=len(before) + 2 * length,
            limit=limit,
        )
    generator = torch.Generator().manual_seed(seed)
    pool = torch.tensor(ordinary)
    picks = [torch.randperm(len(pool), generator=generator)[:length] for _ in range(rows)]
    half = torch.stack([pool[pick] for pick in picks])
    start = torch.tensor(before, dtype=torch.long).expand(rows, -1)
    repeated = torch.cat([start, half, half], dim=1).to(model.device)
    return Sequences(repeated=repeated, prefix=len(before), length=length)


def fitting(model: Model, length: int) -> int:
    """``length``, or as much of it as the vocabulary and twice of which the model can read."""
    limit, before = model.max_positions, len(prefix_ids(model))
    readable = length if limit is None else (limit - before) // 2
    return min(length, len(ordinary_ids(model)), readable)


def shuffle(tokens: Tokens, start: int, end: int, generator: torch.Generator) -> Tokens:
    """``tokens`` with columns ``start`` to ``end`` in another random order in each row."""
    moved = tokens.clone()
    for row in moved:
        order = torch.randperm(end - start, generator=generator).to(tokens.device)
        row[start:end] = row[start:end][order]
    return moved


def prefix_ids(model: Model) -> tuple[int, ...]:
    """What the tokenizer puts before every prompt; nothing without a tokenizer."""
    if model.tokenizer is None:
        return ()
    whole, own = tuple(model.tokenizer("a")["input_ids"]), encode(model.tokenizer, "a")
    starts = (i for i in range(len(whole)) if whole[i : i + len(own)] == own)
    return whole[: next(starts, 0)]


def ordinary_ids(model: Model) -> list[int]:
    """Ids that are no special tokens; all of them without a tokenizer."""
    if model.tokenizer is None:
        return list(range(model.anatomy.d_vocab))
    return [i for i in plain_tokens(model.tokenizer) if i < model.anatomy.d_vocab]


def token_losses(logits: Logits, tokens: Tokens) -> Float[Tensor, "row next"]:
    """Minus the log-probability of every token but the first, given those before it, in nats."""
    wanted: Int[Tensor, "row next 1"] = tokens[:, 1:, None]
    logits = logits[:, :-1].float() if logits.dtype != torch.float64 else logits[:, :-1]
    return logits.logsumexp(-1) - logits.gather(-1, wanted)[..., 0]
