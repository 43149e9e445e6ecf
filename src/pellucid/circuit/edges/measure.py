"""Measuring sets of edges: the metric with every other edge cut, each set run only once.

With m(K) the metric when every edge outside K is cut,

    f(K) = (m(K) - m(none)) / (m(all) - m(none))

so f(all) = 1 and f(none) = 0 by construction, never clipped. With corrupted values m(none) is the
corrupted metric, for then every slot reads the corrupted stream.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.circuit.edges.sets import EdgeSet
from pellucid.circuit.limits import Limited
from pellucid.run.edges.cut import run_cut
from pellucid.run.identity import metric_name, refuse
from pellucid.run.setup import Setup
from pellucid.stats.interval import Interval, ratio_interval
from pellucid.stats.rounding import share_of
from pellucid.task.metrics import Metric, logit_diff, logit_diff_per_token, prob_diff

_SIGNED = (logit_diff, logit_diff_per_token, prob_diff)
"""Metrics whose sign says which of the two is preferred."""
Examples: TypeAlias = Int[Tensor, " example"] | None
"""Indices of examples; None for all."""


class EdgeMeasure(Limited):
    """Remembers the metric of every set of kept edges that was run.

    Inside ``limited_to`` asking for more forwards than are left raises ``BudgetError`` before any
    is run.
    """

    def __init__(self, setup: Setup, *, metric: Metric | None = None) -> None:
        super().__init__()
        self.setup = setup
        self.all: EdgeSet = setup.model.anatomy.edges
        self.none: EdgeSet = torch.zeros_like(self.all)
        self._metric = metric
        self._values = setup.values()
        self._known: dict[bytes, Float[Tensor, " example"]] = {}

    @property
    def by_question(self) -> bool:
        """Whether sets are measured in the question's own metric, not in another."""
        return self._metric is None

    @property
    def noise(self) -> float:
        """Largest difference of two sets' metrics that rounding explains."""
        trace = self.setup.trace
        return trace.noise if self._metric is None else trace.noise_of(self._metric)

    def demand_own_metric(self) -> None:
        """**Raises** ``MismatchError`` for a measure in another metric than the question's."""
        if self._metric is not None:
            asked = metric_name(self.setup.trace.metric)
            refuse("measure", [("metric", metric_name(self._metric), asked)])

    def unknown(self, sets: Iterable[EdgeSet]) -> list[EdgeSet]:
        """Those of ``sets`` that were not measured before, each once."""
        new = {_key(s): s for s in sets if _key(s) not in self._known}
        return list(new.values())

    def metric(self, sets: Sequence[EdgeSet]) -> Float[Tensor, "set example"]:
        """Metric per example when only the edges of each set are kept.

        **Cost** 1 forward per set not measured before, batched.
        """
        new = self.unknown(sets)
        to_run = sum(not torch.equal(s, self.all) for s in new)
        if new:
            self.setup.demand_weights()
            self.spend(to_run)
            cut = self.all & ~torch.stack(new)
            found = run_cut(self.setup, cut, self._values, metric=self._metric)
            self._known |= {_key(s): row for s, row in zip(new, found.cpu(), strict=True)}
        return torch.stack([self._known[_key(s)] for s in sets])

    def fraction(self, sets: Sequence[EdgeSet], among: Examples = None) -> list[float]:
        """f(K) of each set, from the example means; NaN when only rounding tells all from none.

        ``among`` limits the means to those examples.
        """
        found = self.metric([*sets, self.all, self.none]).double()
        means = (found if among is None else found[:, among]).mean(1)
        *values, whole, none = means.tolist()
        return [share_of(value - none, whole - none, self.noise) for value in values]

    def intervals(self, sets: Sequence[EdgeSet], among: Examples = None) -> list[Interval]:
        """Interval over examples of each set's f, or why there is none."""
        found = self.metric([*sets, self.all, self.none]).double()
        *values, whole, none = (found if among is None else found[:, among]).numpy()
        units = self.setup.trace.encoded.units
        units = units if among is None else units.take(among.tolist())
        return [
            ratio_interval(value - none, whole - none, units, noise=self.noise) for value in values
        ]

    def kept_right(self, sets: Sequence[EdgeSet]) -> list[float] | None:
        """Of the examples that the whole model gets right, the share that each set gets right.

        None when the metric's sign does not tell (it does for differences of answer and foil), or
        the model gets none right.
        """
        if self._metric is not None or self.setup.trace.metric not in _SIGNED:
            return None
        *values, whole = self.metric([*sets, self.all]) > 0
        if not bool(whole.any()):
            return None
        return [float((value & whole).sum() / whole.sum()) for value in values]


def _key(edges: EdgeSet) -> bytes:
    return hashlib.blake2b(np.packbits(edges.numpy()).tobytes()).digest()
