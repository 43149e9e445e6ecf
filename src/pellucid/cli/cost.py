"""What an analysis would cost: passes by step, and time from one measured forward."""

import time
from typing import Any

import torch
from torch import Tensor

from pellucid.analysis.analyze import REPAIR
from pellucid.attribution.nodes import STEPS
from pellucid.circuit.nodes.circuit import replaceable
from pellucid.circuit.nodes.discover import forwards_planned
from pellucid.cli.options import Question
from pellucid.model.model import Model
from pellucid.model.running.forward import Batch, forward, undisturbed
from pellucid.options import NodeMethod, Over
from pellucid.run.question import encode
from pellucid.task.align import check_length
from pellucid.task.contrast import Contrast
from pellucid.task.corrupt import candidates
from pellucid.task.metrics import Metric
from pellucid.task.tokens import continuation_ids, prompt_ids

AFTER_SEARCH = 30
"""Forwards that measure the circuit found and its highest ranked nodes, at the most."""


def planned(
    model: Model,
    question: Question,
    *,
    method: NodeMethod,
    metric: str | Metric,
    over: Over,
    budget: int,
    random_sets: int,
) -> dict[str, Any]:
    """Forwards of each step at the most, their sum, and the seconds that they would take.

    **Cost** 2 plain forwards, of which the second is timed.
    **Raises** what the analysis would for a question that this model cannot be asked.
    """
    tokens = tokens_of(model, question)
    integrated = 0 if method == "atp" else sum(STEPS)
    steps = {
        "judge corrupted prompts": prompts_to_judge(model, question),
        f"attribute by {method}": integrated,
        **forwards_planned(len(replaceable(model, over)), budget, metric),
        "faithfulness and check of estimates": AFTER_SEARCH,
        "random sets": 2 * random_sets,
        "self-repair": 0 if metric == "kl" else REPAIR,
    }
    one, total = seconds(model, tokens), sum(steps.values())
    backwards = 1 + integrated + steps["self-repair"]
    return {
        **steps,
        "forwards at most": total,
        "backwards at most": backwards,
        "seconds of one forward": round(one, 4),
        "seconds at most": round((total + 2 * backwards) * one, 1),
    }


def tokens_of(model: Model, question: Question) -> Tensor:
    """What one forward of the question runs."""
    if question.contrasts is not None:
        return encode(model, question.contrasts).clean
    if question.corrupted is not None:
        asked = Contrast(question.prompt, question.corrupted, question.answer, question.foil)
        return encode(model, asked).clean
    ids = prompt_ids(question.prompt, model.tokenizer, vocab_size=model.anatomy.d_vocab)
    answer, foil = (continuation_ids(x, model.tokenizer) for x in (question.answer, question.foil))
    check_length(ids, answer, foil, model.max_positions)
    return torch.tensor([ids], device=model.device)


def prompts_to_judge(model: Model, question: Question) -> int:
    """Forwards that choose a corrupted prompt, if none was given."""
    if question.contrasts is not None or question.corrupted is not None:
        return 0
    proposed = candidates(model.tokenizer, question.prompt, question.answer, question.foil)
    return len(proposed) + bool(proposed)


def seconds(model: Model, tokens: Tensor) -> float:
    """How long one plain forward takes, the first not counted."""
    for _ in range(2):
        began = time.perf_counter()
        with undisturbed(model.module), torch.no_grad():
            forward(model.module, model.anatomy, Batch(tokens=tokens))
        took = time.perf_counter() - began
    return took
