"""Plain prompts: their ids on the model's device, and one forward of them with taps."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from pellucid.errors import ContextLengthError, TaskError, TokenError
from pellucid.model.model import Model
from pellucid.model.running.forward import Batch, Start, forward, undisturbed
from pellucid.model.running.taps import Taps
from pellucid.shapes import Logits, Tokens
from pellucid.task.contrast import Contrast, ContrastBatch
from pellucid.task.tokens import prompt_ids


def read_prompt(
    model: Model, prompt: str | Sequence[int], *, name: str = "prompt"
) -> tuple[int, ...]:
    """One prompt's ids as this model reads it; ``name`` is what errors call it.

    **Raises** ``TaskError`` for a contrast, ``TokenError`` for what is not tokens of this model,
    and ``ContextLengthError`` for more than it can read.
    """
    if isinstance(prompt, Contrast | ContrastBatch):
        raise TaskError("A prompt is read here: pass contrast.clean or contrast.corrupted.")
    ids = prompt_ids(prompt, model.tokenizer, name=name, vocab_size=model.anatomy.d_vocab)
    if model.max_positions is not None and len(ids) > model.max_positions:
        raise ContextLengthError(
            f"The {name} has {len(ids)} tokens; the model reads at most {model.max_positions}.",
            length=len(ids),
            limit=model.max_positions,
        )
    return ids


def prompt_tokens(
    model: Model, prompt: str | Sequence[int] | Sequence[Sequence[int]]
) -> Int[Tensor, "row pos"]:
    """One prompt, or several of as many tokens, as the rows that the model runs.

    **Raises** ``TokenError`` for prompts of several lengths, and what ``read_prompt`` raises.
    """
    listed = isinstance(prompt, Sequence | Tensor | np.ndarray) and not isinstance(prompt, str)
    several = listed and len(prompt) > 0 and not is_id(prompt[0])
    rows = [read_prompt(model, row) for row in (prompt if several else [prompt])]  # type: ignore[arg-type]
    if len({len(row) for row in rows}) > 1:
        raise TokenError(
            f"The prompts have {[len(row) for row in rows]} tokens; give prompts of one length."
        )
    return torch.tensor(rows, device=model.device)


def is_id(value: Any) -> bool:
    """Whether a value is one token id: an integer of Python, numpy or torch."""
    return hasattr(value, "__index__") and not isinstance(value, str) and not np.ndim(value)


def run_tapped(
    model: Model,
    tokens: Tokens,
    taps: Taps,
    *,
    reads: Int[Tensor, "row read"] | None = None,
    start: Start | None = None,
) -> Logits:
    """Logits at ``reads`` (default: every position) with ``taps`` open.

    **Assumes** rows of one length, or padded on the right. A ``start`` is ignored where the model
    was not shown to begin in the middle exactly.
    **Cost** 1 forward.
    """
    if not model.check.can_start_late or (start is not None and start.layer == 0):
        start = None
    with undisturbed(model.module), torch.no_grad():
        batch = Batch(tokens=tokens.clone(), reads=reads, start=start)
        return forward(model.module, model.anatomy, batch, taps=taps)
