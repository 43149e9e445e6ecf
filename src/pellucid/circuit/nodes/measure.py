"""Measuring sets of nodes: the metric with everything else replaced, each set run only once.

With m(C) the metric when every replaceable node outside C is replaced,

    f(C) = (m(C) - m(none)) / (m(all) - m(none))

so f(all) = 1 and f(none) = 0 by construction, never clipped. m(none) is measured, not assumed to be
the corrupted metric; with ``ablation="corrupted"`` the two are equal when both prompts end in the
same token.
"""

import math
from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.errors import BudgetError
from pellucid.model.anatomy import Node
from pellucid.model.model import Model
from pellucid.model.sites import site_of
from pellucid.run.ablation import Ablation, replacements
from pellucid.run.record import Trace
from pellucid.run.variants import MEMORY_BUDGET, run_variants, unit_of

Nodes = frozenset[Node]


class SetMeasure:
    """Remembers the metric of every set of kept nodes that was run.

    ``budget`` is a hard limit on ``spent``, the forwards run here and any that the caller adds:
    asking for more raises ``BudgetError`` before any is run.
    """

    def __init__(
        self,
        model: Model,
        trace: Trace,
        over: Sequence[Node],
        *,
        ablation: Ablation = "corrupted",
        seed: int = 0,
        memory_budget: int = MEMORY_BUDGET,
    ) -> None:
        self.model = model
        self.trace = trace
        self.over = tuple(over)
        self.all: Nodes = frozenset(over)
        self.none: Nodes = frozenset()
        self.budget: float = math.inf
        self.spent = 0
        self.memory_budget = memory_budget
        sites = dict.fromkeys(site_of(node) for node in over)
        self.values = replacements(trace, ablation, sites, seed=seed)
        self._units = [unit_of(node) for node in self.over]
        self._known: dict[Nodes, Float[Tensor, " example"]] = {self.all: trace.metric_clean.cpu()}

    @property
    def forwards_left(self) -> float:
        """Forwards that may still be run."""
        return self.budget - self.spent

    def unknown(self, sets: Iterable[Nodes]) -> list[Nodes]:
        """Those of ``sets`` that would have to be run, each once."""
        return [s for s in dict.fromkeys(sets) if s not in self._known]

    def metric(self, sets: Sequence[Nodes]) -> Float[Tensor, "set example"]:
        """Metric per example when only the nodes of each set are kept.

        **Cost** 1 forward per set not measured before, batched.
        """
        new = self.unknown(sets)
        if len(new) > self.forwards_left:
            raise BudgetError(
                f"{len(new)} forwards are needed after the {self.spent} that were spent, which is "
                f"more than budget={self.budget}. Pass budget={self.spent + len(new)} or more."
            )
        if new:
            replaced = torch.tensor([[node not in kept for node in self.over] for kept in new])
            found = run_variants(
                self.model,
                self.trace,
                self._units,
                replaced.to(self.model.device),
                self.values,
                memory_budget=self.memory_budget,
            )
            self._known |= dict(zip(new, found.cpu(), strict=True))
            self.spent += len(new)
        return torch.stack([self._known[s] for s in sets])

    def learn(self, kept: Nodes, metric: Float[Tensor, " example"]) -> None:
        """Take a metric that was measured in another way, so that it is not run again."""
        self._known[kept] = metric

    def fraction(self, sets: Sequence[Nodes]) -> list[float]:
        """f(C) of each set, from the example means; NaN when nothing separates all from none."""
        values = self.metric([*sets, self.all, self.none]).double().mean(1)
        span = float(values[-2] - values[-1])
        if abs(span) < 1e-9:
            return [math.nan] * len(sets)
        return [float(value - values[-1]) / span for value in values[:-2]]

    def comprehensiveness(self, sets: Sequence[Nodes]) -> list[float]:
        """1 - f(everything but C): the share of the metric lost when C is replaced."""
        return [1 - value for value in self.fraction([self.all - s for s in sets])]
