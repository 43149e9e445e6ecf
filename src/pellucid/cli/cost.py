"""What an analysis would cost: passes by step, and time from one measured forward."""

import textwrap
import time
from collections.abc import Iterator, Mapping
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

_WHY = {
    "judge corrupted prompts": "none was given: those that are made are run, and the one that "
    "moves the metric most is taken",
    "attribute": "a gradient at each step between the prompts; the steps double until they add up",
    "record": "both prompts once; estimates are computed from it",
    "curve": "how much of the answer the highest ranked nodes carry, by how many",
    "refine, prune and check": "the search; it ends as soon as no node can go, and at --budget",
    "faithfulness and check of estimates": "the circuit kept alone and replaced, and the highest "
    "ranked nodes one by one",
    "random sets": "circuits of the same size, to compare with chance (--random-sets)",
    "self-repair": "what does more once the circuit is replaced",
    "lens": "the stream read after every sublayer (--include)",
    "direct effects": "what each part writes towards the answer itself (--include)",
    "tokens": "each token replaced in turn by several others (--include)",
    "attention": "patterns of the heads worth showing (--include)",
}
"""Why each step is run, by the first words of its name."""
_WIDTH = 80
_OF_DIRECT = 3
"""Backwards of direct effects, each of one token."""


def planned(model: Model, question: AskedQuestion, options: AnalysisOptions) -> dict[str, Any]:
    """Forwards of each step at the most, their sum, and the seconds that they would take.

    **Cost** 3 plain forwards, of which the quicker of the last two counts.
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


def plan_text(plan: Mapping[str, Any], model: Model) -> str:
    """A plan in words, in at most 80 columns: each step with its forwards and its reason."""
    return "\n".join(_plan_lines(plan, model))


def _plan_lines(plan: Mapping[str, Any], model: Model) -> Iterator[str]:
    yield f"Nothing was analysed. On {model.name} this would run, at the most:"
    yield ""
    for step, forwards in plan.items():
        why = next((_WHY[name] for name in _WHY if step.startswith(name)), None)
        if why is not None and forwards:
            yield f"  {forwards:5d} {'forward' if forwards == 1 else 'forwards'}: {step}"
            yield from textwrap.wrap(why, _WIDTH, initial_indent=" " * 10,
                                     subsequent_indent=" " * 10)  # fmt: skip
    yield ""
    told = (
        f"In all at most {plan['forwards at most']} forwards and {plan['backwards at most']} "
        f"backwards. One forward of this question took {plan['seconds of one forward']:.3g} s "
        "here, measured just now on the opened model; with each backward counted as two, all of it "
        f"takes about {spoken(plan['seconds at most'])} at the most. A search that ends before "
        "its budget takes less, and forwards that share a call too."
    )
    yield from textwrap.wrap(told, _WIDTH)


def spoken(seconds: float) -> str:
    """A time in words."""
    if seconds < 90:
        return f"{max(1, round(seconds))} seconds"
    return f"{round(seconds / 60)} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


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
    """How long one plain forward takes: the quicker of two, behind one that is not counted."""
    took = []
    for _ in range(3):
        began = time.perf_counter()
        with undisturbed(model.module), torch.no_grad():
            forward(model.module, model.anatomy, Batch(tokens=tokens))
        took.append(time.perf_counter() - began)
    return min(took[1:])
