"""``steer``: what adding a vector does, beside what else would do it, and what else it does.

1. Without steering, and with a prompt that asks for it, the preference for ``toward`` over ``away``
   is measured behind every prompt, and what the model predicts on neutral texts.
2. For each scale the vector is added, and then random directions of the same length.

A vector that does no more than they do, or than the prompt at a higher price in KL, steers nothing
of its own. (AxBench: Wu et al. 2025, arXiv:2501.17148, where prompts beat every vector.)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict, Unpack

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.callbacks import expect
from pellucid.errors import TaskError, TokenError
from pellucid.keywords import keywords_of
from pellucid.model.model import Model, opened
from pellucid.options import RANDOM_DIRECTIONS, SEED, SIDE_TASK, STEERING_SCALES
from pellucid.passes import metering
from pellucid.run.prompts import read_prompt
from pellucid.run.provenance import with_provenance
from pellucid.steering.controls import (
    Fluency,
    Rows,
    Vectors,
    accuracy,
    fluency,
    preferences,
    random_like,
    rows_of,
    shift_in_kl,
)
from pellucid.steering.effects import Steering
from pellucid.steering.neutral import NEUTRAL
from pellucid.steering.steering_vector import Prompted
from pellucid.steering.vector import SteeringVector
from pellucid.task.builtin import task
from pellucid.task.contrast import ContrastBatch
from pellucid.task.tokens import label, prompt_ids, token_id

_CONTRASTS = 16
"""Contrasts of the built-in task."""
_FEWEST_WORDS = 2


@dataclass(frozen=True, kw_only=True)
class SteerOptions:
    """Options of ``steer``.

    ``layers`` (default: the vector's best) are steered together. ``random_directions`` of the same
    length stand beside the vector, drawn by ``seed``. ``neutral`` are the texts on which side
    effects are measured (default: eight plain sentences), ``task`` the built-in task, None for
    none.
    """

    scales: Sequence[float] = STEERING_SCALES
    layers: int | Sequence[int] | None = None
    random_directions: int = RANDOM_DIRECTIONS
    seed: int = SEED
    neutral: Sequence[Prompted] | None = None
    task: str | None = SIDE_TASK


class SteerKeywords(TypedDict, total=False):
    """Keywords of ``steer``, for type checkers and editors."""

    scales: Sequence[float]
    layers: int | Sequence[int] | None
    random_directions: int
    seed: int
    neutral: Sequence[Prompted] | None
    task: str | None


@with_provenance
@keywords_of(SteerOptions)
def steer(
    model: Model,
    vector: SteeringVector,
    prompts: Sequence[Prompted],
    toward: str | int,
    away: str | int,
    *,
    instruction: Prompted,
    **options: Unpack[SteerKeywords],
) -> Steering:
    """Measure what a steering vector does behind ``prompts``, with the controls that it needs.

    The effect is how much the logit of the token ``toward`` rises against that of ``away``, on
    prompts that the vector was not made from. ``instruction`` is put before each prompt: a prompt
    that asks for the same, without a vector. ``SteerOptions`` says what the other options are.

    **Cost** 4 forwards for no steering, 2 for the instruction, and 3 for the vector and each random
    direction at each scale, in batches of prompts.
    **Raises** ``TaskError`` for no prompts, no scale or a negative number of directions,
    ``TokenError`` where ``toward`` or ``away`` are not one token, ``EditError`` for a layer that is
    not there, ``NonFiniteError`` for a scale that breaks the model.
    """
    opened(model)
    chosen = _checked(SteerOptions(**options), prompts)
    size = model.anatomy.d_vocab
    pair = tuple(token_id(model.tokenizer, one, vocab_size=size) for one in (toward, away))
    vectors = vector.chosen(model, chosen.layers, 1.0)
    scales = tuple(map(float, chosen.scales))
    drawn = [random_like(vectors, chosen.seed + n) for n in range(chosen.random_directions)]
    expect(6 + 3 * len(scales) * (1 + len(drawn)))
    with metering() as meter:
        setting = _setting(model, prompts, (pair[0], pair[1]), instruction, chosen)
        plain = setting.measured({})
        asked = setting.asked()
        rows = [
            [setting.measured(_scaled(one, scale)) for one in (vectors, *drawn)] for scale in scales
        ]
    measures = {
        name: torch.tensor([[getattr(one, name) for one in row] for row in rows])
        for name in ("kl", "perplexity", "accuracy")
    }
    preference = torch.stack([torch.stack([one.preference for one in row]) for row in rows])
    return Steering(
        toward=label(model.tokenizer, pair[0]),
        away=label(model.tokenizer, pair[1]),
        instruction=instruction
        if isinstance(instruction, str)
        else " ".join(map(str, instruction)),
        layers=tuple(site.layer for site in vectors),
        scales=scales,
        task=chosen.task,
        preference=preference,
        plain=plain.preference,
        asked=asked.preference,
        kl=measures["kl"],
        perplexity=measures["perplexity"],
        accuracy=measures["accuracy"],
        plain_perplexity=plain.perplexity,
        plain_accuracy=plain.accuracy,
        asked_kl=asked.kl,
        asked_perplexity=asked.perplexity,
        passes=meter.passes,
    )


@dataclass(frozen=True)
class _Measured:
    """What one way of steering did."""

    preference: Float[Tensor, " prompt"]
    kl: float
    perplexity: float
    accuracy: float


@dataclass(frozen=True)
class _Setting:
    """Prompts and texts as rows, and what the model predicts on the texts by itself."""

    model: Model
    pair: tuple[int, int]
    prompts: Rows
    asking: Rows
    neutral: Rows
    neutral_asked: Rows
    skipped: int
    """Tokens of the instruction in front of the neutral texts."""
    contrasts: ContrastBatch | None
    plain: Fluency

    def measured(self, vectors: Vectors) -> _Measured:
        """With ``vectors`` added. **Cost** 3 forwards, 2 without a task."""
        found = fluency(self.model, self.neutral, vectors)
        right = float("nan")
        if self.contrasts is not None:
            right = accuracy(self.model, self.contrasts, vectors)
        return _Measured(
            preferences(self.model, self.prompts, self.pair, vectors),
            shift_in_kl(self.plain, found),
            found.perplexity,
            right,
        )

    def asked(self) -> _Measured:
        """With the instruction in front instead. **Cost** 2 forwards."""
        found = fluency(self.model, self.neutral_asked, {}, self.skipped)
        return _Measured(
            preferences(self.model, self.asking, self.pair, {}),
            shift_in_kl(self.plain, found),
            found.perplexity,
            float("nan"),
        )


def _setting(
    model: Model,
    prompts: Sequence[Prompted],
    pair: tuple[int, int],
    instruction: Prompted,
    chosen: SteerOptions,
) -> _Setting:
    """What is measured on, as rows. **Cost** 1 forward."""
    front = read_prompt(model, instruction, name="instruction")
    plain = [read_prompt(model, one) for one in prompts]
    asking = [_behind(model, instruction, one) for one in prompts]
    neutral = _neutral(model, chosen.neutral, len(front))
    start = getattr(model.tokenizer, "bos_token_id", None)
    dropped = int(start is not None and neutral[0][0] == start)
    rows = rows_of(model, neutral)
    return _Setting(
        model=model,
        pair=pair,
        prompts=rows_of(model, plain),
        asking=rows_of(model, asking),
        neutral=rows,
        neutral_asked=rows_of(model, [front + ids[dropped:] for ids in neutral]),
        skipped=len(front) - dropped,
        contrasts=None if chosen.task is None else _contrasts(model, chosen),
        plain=fluency(model, rows, {}),
    )


def _neutral(model: Model, given: Sequence[Prompted] | None, front: int) -> list[tuple[int, ...]]:
    """Texts for side effects; ours are cut to what the model reads behind ``front`` tokens."""
    if given is None:
        room = None if model.max_positions is None else max(model.max_positions - front, 0)
        found = [prompt_ids(one, model.tokenizer, name="neutral text")[:room] for one in NEUTRAL]
    else:
        found = [read_prompt(model, one, name="neutral text") for one in given]
    if min(map(len, found)) < _FEWEST_WORDS:
        raise TokenError("A neutral text has 1 token, so nothing is predicted in it. Give longer.")
    return found


def _behind(model: Model, instruction: Prompted, prompt: Prompted) -> tuple[int, ...]:
    """A prompt with the instruction before it: text behind text, or ids behind its ids."""
    if isinstance(prompt, str) and isinstance(instruction, str):
        return read_prompt(model, instruction + prompt)
    return (*read_prompt(model, instruction, name="instruction"), *read_prompt(model, prompt))


def _contrasts(model: Model, chosen: SteerOptions) -> ContrastBatch:
    if model.tokenizer is None:
        raise TaskError("The built-in task needs a tokenizer; pass task=None to leave it out.")
    assert chosen.task is not None
    return task(chosen.task)(model.tokenizer, _CONTRASTS, chosen.seed)


def _scaled(vectors: Vectors, scale: float) -> Vectors:
    return {site: scale * vector for site, vector in vectors.items()}


def _checked(chosen: SteerOptions, prompts: Sequence[Prompted]) -> SteerOptions:
    if isinstance(prompts, str) or not len(prompts):
        raise TaskError(f"prompts={prompts!r:.40}: give a list of at least one prompt.")
    if not len(chosen.scales) or chosen.random_directions < 0:
        raise TaskError(
            f"scales={chosen.scales!r}, random_directions={chosen.random_directions}: give at "
            "least one scale, and 0 or more random directions."
        )
    if chosen.neutral is not None and not len(chosen.neutral):
        raise TaskError("neutral=[]: give at least one text, or leave it out.")
    return chosen
