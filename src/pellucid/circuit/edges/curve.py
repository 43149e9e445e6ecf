"""Faithfulness against size: the curve, and the numbers that MIB draws from it.

For fractions k of all edges, the connected part of the best ``int(k * edges)`` edges is measured,
f as in ``measure.py``. Over the linear axis from 0.001 to 1, by trapezoids (Mueller et al.
2025, arXiv:2504.13151):

    CPR = integral of f           large where few edges carry much; not bounded, rewards overshoot
    CMD = integral of |1 - f|     small where few edges behave as the model does

Nearly all of that axis is circuits too large to look at: sizes up to 5 % are 4.9 % of it. So the
same means over the logarithm of size stand beside them, every size's own value with its interval,
the share of examples kept right, and random circuits.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, TypeAlias, Unpack, get_args

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.attribution.edges.scores import EdgeScores
from pellucid.callbacks import expect
from pellucid.circuit.edges.circuit import EdgeCircuit
from pellucid.circuit.edges.measure import EdgeMeasure
from pellucid.circuit.edges.sets import SELECTIONS, Selection
from pellucid.errors import EditError
from pellucid.keywords import keywords_of
from pellucid.model.model import Model, opened
from pellucid.model.random_sets import random_connected
from pellucid.options import RANDOM_SETS
from pellucid.passes import metering
from pellucid.results.passes import Passes
from pellucid.results.result import Result
from pellucid.results.views import shown
from pellucid.run.identity import demand_estimates_of, demand_made_of
from pellucid.run.provenance import with_provenance
from pellucid.run.setup import MeasureKeywords, MeasureOptions
from pellucid.stats.area import area, log_mean
from pellucid.stats.interval import Interval
from pellucid.task.contrast import Contrasts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FRACTIONS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""MIB's fractions of all edges."""
_Order: TypeAlias = Literal["absolute", "signed"]
Ranking: TypeAlias = EdgeScores | EdgeCircuit | Float[Tensor, "sender slot"]
"""What ranks edges; numbers alone, which say nothing of what they are of, rank any question's."""


@dataclass(frozen=True, kw_only=True)
class EdgeCurve(Result):
    """f of growing circuits, taken from one ranking of the edges."""

    ranked_by: str
    order: _Order
    selection: Selection
    ablation: str
    out_of: int
    fractions: tuple[float, ...]
    asked: tuple[int, ...]
    """Edges taken at each fraction."""
    sizes: tuple[int, ...]
    """Edges left of them when what leads nowhere is left out."""
    f: tuple[float, ...]
    intervals: tuple[Interval, ...]
    kept_right: tuple[float, ...] | None
    random: tuple[tuple[float, ...], ...]
    """For each fraction, f of random connected circuits of as many edges."""
    passes: Passes

    @property
    def cpr(self) -> float:
        """Integral of f over the linear axis."""
        return area(self.fractions, self.f)

    @property
    def cmd(self) -> float:
        """Integral of |1 - f| over the linear axis."""
        return area(self.fractions, [abs(1 - f) for f in self.f])

    @property
    def log_cpr(self) -> float:
        """Mean of f over the logarithm of size."""
        return log_mean(self.fractions, self.f)

    @property
    def log_cmd(self) -> float:
        """Mean of |1 - f| over the logarithm of size."""
        return log_mean(self.fractions, [abs(1 - f) for f in self.f])

    def to_frame(self) -> pd.DataFrame:
        """Columns ``fraction asked size effect low high kept_right``; ``effect`` is f."""
        ends = [interval.ends for interval in self.intervals]
        return pd.DataFrame(
            {
                "fraction": self.fractions,
                "asked": self.asked,
                "size": self.sizes,
                "effect": self.f,
                "low": [low for low, _ in ends],
                "high": [high for _, high in ends],
                "kept_right": self.kept_right or [float("nan")] * len(self.f),
            }
        )

    def plot(self) -> "Figure":
        """f against the number of edges asked for, with the middle 90 % of random circuits."""
        return shown(self, "figure")

    def __str__(self) -> str:
        return (
            f"CPR {self.cpr:.3f}, CMD {self.cmd:.3f} (linear axis); "
            f"mean f {self.log_cpr:.3f}, mean |1 - f| {self.log_cmd:.3f} (log axis)\n"
            + self.to_frame().to_string(index=False)
        )


@with_provenance
@keywords_of(MeasureOptions)
def edge_curve(
    model: Model,
    contrast: Contrasts,
    scores: Ranking,
    *,
    selection: Selection = "greedy",
    order: _Order = "absolute",
    fractions: tuple[float, ...] = FRACTIONS,
    random_sets: int = RANDOM_SETS,
    **options: Unpack[MeasureKeywords],
) -> EdgeCurve:
    """Measure circuits of growing ``fractions`` of all edges, the best by ``scores`` first.

    An ``EdgeCircuit`` lends what its own edges were ranked by. Both are refused when they are of
    another question; ``scores.matrix``, numbers alone, ranks the edges of any.

    ``order="signed"`` takes the edges that support the answer first, which is how MIB reports CPR;
    ``"absolute"`` is how it reports CMD. ``MeasureOptions`` says what the other options are.

    **Cost** 2 forwards + 1 backward to record, 1 forward per fraction, and one per random set and
    fraction; batched.
    **Raises** ``EditError`` for scores of another shape, or fractions that do not rise from 0 to 1;
    ``MismatchError`` for scores of other weights, another question or metric.
    """
    chosen = MeasureOptions(**options)
    _check(selection, order, fractions, random_sets)
    anatomy = opened(model).anatomy
    total = int(anatomy.edges.sum())
    asked = [int(fraction * total) for fraction in fractions]
    generator = torch.Generator().manual_seed(chosen.seed)
    given, ranked_by = _ranking(scores)
    matrix = given if order == "absolute" else _from_zero(given)
    sets = [SELECTIONS[selection](anatomy, matrix, size) for size in asked]
    chance = [
        [random_connected(anatomy, size, generator) for _ in range(random_sets)] for size in asked
    ]
    with metering() as meter:
        setup = chosen.setup(model, contrast)
        if isinstance(scores, EdgeScores):
            demand_estimates_of(model, contrast, scores, setup.trace)
        elif isinstance(scores, EdgeCircuit):
            demand_made_of(model, contrast, scores, "EdgeCircuit", metric=setup.trace.metric)
        measure = EdgeMeasure(setup)
        wanted = [*sets, *(one for some in chance for one in some)]
        expect(len(wanted) + 2)  # beside everything kept, and nothing
        f = measure.fraction(wanted)
        intervals, right = measure.intervals(sets), measure.kept_right(sets)
    at_random = f[len(sets) :]
    return EdgeCurve(
        ranked_by=ranked_by,
        order=order,
        selection=selection,
        ablation=setup.ablation_name,
        out_of=total,
        fractions=tuple(fractions),
        asked=tuple(asked),
        sizes=tuple(int(s.sum()) for s in sets),
        f=tuple(f[: len(sets)]),
        intervals=tuple(intervals),
        kept_right=None if right is None else tuple(right),
        random=tuple(
            tuple(at_random[i * random_sets : (i + 1) * random_sets]) for i in range(len(sets))
        ),
        passes=meter.passes,
    )


def _ranking(scores: Ranking) -> tuple[torch.Tensor, str]:
    """The numbers that rank, and what they are called."""
    if isinstance(scores, EdgeCircuit):
        return scores.scores, scores.ranked_by
    return (scores.matrix, scores.method) if isinstance(scores, EdgeScores) else (scores, "given")


def _from_zero(matrix: torch.Tensor) -> torch.Tensor:
    """Scores moved so that none is negative: sorting by size then sorts by sign and size."""
    return matrix - matrix.nan_to_num(0.0).min()


def _check(selection: str, order: str, fractions: tuple[float, ...], random_sets: int) -> None:
    rising = all(a < b for a, b in pairwise(fractions))
    if not fractions or not rising or fractions[0] <= 0 or fractions[-1] > 1:
        raise EditError(f"fractions={fractions}: give numbers that rise, above 0 and up to 1.")
    if selection not in SELECTIONS:
        raise EditError(f"selection={selection!r}: choose one of {tuple(SELECTIONS)}.")
    if order not in get_args(_Order) or random_sets < 0:
        raise EditError(
            f"order={order!r}, random_sets={random_sets}: choose an order from {get_args(_Order)} "
            "and 0 or more random sets."
        )
