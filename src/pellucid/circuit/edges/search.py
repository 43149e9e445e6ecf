"""Two steps of a search for edges: the smallest prefix of a ranking that does, and pruning it."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.circuit.edges.measure import EdgeMeasure, Examples
from pellucid.circuit.edges.sets import EdgeSet, connected
from pellucid.circuit.nodes.faithfulness import curve_sizes
from pellucid.errors import BudgetError

BETWEEN = 7
"""Sizes measured at a time between a miss and a hit."""


def smallest_size(
    measure: EdgeMeasure,
    first: Callable[[int], EdgeSet],
    total: int,
    target: float,
    among: Examples = None,
) -> tuple[int | None, str]:
    """The smallest measured size at which f reaches ``target``; None with why if none does."""
    sizes = curve_sizes(total)
    values = measure.fraction([first(size) for size in sizes], among)
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
        values = measure.fraction(sets, among)
        reached = [s for s, value in zip(between, values, strict=True) if value >= target]
        high = min(reached, default=high)
        low = max((s for s in between if s < high), default=low)
    return high, ""


def prune_edges(
    measure: EdgeMeasure,
    start: EdgeSet,
    matrix: Float[Tensor, "sender slot"],
    target: float,
    among: Examples = None,
) -> tuple[EdgeSet, str]:
    """Leave out whatever can go, lowest ranked first, many at a time and then one by one.

    The note is empty when every edge left was cut alone and seen to be needed.
    """
    anatomy = measure.setup.model.anatomy
    kept = start
    batch = max(1, int(kept.sum()) // 4)
    try:
        while True:
            groups = _lowest_first(kept, matrix, batch)
            smaller = [connected(anatomy, kept & ~group) for group in groups]
            values = measure.fraction(smaller, among)
            fitting = [s for s, v in zip(smaller, values, strict=True) if v >= target]
            if fitting:
                kept = _smallest_together(measure, kept, fitting, target, among)
            elif batch == 1:
                return kept, ""
            else:
                batch = max(1, batch // 2)
    except BudgetError:
        return kept, "the budget ended before every edge had been tried"


def _lowest_first(kept: EdgeSet, matrix: Float[Tensor, "sender slot"], batch: int) -> list[EdgeSet]:
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
    measure: EdgeMeasure, kept: EdgeSet, fitting: list[EdgeSet], target: float, among: Examples
) -> EdgeSet:
    """``kept`` without all that single steps could leave out, or as many as the target allows."""
    together = []
    smaller = kept
    for one in fitting:
        smaller = connected(measure.setup.model.anatomy, smaller & one)
        together.append(smaller)
    chosen = together[:: max(1, len(together) // BETWEEN)]
    values = measure.fraction(chosen, among)
    reaching = [s for s, value in zip(chosen, values, strict=True) if value >= target]
    return min(reaching, key=lambda s: int(s.sum()), default=fitting[0])
