"""``das``: a subspace that is learned to hold what tells two prompts apart, and whether it does.

1. Examples are split; equal ones, and those of one group, stay together.
2. Directions are learned on one part (``learn.py``), and exchanged on the other (``interchange``).
3. The same is learned for answers drawn by coin, which nothing in the model can hold, and in a
   model of random weights. What they reach by themselves, learning reaches without a variable.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypedDict, Unpack

import numpy as np
import torch
from torch import Tensor

from pellucid.callbacks import expect
from pellucid.causal.exchange import Exchange, exchange_at, within
from pellucid.causal.interchange import place_of_exchange, with_controls
from pellucid.causal.learn import Learned, learned
from pellucid.causal.result import AlignedSubspace, share_right
from pellucid.errors import EditError, TaskError
from pellucid.keywords import keywords_of
from pellucid.model.model import Model, opened
from pellucid.model.sites import Site
from pellucid.options import DAS_RATE, DAS_STEPS, EXCHANGE_DRAWS, SEED
from pellucid.passes import metering
from pellucid.probing.controls import random_weight_model
from pellucid.run.provenance import with_provenance
from pellucid.run.question import encode_contrast
from pellucid.task.contrast import ContrastBatch, Contrasts

_FEWEST = 4


@dataclass(frozen=True, kw_only=True)
class DasOptions:
    """Options of ``das``.

    ``steps`` of Adam at ``rate``; ``test_share`` of the examples is held out; ``draws`` of random
    dimensions and placebo changes; ``arbitrary`` and ``random_model`` are the controls that are
    learned, too, each for as many steps.
    """

    steps: int = DAS_STEPS
    rate: float = DAS_RATE
    test_share: float = 0.5
    draws: int = EXCHANGE_DRAWS
    arbitrary: bool = True
    random_model: bool = True
    seed: int = SEED


class DasKeywords(TypedDict, total=False):
    """Keywords of ``das``, for type checkers and editors."""

    steps: int
    rate: float
    test_share: float
    draws: int
    arbitrary: bool
    random_model: bool
    seed: int


@with_provenance
@keywords_of(DasOptions)
def das(
    model: Model,
    contrast: Contrasts,
    site: Site | str,
    *,
    k: int = 1,
    positions: int | Sequence[int] = -1,
    **options: Unpack[DasKeywords],
) -> AlignedSubspace:
    """Learn ``k`` directions at ``site`` that hold what tells clean from corrupted prompts.

    Distributed alignment search (Geiger et al. 2024, arXiv:2303.02536): directions are turned until
    exchanging the component along them makes corrupted prompts say the answer. Everything that is
    reported as held out was measured on other examples. ``DasOptions`` says what the options are.

    **Cost** 6 forwards, 1 forward and 1 backward for each step, 2 forwards for each draw; steps and
    3 more for each control that is learned.
    **Raises** ``EditError`` for a site or position that is not there, ``TaskError`` for fewer than
    four examples or numbers that mean nothing.
    """
    opened(model)
    chosen = _checked(DasOptions(**options), k)
    at, where = place_of_exchange(site, positions)
    batch = ContrastBatch.of(contrast)
    train, test = _parts(batch, chosen)
    expect(6 + 2 * chosen.draws + (1 + chosen.arbitrary + chosen.random_model) * (chosen.steps + 3))
    with metering() as meter:
        sides = _sides(model, (train, test), at, where)
        if k > sides[0].base.shape[-1]:
            raise EditError(f"k={k}: the site has values of {sides[0].base.shape[-1]} numbers.")
        found = _learned(sides[0], k, chosen)
        with torch.no_grad():
            held_out = with_controls(sides[1], found.basis, where, chosen.draws, chosen.seed)
        before = meter.passes
        trained = _accuracy(sides[0], found)
        coin = _by_coin(sides, k, chosen) if chosen.arbitrary else (float("nan"), float("nan"))
        chance = float("nan")
        if chosen.random_model:
            others = _sides(random_weight_model(model, chosen.seed), (train, test), at, where)
            chance = _accuracy(others[1], _learned(others[0], k, chosen))
    return AlignedSubspace(
        basis=found.basis,
        held_out=replace(held_out, passes=before),
        trained=trained,
        losses=found.losses,
        arbitrary_trained=coin[0],
        arbitrary=coin[1],
        random_model=chance,
        passes=meter.passes,
    )


def _sides(
    model: Model, parts: Sequence[ContrastBatch], site: Site, positions: tuple[int, ...]
) -> list[Exchange]:
    return [exchange_at(model, encode_contrast(model, one), site, positions) for one in parts]


def _learned(
    exchange: Exchange, k: int, chosen: DasOptions, signs: Tensor | None = None
) -> Learned:
    return learned(exchange, k, chosen.steps, chosen.rate, chosen.seed, signs)


def _accuracy(exchange: Exchange, found: Learned, signs: Tensor | None = None) -> float:
    with torch.no_grad():
        metric = exchange.metric(within(found.basis)).cpu()
    return share_right(metric if signs is None else metric * signs)


def _by_coin(sides: Sequence[Exchange], k: int, chosen: DasOptions) -> tuple[float, float]:
    """Accuracy on both parts of a subspace that learned answers drawn by coin."""
    generator = torch.Generator().manual_seed(chosen.seed)
    signs = [
        torch.randint(0, 2, one.metric_base.shape, generator=generator).double() * 2 - 1
        for one in sides
    ]
    found = _learned(sides[0], k, chosen, signs[0])
    return _accuracy(sides[0], found, signs[0]), _accuracy(sides[1], found, signs[1])


def _parts(batch: ContrastBatch, chosen: DasOptions) -> tuple[ContrastBatch, ContrastBatch]:
    """Examples to learn from and to hold out; equal ones on one side."""
    kinds = list(dict.fromkeys(repr((one.clean, one.corrupted)) for one in batch))
    if len(kinds) < _FEWEST:
        raise TaskError(
            f"The question holds {len(kinds)} different examples; learning and holding out takes "
            f"at least {_FEWEST}."
        )
    order = np.random.default_rng(chosen.seed).permutation(len(kinds))
    held = min(max(round(chosen.test_share * len(kinds)), 1), len(kinds) - 1)
    out = {kinds[i] for i in order[:held]}
    named = [(repr((one.clean, one.corrupted)) in out, one) for one in batch]
    return (
        ContrastBatch(tuple(one for is_out, one in named if not is_out)),
        ContrastBatch(tuple(one for is_out, one in named if is_out)),
    )


def _checked(chosen: DasOptions, k: int) -> DasOptions:
    if k < 1 or chosen.steps < 1 or chosen.draws < 0:
        raise TaskError(
            f"k={k}, steps={chosen.steps}, draws={chosen.draws}: give at least 1 dimension and 1 "
            "step, and 0 or more draws."
        )
    if not 0 < chosen.test_share < 1 or not chosen.rate > 0:
        raise TaskError(
            f"test_share={chosen.test_share}, rate={chosen.rate}: give a share between 0 and 1, "
            "and a rate above 0."
        )
    return chosen
