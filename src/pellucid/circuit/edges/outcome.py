"""What a search did to the size of a circuit, step by step, each with its measured value."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch

from pellucid.circuit.edges.measure import EdgeMeasure, Examples
from pellucid.circuit.edges.sets import EdgeSet
from pellucid.results.refusal import Refusal
from pellucid.results.registry import stored
from pellucid.stats.interval import Interval

StepName: TypeAlias = Literal["proposed", "ranked", "connected", "pruned"]


@stored
@dataclass(frozen=True, kw_only=True)
class SizeStep:
    """One choice: how many edges it left, and the sufficiency of what was left."""

    name: StepName
    """``proposed`` beyond chance over examples; ``ranked`` the smallest prefix that reaches the
    target; ``connected`` without what leads nowhere; ``pruned`` without whatever can go."""
    size: int
    sufficiency: float
    interval: Interval
    """Over the examples it was measured on."""


@dataclass(frozen=True)
class SearchOutcome:
    """What a search ends with."""

    kept: EdgeSet
    note: str = ""
    minimal: bool = False
    steps: tuple[SizeStep, ...] = ()
    refusal: Refusal | None = None

    @classmethod
    def refused(cls, none: EdgeSet, refusal: Refusal) -> "SearchOutcome":
        """No edge, and why."""
        return cls(none, refusal.text, refusal=refusal)

    @classmethod
    def unreached(cls, none: EdgeSet, text: str, target: float) -> "SearchOutcome":
        """No edge, since no set of them keeps as much as ``target``."""
        return cls.refused(
            none, Refusal(code="target_not_reached", text=text, data={"target": target})
        )


def steps_of(
    measure: EdgeMeasure, sets: dict[StepName, EdgeSet], among: Examples = None
) -> tuple[SizeStep, ...]:
    """The steps, measured on the examples ``among``; none when the budget has ended."""
    kept = list(sets.values())
    if len(measure.unknown([*kept, measure.none])) > measure.forwards_left:
        return ()
    values = measure.fraction(kept, among)
    intervals = measure.intervals(kept, among)
    return tuple(
        SizeStep(name=name, size=int(s.sum()), sufficiency=value, interval=interval)
        for (name, s), value, interval in zip(sets.items(), values, intervals, strict=True)
    )


def halves(n_examples: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Indices of the examples that choose edges, and of the third that is held out."""
    order = torch.randperm(n_examples, generator=torch.Generator().manual_seed(seed))
    held = n_examples // 3
    return order[held:].sort().values, order[:held].sort().values
