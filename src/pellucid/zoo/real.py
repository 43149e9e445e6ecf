"""Node estimates on a real model, held against exact effects: the truth that no zoo holds.

1. Every node is patched alone, and the effects kept on the disk (``exact_effects``): they are
   measured once for a question and a model.
2. Each method estimates them, within its number of passes, and is scored against them.
3. Kinds of questions are split: methods are chosen on one half and reported on the other.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from pellucid.attribution.nodes import Attribution, attribute
from pellucid.attribution.patch import PatchEffects, patch
from pellucid.errors import EditError
from pellucid.model.model import Model
from pellucid.model.opening.gguf_cache import cache_folder
from pellucid.options import METRIC, NodeMethod
from pellucid.passes import metering
from pellucid.results.passes import Passes
from pellucid.results.registry import stored
from pellucid.results.result import Result
from pellucid.run.provenance import with_provenance
from pellucid.stats.agreement import rank_agreement
from pellucid.task.contrast import Contrast
from pellucid.zoo.real_questions import HALVES, Half

NODE_BUDGETS: Mapping[str, tuple[NodeMethod, int | None]] = {
    "atp-mask": ("atp-mask", None),
    "atp": ("atp", None),
    "ig-1": ("ig", 1),
    "ig-5": ("ig", 5),
    "mask-ig-1": ("mask-ig", 1),
    "mask-ig-5": ("mask-ig", 5),
}
"""Methods with their numbers of steps, by the name under which they are reported."""
LARGE_EFFECT = 0.1
"""Share of the metric difference from which an effect is large."""
MISSED_BELOW = 0.25
"""Share of a large effect below which its estimate has missed it."""
COMPARED = 10
"""How many of the largest effects and estimates are compared."""
Questions: TypeAlias = Mapping[Half, Mapping[str, Sequence[Contrast]]]
Numbers: TypeAlias = NDArray[np.float64]


@stored
@dataclass(frozen=True, kw_only=True)
class RealScore:
    """One method on one question, by its scores: estimates, or effects where it measures."""

    method: str
    half: str
    kind: str
    question: str
    """The clean prompt."""
    spearman: float
    pearson: float
    top: float
    """Share of the largest effects that are among the largest estimates."""
    large: int
    """Effects above a tenth of the metric difference."""
    missed: int
    """Large effects whose estimates are less than a quarter of them."""
    wrong_sign: int
    """Large effects whose estimates have the other sign."""
    forwards: int
    backwards: int


@dataclass(frozen=True, kw_only=True)
class RealResult(Result):
    """Every method on every question to one model."""

    model: str
    scores: tuple[RealScore, ...]
    passes: Passes
    """Without those that measured the effects, which are kept."""

    def to_frame(self) -> pd.DataFrame:
        """One row a method and question."""
        return pd.DataFrame([asdict(score) for score in self.scores])

    def summary(self) -> pd.DataFrame:
        """One row a half and method, cheapest first: accuracy against passes.

        Means over questions, ``least`` their minimum; ``large``, ``missed`` and ``wrong_sign`` are
        sums. ``pareto`` marks a method that no cheaper or equally dear one of its half surpasses in
        Spearman's and Pearson's mean both.
        """
        table = self.to_frame().groupby(["half", "method"], sort=False).agg(
            forwards=("forwards", "mean"),
            backwards=("backwards", "mean"),
            spearman=("spearman", "mean"),
            least_spearman=("spearman", "min"),
            pearson=("pearson", "mean"),
            least_pearson=("pearson", "min"),
            top=("top", "mean"),
            large=("large", "sum"),
            missed=("missed", "sum"),
            wrong_sign=("wrong_sign", "sum"),
        ).reset_index()  # fmt: skip
        table["pareto"] = [not _surpassed(table, i) for i in table.index]
        return table.sort_values(["half", "forwards"], kind="stable", ignore_index=True)

    def __str__(self) -> str:
        table = self.summary().to_string(index=False, float_format="{:.3f}".format)
        return f"{table}\nCost: {self.passes}, without the exact effects."


def _surpassed(table: pd.DataFrame, index: int) -> bool:
    """Whether another of the same half costs no more and is better by both correlations."""
    row, dear = table.loc[index], table.forwards + table.backwards
    better = (table.spearman > row.spearman) & (table.pearson > row.pearson)
    return bool((better & (table.half == row.half) & (dear <= dear[index])).any())


@with_provenance
def run_real(
    model: Model,
    methods: Sequence[str] = tuple(NODE_BUDGETS),
    *,
    questions: Questions = HALVES,
    cache: str | Path | None = None,
) -> RealResult:
    """Score estimates of ``methods`` (names of ``NODE_BUDGETS``) against exact effects.

    The effects are kept in the folder ``cache`` (default: in Pellucid's own, ``PELLUCID_CACHE``).

    **Cost** that of the methods; the first time also 2 forwards and 1 backward to record each
    question and 1 forward for every node of it.
    **Raises** ``EditError`` for a method that is not there, and what ``record`` raises.
    """
    unknown = [name for name in methods if name not in NODE_BUDGETS]
    if unknown or not methods:
        raise EditError(f"methods={unknown}: choose from {', '.join(NODE_BUDGETS)}.")
    folder = cache_folder() / "effects" if cache is None else Path(cache)
    asked = [
        (half, kind, contrast)
        for half, kinds in questions.items()
        for kind, contrasts in kinds.items()
        for contrast in contrasts
    ]
    exact = [exact_effects(model, contrast, folder) for _, _, contrast in asked]
    scores = []
    with metering() as meter:
        for (half, kind, contrast), effects in zip(asked, exact, strict=True):
            for name in methods:
                method, steps = NODE_BUDGETS[name]
                found = attribute(model, contrast, method=method, steps=steps)
                scores.append(_scored(name, (half, kind, str(contrast.clean)), found, effects))
    return RealResult(model=model.name, scores=tuple(scores), passes=meter.passes)


def exact_effects(model: Model, contrast: Contrast, folder: Path) -> PatchEffects:
    """The effect of every node, measured; read from ``folder`` if this version measured it before.

    **Cost** 2 forwards, 1 backward and 1 forward for every node; none if it was.
    """
    from pellucid import __version__

    made_by = [__version__, torch.__version__, model.weight_hash, str(model.dtype), METRIC]
    asked = json.dumps([*made_by, contrast.to_dict()])
    place = folder / hashlib.sha256(asked.encode()).hexdigest()[:16]
    if place.is_dir():
        return PatchEffects.load(place)
    folder.mkdir(parents=True, exist_ok=True)
    effects = patch(model, contrast, sites="nodes")
    effects.save(place)
    return effects


def _scored(
    name: str, asked: tuple[str, str, str], found: Attribution, exact: PatchEffects
) -> RealScore:
    estimate, effect = found.score.double().numpy(), exact.effect[0].double().numpy()
    large = np.abs(effect) > LARGE_EFFECT * abs(
        float((exact.metric_clean - exact.metric_corrupted).mean())
    )
    agreed = rank_agreement(estimate, effect)
    half, kind, question = asked
    return RealScore(
        method=name,
        half=half,
        kind=kind,
        question=question,
        spearman=agreed.spearman,
        pearson=agreed.pearson,
        top=len(largest(estimate) & largest(effect)) / min(COMPARED, len(effect)),
        large=int(large.sum()),
        missed=int((large & (estimate * np.sign(effect) < MISSED_BELOW * np.abs(effect))).sum()),
        wrong_sign=int((large & (estimate * effect < 0)).sum()),
        forwards=found.passes.forwards,
        backwards=found.passes.backwards,
    )


def largest(values: Numbers) -> set[int]:
    """Indices of the ``COMPARED`` largest by size."""
    return set(np.argsort(-np.abs(values), kind="stable")[:COMPARED].tolist())
