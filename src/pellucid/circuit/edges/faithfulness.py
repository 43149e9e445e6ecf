"""How faithful a set of edges is, in every sense side by side, measured.

With f(K) as in ``measure.py`` and C the circuit,

    sufficiency        f(C): what is left with every other edge cut
    comprehensiveness  1 - f(all but C): what is lost when the circuit's edges are cut
    completeness gap   mean of |f(C minus K) - f(all minus K)| over random parts K of C: a circuit
                       that holds all of the mechanism breaks as the model does (Wang et al. 2022)
    kept right         share of the examples that the model gets right and the circuit too

Random circuits of two kinds stand beside the sufficiency: connected ones of the same size, and ones
with as many edges between the same layers.
"""

from dataclasses import dataclass, replace
from typing import Literal, Unpack

import pandas as pd
import torch

from pellucid.callbacks import expect
from pellucid.circuit.edges.circuit import EdgeCircuit, EdgeNames, resolve_edges
from pellucid.circuit.edges.measure import EdgeMeasure
from pellucid.circuit.edges.optimal_ablation import optimal_constants
from pellucid.circuit.edges.sets import EdgeSet
from pellucid.circuit.nodes.faithfulness import (
    Category,
    categorise,
    f1,
    percentile_of,
    why_undefined,
)
from pellucid.errors import EditError
from pellucid.keywords import keywords_of
from pellucid.model.model import Model, opened
from pellucid.model.random_sets import random_edges
from pellucid.options import ABLATION, RANDOM_SETS, Ablation
from pellucid.passes import metering
from pellucid.results.passes import Passes
from pellucid.results.result import Result
from pellucid.run.identity import demand_made_of
from pellucid.run.provenance import with_provenance
from pellucid.run.setup import RecordKeywords, RecordOptions, demand_setup_of
from pellucid.stats.interval import Interval
from pellucid.task.contrast import Contrasts

_PARTS = 10
"""Random parts of the circuit from which the completeness gap is averaged."""


@dataclass(frozen=True, kw_only=True)
class EdgeFaithfulness(Result):
    """Measured faithfulness of one circuit of edges under one ablation."""

    ablation: str
    size: int
    out_of: int
    sufficiency: float
    sufficiency_interval: Interval
    """Over the prompts that were measured."""
    comprehensiveness: float
    comprehensiveness_interval: Interval
    f1: float
    category: Category
    completeness_gap: float
    """0 is a circuit that breaks as the model does."""
    largest_gap: float
    kept_right: float | None
    metric_all: float
    metric_none: float
    metric_circuit: float
    metric_without: float
    random_connected: tuple[float, ...]
    random_like: tuple[float, ...]
    passes: Passes
    noise: float = 0.0
    """Largest difference of the metric's mean that rounding explains."""

    @property
    def undefined(self) -> str:
        """Why shares are undefined (NaN), in words; empty where they are defined."""
        return why_undefined(self.sufficiency, self.metric_all - self.metric_none, self.noise)

    @property
    def percentile_connected(self) -> float | None:
        """Percentage of random connected circuits of this size that are less sufficient."""
        return percentile_of(self.sufficiency, self.random_connected)

    @property
    def percentile_like(self) -> float | None:
        """Percentage of less sufficient random sets with as many edges between the same layers."""
        return percentile_of(self.sufficiency, self.random_like)

    def to_frame(self) -> pd.DataFrame:
        """Columns ``measure effect low high``, one row per sense of faithfulness."""
        blank = (float("nan"), float("nan"))
        rows = [
            ("sufficiency", self.sufficiency, *self.sufficiency_interval.ends),
            ("comprehensiveness", self.comprehensiveness, *self.comprehensiveness_interval.ends),
            ("f1", self.f1, *blank),
            ("completeness_gap", self.completeness_gap, *blank),
            ("kept_right", blank[0] if self.kept_right is None else self.kept_right, *blank),
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=["measure", "effect", "low", "high"])

    def __str__(self) -> str:
        return f"{self.size} of {self.out_of} edges, {self.ablation} values elsewhere\n" + (
            self.undefined or self.to_frame().to_string(index=False)
        )


@with_provenance
@keywords_of(RecordOptions)
def edge_faithfulness(
    model: Model,
    contrast: Contrasts,
    circuit: EdgeNames,
    *,
    ablation: Ablation | Literal["optimal"] = ABLATION,
    random_sets: int = RANDOM_SETS,
    measure: EdgeMeasure | None = None,
    **options: Unpack[RecordKeywords],
) -> EdgeFaithfulness:
    """Measure ``circuit``: an ``EdgeCircuit``, a matrix, or edges as ``("L5H1", "L9H6.q")``.

    ``random_sets`` of each kind are measured for the percentiles. With ``ablation="optimal"`` cut
    edges carry the constants that hurt this circuit least (``optimal_ablation.py``), in every set
    measured. ``RecordOptions`` says what the other options are.

    **Cost** 2 forwards + 1 backward to record (none with ``measure``), 3 forwards for the circuit,
    20 for the completeness gap and 1 per random set; batched, none run twice. ``optimal`` 50
    forwards + 50 backwards more.
    **Raises** ``EditError`` for an edge that the model does not have, ``MismatchError`` for a
    circuit, trace or measure of other weights or another question (the circuit's ``names`` can be
    measured on any).
    """
    recording = RecordOptions(**options)
    kept = resolve_edges(opened(model), circuit)
    if isinstance(circuit, EdgeCircuit):
        demand_made_of(model, contrast, circuit, "EdgeCircuit")
    if random_sets < 0:
        raise EditError(f"random_sets={random_sets}: there can be no fewer than 0.")
    generator = torch.Generator().manual_seed(recording.seed)
    with metering() as meter:
        if measure is None:
            setup = recording.setup(model, contrast)
            carried = optimal_constants(setup, kept) if ablation == "optimal" else ablation
            measure = EdgeMeasure(replace(setup, ablation=carried))
        else:
            demand_setup_of(model, contrast, measure.setup, recording, ablation)
            measure.demand_own_metric()
        without = measure.all & ~kept
        parts = [_part(kept, generator) for _ in range(_PARTS)]
        size = int(kept.sum())
        draws = range(random_sets)
        grown = [random_edges(kept, model.anatomy, generator, matched="connected") for _ in draws]
        like = [random_edges(kept, model.anatomy, generator, matched="layers") for _ in draws]
        # One call for everything, so that it is batched together.
        wanted = [kept, without, *(kept & ~p for p in parts), *(measure.all & ~p for p in parts),
                  *grown, *like]  # fmt: skip
        expect(len(wanted) + 2)  # beside everything kept, and nothing
        f = measure.fraction(wanted)
        right = measure.kept_right([kept])
        own, rest = measure.intervals([kept, without])
        ends = measure.metric([measure.all, measure.none, kept, without]).double().mean(1).tolist()
    in_circuit, in_model = f[2 : 2 + _PARTS], f[2 + _PARTS : 2 + 2 * _PARTS]
    gaps = [abs(a - b) for a, b in zip(in_circuit, in_model, strict=True)]
    chance = f[2 + 2 * _PARTS :]
    return EdgeFaithfulness(
        ablation=ablation if ablation == "optimal" else measure.setup.ablation_name,
        size=size,
        out_of=int(measure.all.sum()),
        sufficiency=f[0],
        sufficiency_interval=own,
        comprehensiveness=1 - f[1],
        comprehensiveness_interval=rest.mirrored(),
        f1=f1(f[0], 1 - f[1]),
        category=categorise(f[0], 1 - f[1]),
        completeness_gap=sum(gaps) / _PARTS,
        largest_gap=max(gaps),
        kept_right=None if right is None else right[0],
        metric_all=ends[0],
        metric_none=ends[1],
        metric_circuit=ends[2],
        metric_without=ends[3],
        random_connected=tuple(chance[:random_sets]),
        random_like=tuple(chance[random_sets:]),
        passes=meter.passes,
        noise=measure.noise,
    )


def _part(kept: EdgeSet, generator: torch.Generator) -> EdgeSet:
    """Each edge of ``kept`` with a chance that is itself drawn, so that parts of all sizes come."""
    chance = torch.rand((), generator=generator)
    return kept & (torch.rand(kept.shape, generator=generator) < chance)
