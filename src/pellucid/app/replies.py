"""What the model says behind a prompt, and where answer and foil stand in it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.app.jobs import FieldError
from pellucid.app.requests import Asked
from pellucid.errors import PellucidError
from pellucid.model.model import Model
from pellucid.model.sites import Site
from pellucid.run.gradient import demand_finite
from pellucid.run.prompts import prompt_tokens, run_tapped
from pellucid.task.contrast import Contrast
from pellucid.task.tokens import label, token_id

_SHOWN = 10
"""Candidates for what comes next."""
_FEW = 5
"""Candidates where several runs stand side by side."""
SiteTaps: TypeAlias = dict[Site, Callable[[Tensor], Tensor]]


@contextmanager
def blaming(field: str) -> Iterator[None]:
    """Errors of ours that are raised inside are about ``field``."""
    try:
        yield
    except PellucidError as error:
        raise FieldError(field, str(error)) from error


def one_token_pair(model: Model, asked: Asked) -> tuple[int, int]:
    """Answer and foil as ids, each one token."""
    found = []
    for name in ("answer", "foil"):
        with blaming(name):
            size = model.anatomy.d_vocab
            found.append(token_id(model.tokenizer, getattr(asked, name), vocab_size=size))
    if found[0] == found[1]:
        raise FieldError("foil", "Answer and foil are the same token; choose two.")
    return found[0], found[1]


def alone(model: Model, asked: Asked) -> Contrast:
    """The question about one prompt, where a contrast is wanted for what reads the first only."""
    with blaming("prompt"):
        ids = prompt_tokens(model, asked.prompt)[0].tolist()
    answer, foil = one_token_pair(model, asked)
    other = [answer if ids[0] != answer else foil, *ids[1:]]
    return Contrast(ids, other, answer, foil)


def read_next(model: Model, tokens: Tensor, taps: SiteTaps) -> Float[Tensor, " d_vocab"]:
    """Logits behind the prompt."""
    last = torch.tensor([[tokens.shape[1] - 1]], device=tokens.device)
    logits = run_tapped(model, tokens, taps, reads=last)[0, 0].float().cpu()
    demand_finite(logits, "model's output")
    return logits


def likeliest(model: Model, logits: Float[Tensor, " d_vocab"]) -> list[dict[str, Any]]:
    """The candidates for what comes next."""
    best = logits.softmax(-1).topk(min(_SHOWN, len(logits)))
    return [
        {"id": token, "token": label(model.tokenizer, token), "probability": probability}
        for token, probability in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]


def standing(
    model: Model, logits: Float[Tensor, " d_vocab"], pair: tuple[int, int]
) -> dict[str, Any]:
    """Where answer and foil stand in what the model says."""
    probability = logits.softmax(-1)
    return {
        "difference": float(logits[pair[0]] - logits[pair[1]]),
        "answer": float(probability[pair[0]]),
        "foil": float(probability[pair[1]]),
        "candidates": likeliest(model, logits)[:_FEW],
    }
