"""Finding a small set of edges that carries the decision.

``verified`` (default): estimates propose, measurements decide.

1. Rank the edges by absolute estimate (``attribute_edges``).
2. Measure sufficiency of the connected part of the first 1, 2, 4, ... edges; then of sizes between
   the last miss and the first hit. The smallest set that reaches the target is the start.
3. Prune: from the lowest ranked upwards, leave out as many edges at a time as keep the target,
   half as many when that fails, down to one.
4. When no single edge can go, the set is minimal: every edge was then seen to be needed.

``top`` and ``greedy`` take a stated number of edges and measure the set once; ``acdc`` decides edge
by edge from the loss (``acdc.py``) and takes ``tau``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import torch

from pellucid.attribution.edge_scores import EdgeScores
from pellucid.attribution.edges import attribute_edges
from pellucid.circuit.acdc import acdc
from pellucid.circuit.discover import TARGET, nothing_to_explain
from pellucid.circuit.edge_circuit import EdgeCircuit
from pellucid.circuit.edge_measure import EdgeMeasure
from pellucid.circuit.edge_sets import SELECTIONS, EdgeSet, connected
from pellucid.circuit.faithfulness import curve_sizes
from pellucid.errors import BudgetError, EditError
from pellucid.model.model import Model
from pellucid.passes import metering
from pellucid.run.record import Nearness, Trace, node_sites, record, stream_sites
from pellucid.run.replace import Ablation
from pellucid.run.variants import MEMORY_BUDGET
from pellucid.task.contrast import Contrast, ContrastBatch
from pellucid.task.metrics import KL, Metric

EdgeSearch: TypeAlias = Literal["verified", "top", "greedy", "acdc"]
EDGE_BUDGET = 400
"""Forwards that a search may spend unless the caller says otherwise."""
BETWEEN = 7
"""Sizes measured at a time between a miss and a hit."""


def discover_edges(
    model: Model,
    contrast: Contrast | ContrastBatch,
    *,
    method: EdgeSearch = "verified",
    scores: EdgeScores | None = None,
    size: int | None = None,
    target: float = TARGET,
    tau: float | None = None,
    ablation: Ablation = "corrupted",
    budget: int = EDGE_BUDGET,
    metric: str | Metric = "logit_diff",
    insist: bool = False,
    memory_budget: int = MEMORY_BUDGET,
) -> EdgeCircuit:
    """A set of edges whose measured sufficiency reaches ``target``, or of a stated ``size``.

    ``scores`` rank the edges; without them mask-ig with five steps does. ``size`` is for top and
    greedy, ``tau`` (in nats) for acdc, ``target`` for verified. Nothing is claimed for a model that
    does not prefer the answer, unless you ``insist``.

    **Cost** at most ``budget`` forwards beside those of the scores.
    **Raises** ``EditError`` for arguments that do not go together, ``BudgetError`` when the budget
    cannot hold even the first curve.
    """
    _check(method, size, tau, target)
    anatomy = model.anatomy
    with metering() as meter:
        sites = [*node_sites(model), *stream_sites(model)]
        trace = record(model, contrast, metric=metric, sites=sites)
        nothing = "" if insist else nothing_to_explain(trace)
        if scores is None and method != "acdc" and not nothing:
            scores = attribute_edges(model, contrast, method="mask-ig", metric=metric, steps=5)
        measure = EdgeMeasure(
            model, trace, ablation=ablation, forwards_left=budget, memory_budget=memory_budget
        )
        matrix = torch.zeros(anatomy.edges.shape) if scores is None else scores.matrix.float()
        found = Found(measure.none, nothing)
        if not nothing and method == "acdc":
            found = _by_loss(model, trace, ablation, budget, tau or 0.0, memory_budget)
        elif not nothing and method == "verified":
            found = _verified(measure, matrix, target)
        elif not nothing:
            found = Found(SELECTIONS[method](anatomy, matrix, size or 0), "")
        sufficiency = None
        if not nothing and (measure.forwards_left > 1 or not measure.unknown([found.kept])):
            sufficiency = measure.fraction([found.kept])[0]
    return EdgeCircuit(
        senders=anatomy.nodes,
        slots=anatomy.slots,
        exists=anatomy.edges,
        kept=found.kept,
        scores=matrix,
        method=method,
        ranked_by="" if scores is None else scores.method,
        ablation=ablation,
        target=target if method == "verified" else None,
        sufficiency=sufficiency,
        minimal=found.minimal,
        note=found.note,
        passes=meter.passes,
        d_model=anatomy.d_model,
    )


@dataclass(frozen=True)
class Found:
    """What a search ends with."""

    kept: EdgeSet
    note: str
    minimal: bool = False


def _check(method: str, size: int | None, tau: float | None, target: float) -> None:
    if method not in get_args(EdgeSearch) or not 0 < target <= 1:
        raise EditError(
            f"method={method!r}, target={target}: choose a method from {get_args(EdgeSearch)} and "
            "a target above 0 and up to 1."
        )
    for name, value, methods in (("size", size, ("top", "greedy")), ("tau", tau, ("acdc",))):
        if (value is None) == (method in methods):
            raise EditError(
                f"{name}={value} with method={method!r}: {name}= is needed by {methods}, and only "
                "by them."
            )


def _by_loss(
    model: Model, trace: Trace, ablation: Ablation, budget: float, tau: float, memory_budget: int
) -> Found:
    """ACDC on the KL divergence from the clean run."""
    nearness = Nearness(KL(trace.logits_clean))
    measure = EdgeMeasure(
        model,
        trace,
        ablation=ablation,
        metric=nearness,
        forwards_left=budget,
        memory_budget=memory_budget,
    )
    kept, note = acdc(measure.all, lambda sets: -measure.metric(sets).mean(1), tau)
    return Found(connected(model.anatomy, kept), note)


def _verified(measure: EdgeMeasure, matrix: torch.Tensor, target: float) -> Found:
    """Steps 2 to 4 of the module's note."""
    anatomy = measure.model.anatomy

    def first(size: int) -> EdgeSet:
        return SELECTIONS["top"](anatomy, matrix, size)

    size, note = smallest_size(measure, first, int(anatomy.edges.sum()), target)
    if size is None:
        return Found(measure.none, note)
    return prune_edges(measure, first(size), matrix, target)


def smallest_size(
    measure: EdgeMeasure, first: Callable[[int], EdgeSet], total: int, target: float
) -> tuple[int | None, str]:
    """The smallest measured size at which f reaches ``target``; None with why if none does."""
    sizes = curve_sizes(total)
    values = measure.fraction([first(size) for size in sizes])
    reached = [s for s, value in zip(sizes, values, strict=True) if value >= target]
    if not reached:
        return None, f"no size reaches the target of {target:.0%}"
    high = min(reached)
    low = max((s for s in sizes if s < high), default=0)
    while high - low > max(1, high // 50):
        step = max(1, (high - low) // (BETWEEN + 1))
        between = [*range(low + step, high, step)]
        sets = [first(size) for size in between]
        if len(measure.unknown(sets)) > measure.forwards_left:
            return high, "the budget ended before the smallest size was found"
        values = measure.fraction(sets)
        reached = [s for s, value in zip(between, values, strict=True) if value >= target]
        high = min(reached, default=high)
        low = max((s for s in between if s < high), default=low)
    return high, ""


def prune_edges(measure: EdgeMeasure, start: EdgeSet, matrix: torch.Tensor, target: float) -> Found:
    """Leave out whatever can go, lowest ranked first, many at a time and then one by one."""
    anatomy = measure.model.anatomy
    kept = start
    batch = max(1, int(kept.sum()) // 4)
    try:
        while True:
            groups = _lowest_first(kept, matrix, batch)
            smaller = [connected(anatomy, kept & ~group) for group in groups]
            values = measure.fraction(smaller)
            fitting = [s for s, v in zip(smaller, values, strict=True) if v >= target]
            if fitting:
                kept = _smallest_together(measure, kept, fitting, target)
            elif batch == 1:
                return Found(kept, "", minimal=True)
            else:
                batch = max(1, batch // 2)
    except BudgetError:
        return Found(kept, "the budget ended before every edge had been tried")


def _lowest_first(kept: EdgeSet, matrix: torch.Tensor, batch: int) -> list[EdgeSet]:
    """The kept edges in groups of ``batch``, lowest absolute score first."""
    where = kept.nonzero()
    order = matrix[kept].abs().argsort(stable=True)
    groups = []
    for part in where[order].split(batch):
        group = torch.zeros_like(kept)
        group[part[:, 0], part[:, 1]] = True
        groups.append(group)
    return groups


def _smallest_together(
    measure: EdgeMeasure, kept: EdgeSet, fitting: list[EdgeSet], target: float
) -> EdgeSet:
    """``kept`` without all that single steps could leave out, or as many as the target allows."""
    together = []
    smaller = kept
    for one in fitting:
        smaller = connected(measure.model.anatomy, smaller & one)
        together.append(smaller)
    chosen = together[:: max(1, len(together) // BETWEEN)]
    values = measure.fraction(chosen)
    reaching = [s for s, value in zip(chosen, values, strict=True) if value >= target]
    return min(reaching, key=lambda s: int(s.sum()), default=fitting[0])
