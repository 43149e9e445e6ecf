"""Parts that oppose the answer strongly: they belong to what the model does with the question.

A set of parts can look sufficient because what works against the answer was left out with the rest
(negative heads: Wang et al. 2022; McDougall et al. 2023). A part opposes strongly when replacing it
alone raises the metric by at least ``STRONG`` of what the corrupted prompt takes away.
"""

from collections.abc import Mapping

from pellucid.circuit.nodes.measure import SetMeasure
from pellucid.model.anatomy import Node

STRONG = 0.1
"""Of the whole effect."""
LOOKED_AT = 8
"""Parts that are measured, those of the lowest scores."""


def oppose(effects: Mapping[str, float], whole: float, noise: float) -> tuple[str, ...]:
    """Names of the parts whose measured effect opposes strongly, the strongest first.

    ``whole`` is what the corrupted prompt takes away; none where that is only rounding.
    """
    if whole <= noise:
        return ()
    strong = [name for name, effect in effects.items() if effect <= -STRONG * whole]
    return tuple(sorted(strong, key=lambda name: effects[name]))


def opponents_of(measure: SetMeasure, scores: Mapping[Node, float]) -> frozenset[Node]:
    """The parts among ``measure.over`` that oppose strongly, found by score and measured.

    **Cost** 1 forward for each of at most ``LOOKED_AT`` parts, those of a negative score.
    **Raises** ``BudgetError`` when fewer are left.
    """
    trace = measure.setup.trace
    ranked = sorted(measure.over, key=lambda node: scores[node])
    asked = [node for node in ranked[:LOOKED_AT] if scores[node] < 0]
    if not asked:
        return frozenset()
    found = measure.metric([measure.all, *(measure.all - {node} for node in asked)])
    whole, *without = found.double().mean(1).tolist()
    effects = {n.name: whole - value for n, value in zip(asked, without, strict=True)}
    strong = oppose(effects, float(trace.difference.double().mean()), measure.noise)
    return frozenset(node for node in asked if node.name in strong)
