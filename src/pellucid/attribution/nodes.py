"""Node attribution by gradient: how much each component matters, estimated.

With z_u a node's output on the clean and z'_u on the corrupted prompt, the estimate of the loss of
metric L when the node is corrupted is

    (z_u - z'_u) . g_u            summed over the node's features, and over positions

positive when the node supports the answer. The methods differ in where the gradient is taken:

    atp      g_u = dL/dz_u on the clean prompt. First order. (Nanda 2023; Syed et al. 2023)
    atp-mask atp, corrected where one gradient misleads; embedding and first MLP measured
             (``atp_mask.py``)
    ig       g_u averaged over prompts whose embeddings lie between corrupted and clean, at
             midpoints. (Hanna et al. 2024, EAP-IG inputs, for nodes)
    mask-ig  every node is a mixture  a z_u + (1 - a) z'_u  of what it computes and its corrupted
             value; the estimate is the mask's gradient averaged over a at midpoints.

What must equal the metric difference (``completeness``) is for mask-ig the sum over all nodes; for
the others the embedding's estimate alone, since its total derivative passes through every node.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.attribution.atp_mask import by_two_points
from pellucid.attribution.products import Products, by_position_of, products_of, with_embedding
from pellucid.errors import TaskError
from pellucid.model.anatomy import Node
from pellucid.model.model import Model, opened
from pellucid.model.named_parts import PartNames, parts_named
from pellucid.model.sites import Site, site_of
from pellucid.options import CLEAN_GRADIENT, METRIC, NODE_METHOD, NodeMethod, demand_choice
from pellucid.passes import metering
from pellucid.results.passes import Passes
from pellucid.results.result import Result
from pellucid.results.tables import Per, tabulate
from pellucid.results.views import shown
from pellucid.run.gradient import differentiate
from pellucid.run.identity import demand_trace_of
from pellucid.run.mixture import run_mixture
from pellucid.run.provenance import with_provenance
from pellucid.run.record import Trace, record
from pellucid.run.setup import recorded
from pellucid.run.sites import EMBED
from pellucid.stats.interval import mean_intervals
from pellucid.stats.rounding import account, accounts_for, relative_gap
from pellucid.stats.units import Units
from pellucid.task.contrast import Contrasts
from pellucid.task.metrics import Metric, Nearness

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEPS = (4, 8, 16, 32, 64)
CONVERGED = 0.02


@dataclass(frozen=True, kw_only=True)
class Attribution(Result):
    """Estimated effect of every node, per example and position.

    ``by_position[e, p, u]`` is in the metric's units; positive supports the answer.
    """

    method: NodeMethod
    nodes: tuple[Node, ...]
    by_position: Float[Tensor, "example pos node"]
    difference: Float[Tensor, " example"]
    accounted: Float[Tensor, " example"]
    """What the method says the metric difference is: for mask-ig the sum over all nodes, for the
    others the embedding's estimate alone, for its total derivative passes through every node."""
    steps: int
    passes: Passes
    noise: float = 0.0
    """Largest difference of the metric's mean that rounding explains."""
    measured: Float[Tensor, "example node"] | None = None
    """Effects that were measured on the way, NaN for the others; None where none was."""
    units: Units | None = None
    """What examples share; None where nothing was said."""

    @property
    def per_example(self) -> Float[Tensor, "example node"]:
        """Estimates summed over positions."""
        return self.by_position.sum(1)

    @property
    def estimate(self) -> Float[Tensor, " node"]:
        """Estimates summed over positions, mean over examples."""
        return self.per_example.mean(0)

    @property
    def effect(self) -> Float[Tensor, " node"]:
        """Effects that were measured, mean over examples; NaN for the others."""
        if self.measured is None:
            return torch.full_like(self.estimate, torch.nan)
        return self.measured.mean(0)

    @property
    def score_by_node(self) -> dict[Node, float]:
        """``score``, by the node."""
        return dict(zip(self.nodes, self.score.tolist(), strict=True))

    @property
    def score(self) -> Float[Tensor, " node"]:
        """What nodes are ranked by: the effect where it was measured, the estimate elsewhere."""
        return self.effect.where(~self.effect.isnan(), self.estimate)

    @property
    def completeness(self) -> float:
        """How far ``accounted`` is from the metric difference, relative to it; 0 is exact.

        NaN, for undefined, where that difference is no more than rounding (``noise``).
        """
        return relative_gap(*self._compared, self.noise)

    @property
    def converged(self) -> bool:
        """Whether the completeness residual is below 2 %, or is nothing but rounding."""
        return accounts_for(*self._compared, self.noise, within=CONVERGED)

    @property
    def account(self) -> str:
        """How far ``accounted`` is from the metric difference, in words."""
        return account(*self._compared, self.noise, within=CONVERGED)

    @property
    def _compared(self) -> tuple[float, float]:
        return float(self.accounted.mean()), float(self.difference.mean())

    def to_frame(self, per: Per = "node") -> pd.DataFrame:
        """Columns ``node kind layer head position example estimate``, in computing order.

        A table of nodes or examples has ``effect`` too, empty where it was not measured.
        """
        demand_choice("per", per, Per, TaskError)
        values, axes = {
            "node": (self.estimate, ()),
            "position": (self.by_position.mean(0), ("position",)),
            "example": (self.per_example, ("example",)),
            "example+position": (self.by_position, ("example", "position")),
        }[per]
        frame = tabulate(self.nodes, values, "estimate", axes=axes)
        if "position" not in axes:
            measured = self.measured if axes else self.effect
            frame["effect"] = math.nan if measured is None else measured.double().flatten().numpy()
        return frame

    def intervals(self) -> pd.DataFrame:
        """``to_frame`` with ``low high units``: the 95 % interval of each estimate over prompts.

        NaN for too few of them, which ``units`` then says (``stats/interval.py``).
        """
        found = mean_intervals(self.per_example.double().numpy(), self.units)
        return found.beside(self.to_frame())

    def plot(
        self, *, per: Literal["node", "position"] = "node", tokens: Sequence[str] | None = None
    ) -> "Figure":
        """A heat map of layers and heads, or of the 25 strongest nodes at every position.

        ``tokens`` of the prompt name the positions. The embedding is left out.
        """
        return shown(self, "figure", per, tokens)


@with_provenance
def attribute(
    model: Model,
    contrast: Contrasts,
    *,
    method: NodeMethod = NODE_METHOD,
    metric: str | Metric = METRIC,
    steps: int | None = None,
    trace: Trace | None = None,
    parts: PartNames | None = None,
) -> Attribution:
    """Estimate the effect of every embedding, head and MLP: (clean - corrupted output) . gradient.

    The gradient is taken on the clean prompt (``atp``, Nanda 2023), there and at a second point
    (``atp-mask``, which measures the embedding and the first MLP beside it, see ``effect``),
    averaged over embeddings between corrupted and clean (``ig``, Hanna et al. 2024), or over
    mixtures of what nodes compute and their corrupted values (``mask-ig``, whose estimates add up
    to the metric difference).

    ``steps`` is for ig and mask-ig; when it is not given they double from 4 until the completeness
    residual is below 2 %, or 64. A ``trace`` of the same weights, question and metric is used
    instead of recording; where it lacks sites of ``parts``, the question is recorded again.

    ``parts`` are ranked instead of all nodes, by ig or atp (also where atp-mask is asked for, which
    corrects nodes alone): ``"M1.neurons"`` is every neuron of layer 1's MLP (see ``parts_named``).

    **Assumes** for atp that the metric is linear in a node's output between its two values.
    **Cost** atp 2 forwards + 1 backward, atp-mask 4 + 2; the others one more of each per step than
    atp, those of every number of steps that was tried included.
    **Raises** ``TaskError`` for an unknown method or a bad number of steps, ``EditError`` for
    ``parts`` that the model does not have, ``MismatchError`` for a trace of something else, and
    what ``record`` raises.
    """
    opened(model)
    demand_choice("method", method, NodeMethod, TaskError)
    if steps is not None and (method in CLEAN_GRADIENT or steps < 1):
        raise TaskError(
            f"steps={steps} with method={method!r}: {' and '.join(CLEAN_GRADIENT)} take no steps, "
            "ig and mask-ig at least 1."
        )
    demand_gradient(method, metric)
    if parts is not None and method == "atp-mask":
        method = "atp"
    with metering() as meter:
        ranked = model.nodes if parts is None else _chosen(model, method, parts)
        if parts is None:
            mixture = method == "atp-mask"
            trace = recorded(model, contrast, metric=metric, trace=trace, mixture=mixture)
        else:
            trace = _holding(model, contrast, ranked, metric, trace)
        if method == "atp":
            result = from_trace(model, trace, ranked)
        elif method == "atp-mask":
            result = _at_two_points(model, trace)
        else:
            schedule = STEPS if steps is None else (steps,)
            for count in schedule:
                result = _integrated(model, trace, method, count, ranked)
                if result.converged:
                    break
    spent = meter.passes if meter.passes.forwards else trace.passes
    return replace(result, passes=spent)


def demand_gradient(method: NodeMethod, metric: str | Metric) -> None:
    """**Raises** ``TaskError`` for a method that cannot rank by the metric."""
    if method in CLEAN_GRADIENT and (metric == "kl" or isinstance(metric, Nearness)):
        raise TaskError(
            f"metric='kl' has no gradient on the clean run, its minimum, so {method} would rank "
            "rounding errors. Use method='mask-ig' or 'ig'."
        )


def _chosen(model: Model, method: NodeMethod, parts: PartNames) -> tuple[Node, ...]:
    """The parts to rank.

    **Raises** ``TaskError`` for mask-ig, ``EditError`` for a name that the model does not have.
    """
    if method == "mask-ig":
        raise TaskError(
            "method='mask-ig' mixes all nodes at once, and a part inside a node would be mixed "
            "twice. Rank parts with 'atp' or 'ig'."
        )
    return parts_named(model.anatomy, parts, argument="parts")


def _holding(
    model: Model,
    contrast: Contrasts,
    parts: Sequence[Node],
    metric: str | Metric,
    trace: Trace | None,
) -> Trace:
    """``trace``, if it holds the sites of ``parts``; else a recording that does."""
    wanted = list(dict.fromkeys([EMBED, *map(site_of, parts)]))
    if trace is not None:
        demand_trace_of(model, contrast, trace, metric)
        if all(site in trace.gradient for site in wanted):
            return trace
    return record(model, contrast, metric=metric, sites=wanted)


def from_trace(model: Model, trace: Trace, nodes: Sequence[Node] | None = None) -> Attribution:
    """Attribution patching (atp) from a recording, of ``nodes`` (default: of all): no pass."""
    ranked = model.nodes if nodes is None else tuple(nodes)
    nodes = with_embedding(ranked)
    products = products_of(nodes, trace.clean, trace.corrupted, trace.gradient)
    by_position = by_position_of(trace, nodes, products)
    return _collect(trace, ranked, "atp", by_position, 1, trace.passes)


def _at_two_points(model: Model, trace: Trace) -> Attribution:
    """atp-mask, with the second point of the trace, or recorded now."""
    mixture = trace.mixture or run_mixture(model, trace.objective, trace.corrupted)
    by_position, measured = by_two_points(model, trace, mixture)
    found = _collect(trace, model.nodes, "atp-mask", by_position, 1, trace.passes)
    return replace(found, measured=measured)


def _integrated(
    model: Model, trace: Trace, method: NodeMethod, steps: int, ranked: tuple[Node, ...]
) -> Attribution:
    nodes = with_embedding(ranked)
    sites = list(dict.fromkeys(map(site_of, nodes)))
    total: Products = {}
    for step in range(steps):
        weight = (step + 0.5) / steps

        def mix(site: Site, value: Tensor, weight: float = weight) -> Tensor:
            if method == "ig" and site != EMBED:
                return value.clone()
            return value.lerp(trace.corrupted[site], 1 - weight)

        found = differentiate(model, trace.objective, sites, change=mix)
        reached = trace.clean if method == "ig" else found.values
        products = products_of(nodes, reached, trace.corrupted, found.gradients)
        for key, product in products.items():
            total[key] = total[key] + product / steps if key in total else product / steps
    by_position = by_position_of(trace, nodes, total)
    return _collect(trace, ranked, method, by_position, steps, Passes())


def _collect(
    trace: Trace,
    ranked: tuple[Node, ...],
    method: NodeMethod,
    by_position: Float[Tensor, "example pos node"],
    steps: int,
    passes: Passes,
) -> Attribution:
    """The result from estimates of ``ranked`` behind the embedding."""
    embedding = by_position[..., 0].sum(1)
    if Node("embed") not in ranked:
        by_position = by_position[..., 1:]
    return Attribution(
        method=method,
        nodes=ranked,
        by_position=by_position,
        difference=trace.difference.cpu(),
        accounted=by_position.sum((1, 2)) if method == "mask-ig" else embedding,
        steps=steps,
        passes=passes,
        noise=trace.noise,
        units=trace.encoded.shared,
    )
