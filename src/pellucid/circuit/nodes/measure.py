"""Measuring sets of nodes: the metric with everything else replaced, each set run only once.

With m(C) the metric when every replaceable node outside C is replaced,

    f(C) = (m(C) - m(none)) / (m(all) - m(none))

so f(all) = 1 and f(none) = 0 by construction, never clipped. m(none) is measured, not assumed to be
the corrupted metric; with ``ablation="corrupted"`` the two are equal when both prompts end in the
same token.
"""

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.circuit.limits import Limited
from pellucid.model.anatomy import Node
from pellucid.model.model import Model
from pellucid.model.sites import site_of
from pellucid.run.identity import refuse
from pellucid.run.setup import MeasureOptions, Setup, demand_setup_of
from pellucid.run.variants import run_variants, unit_of
from pellucid.stats.interval import Interval, ratio_interval
from pellucid.stats.rounding import share_of
from pellucid.task.contrast import Contrasts

Nodes = frozenset[Node]


class SetMeasure(Limited):
    """Remembers the metric of every set of kept nodes that was run; ``over`` may be replaced.

    Inside ``limited_to`` asking for more forwards than are left raises ``BudgetError`` before any
    is run.
    """

    def __init__(self, setup: Setup, over: Sequence[Node]) -> None:
        super().__init__()
        self.setup = setup
        self.over = tuple(over)
        self.all: Nodes = frozenset(over)
        self.none: Nodes = frozenset()
        self.values = setup.values(dict.fromkeys(site_of(node) for node in over))
        self._units = [unit_of(node) for node in self.over]
        self._known: dict[Nodes, Float[Tensor, " example"]] = {
            self.all: setup.trace.metric_clean.cpu()
        }

    @property
    def noise(self) -> float:
        """Largest difference of two sets' metrics that rounding explains."""
        return self.setup.trace.noise

    def unknown(self, sets: Iterable[Nodes]) -> list[Nodes]:
        """Those of ``sets`` that would have to be run, each once."""
        return [s for s in dict.fromkeys(sets) if s not in self._known]

    def metric(self, sets: Sequence[Nodes]) -> Float[Tensor, "set example"]:
        """Metric per example when only the nodes of each set are kept.

        **Cost** 1 forward per set not measured before, batched.
        """
        new = self.unknown(sets)
        if new:
            self.setup.demand_weights()
            self.spend(len(new))
            replaced = torch.tensor([[node not in kept for node in self.over] for kept in new])
            replaced = replaced.to(self.setup.model.device)
            found = run_variants(self.setup, self._units, replaced, self.values)
            self._known |= dict(zip(new, found.cpu(), strict=True))
        return torch.stack([self._known[s] for s in sets])

    def learn(self, kept: Nodes, metric: Float[Tensor, " example"]) -> None:
        """Take a metric that was measured in another way, so that it is not run again."""
        self._known[kept] = metric

    def fraction(self, sets: Sequence[Nodes]) -> list[float]:
        """f(C) of each set, from the example means; NaN when only rounding tells all from none."""
        *values, whole, none = self.metric([*sets, self.all, self.none]).double().mean(1).tolist()
        return [share_of(value - none, whole - none, self.noise) for value in values]

    def intervals(self, sets: Sequence[Nodes]) -> list[Interval]:
        """Interval over examples of each set's f, or why there is none."""
        *values, whole, none = self.metric([*sets, self.all, self.none]).double().numpy()
        units = self.setup.trace.encoded.units
        return [
            ratio_interval(value - none, whole - none, units, noise=self.noise) for value in values
        ]

    def comprehensiveness(self, sets: Sequence[Nodes]) -> list[float]:
        """1 - f(everything but C): the share of the metric lost when C is replaced."""
        return [1 - value for value in self.fraction([self.all - s for s in sets])]


def measure_of(
    model: Model,
    contrast: Contrasts,
    over: Sequence[Node],
    given: MeasureOptions,
    measure: SetMeasure | None = None,
    *,
    mixture: bool = False,
) -> SetMeasure:
    """``measure``, if there is one of this question; else one made from what is ``given``.

    A recording takes the second point along if ``mixture``.

    **Cost** as ``MeasureOptions.setup``; none with a ``measure``.
    **Raises** ``MismatchError`` for a measure or a trace of other weights, another question, metric
    or ablation, and for a measure in which other parts are replaced.
    """
    if measure is None:
        return SetMeasure(given.setup(model, contrast, map(site_of, over), mixture=mixture), over)
    demand_setup_of(model, contrast, measure.setup, given, given.ablation)
    if set(measure.over) != set(over):
        found, wanted = (", ".join(node.name for node in some) for some in (measure.over, over))
        refuse("measure", [("parts that are replaced", found, wanted)])
    return measure
