"""What an analysis would cost: passes by step, and time from one measured forward."""

import time
from typing import Any

import torch
from torch import Tensor

from pellucid.analysis.forwards import forwards_by_step
from pellucid.analysis.options import AnalysisOptions
from pellucid.cli.question import AskedQuestion
from pellucid.model.model import Model
from pellucid.model.running.forward import Batch, forward, undisturbed
from pellucid.run.question import encode_contrast
from pellucid.task.align import check_length
from pellucid.task.contrast import Contrast
from pellucid.task.tokens import continuation_ids, prompt_ids

_OF_DIRECT = 3
"""Backwards of direct effects, each of one token."""


def planned(model: Model, question: AskedQuestion, options: AnalysisOptions) -> dict[str, Any]:
    """Forwards of each step at the most, their sum, and the seconds that they would take.

    **Cost** 2 plain forwards, of which the second is timed.
    **Raises** what the analysis would for a question that this model cannot be asked.
    """
    tokens = tokens_of(model, question)
    steps = forwards_by_step(model, options, judged=question.judged(model), length=tokens.shape[1])
    one, total = seconds(model, tokens), sum(steps.values())
    backwards = 1 + steps[f"attribute by {options.method}"] + steps["self-repair"]
    backwards += _OF_DIRECT if "direct_effects" in options.include else 0
    return {
        **steps,
        "forwards at most": total,
        "backwards at most": backwards,
        "seconds of one forward": round(one, 4),
        "seconds at most": round((total + 2 * backwards) * one, 1),
    }


def tokens_of(model: Model, question: AskedQuestion) -> Tensor:
    """What one forward of the question runs."""
    if question.contrasts is not None:
        return encode_contrast(model, question.contrasts).clean
    if question.corrupted is not None:
        asked = Contrast(question.prompt, question.corrupted, question.answer, question.foil)
        return encode_contrast(model, asked).clean
    ids = prompt_ids(question.prompt, model.tokenizer, vocab_size=model.anatomy.d_vocab)
    answer, foil = (continuation_ids(x, model.tokenizer) for x in (question.answer, question.foil))
    check_length(ids, answer, foil, model.max_positions)
    return torch.tensor([ids], device=model.device)


def seconds(model: Model, tokens: Tensor) -> float:
    """How long one plain forward takes, the first not counted."""
    for _ in range(2):
        began = time.perf_counter()
        with undisturbed(model.module), torch.no_grad():
            forward(model.module, model.anatomy, Batch(tokens=tokens))
        took = time.perf_counter() - began
    return took
