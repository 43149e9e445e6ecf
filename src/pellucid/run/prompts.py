"""Plain prompts: their ids on the model's device, and one forward of them with taps."""

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from pellucid.errors import ContextLengthError
from pellucid.model.model import Model
from pellucid.model.running.forward import Batch, Start, forward, undisturbed
from pellucid.model.running.taps import Taps
from pellucid.shapes import Logits, Tokens
from pellucid.task.tokens import prompt_ids


def prompt_tokens(model: Model, prompt: str | Sequence[int]) -> Int[Tensor, "1 pos"]:
    """One prompt as the model reads it.

    **Raises** ``TokenError`` for a prompt that is not tokens of this model, and
    ``ContextLengthError`` for one that is too long for it.
    """
    ids = prompt_ids(prompt, model.tokenizer, vocab_size=model.anatomy.d_vocab)
    if model.max_positions is not None and len(ids) > model.max_positions:
        raise ContextLengthError(
            f"The prompt has {len(ids)} tokens; the model reads at most {model.max_positions}.",
            length=len(ids),
            limit=model.max_positions,
        )
    return torch.tensor([ids], device=model.device)


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
