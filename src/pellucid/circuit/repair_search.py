"""The search for what steps in under one ablation; steps 1 to 3 of ``self_repair.py``."""

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from pellucid.circuit.backups import Growth, Repair, Role, role_of
from pellucid.circuit.circuit import replaceable
from pellucid.circuit.claim import CHANCE, ENOUGH_TO_TEST
from pellucid.circuit.conditional import estimates_given
from pellucid.circuit.measure import Nodes, SetMeasure
from pellucid.errors import BudgetError
from pellucid.model.anatomy import Node
from pellucid.model.model import Model
from pellucid.run.record import Trace, node_sites
from pellucid.run.replace import Ablation, replacements
from pellucid.stats.signflip import sign_flip_p

CANDIDATES = 8
"""Nodes proposed in a round, those of the largest estimated growth."""
TOGETHER = 5
"""Controls run at a time."""


@dataclass(frozen=True)
class Proposal:
    """A node whose estimate grew, in the round in which it first did."""

    node: Node
    round: int
    before: float
    after: float

    @property
    def role(self) -> Role:
        """What the estimates say of it."""
        return role_of(self.before, self.after)


class Search:
    """One ablation: proposals by estimate, and what is measured of them."""

    def __init__(
        self,
        model: Model,
        trace: Trace,
        ablation: Ablation,
        nodes: Sequence[Node],
        *,
        least: float,
        controls: int,
        seed: int,
        budget: int,
    ) -> None:
        self.model, self.trace, self.ablation = model, trace, ablation
        self.nodes, self.least, self.controls = tuple(nodes), least, controls
        self.rng = random.Random(seed)
        everything = replaceable(model, "heads+mlps")
        self.measure = SetMeasure(model, trace, everything, ablation=ablation, seed=seed)
        self.measure.budget = budget
        self.values = replacements(trace, ablation, node_sites(model), seed=seed)

    def run(self, members: Nodes, rounds: int) -> tuple[list[Growth], Repair]:
        """Every growth that was measured, and what is left with the backups replaced too."""
        looked_at: list[Growth] = []
        without = beyond = float(self.without([members]).mean())
        number, note = 0, ""
        try:
            proposals, number, settled = self.propose(members, rounds)
            note = "" if settled else f"nodes were still growing in round {number}"
            looked_at = self.measured(proposals, members)
            step_in = {g.node for g in looked_at if g.found and g.role == "takes over"}
            beyond = float(self.without([members | step_in]).mean())
        except BudgetError:
            note = "the budget ended before all that grew had been measured"
        return looked_at, Repair(
            ablation=self.ablation,
            metric_without=without,
            metric_beyond=beyond,
            rounds=number,
            settled=not note,
            note=note,
        )

    def propose(self, members: Nodes, rounds: int) -> tuple[list[Proposal], int, bool]:
        """Step 1: what grows, the number of rounds, and whether the last found nothing more."""
        before, replaced = self.estimates(frozenset()), members
        proposals: list[Proposal] = []
        for number in range(1, rounds + 1):
            after = self.estimates(replaced)
            new = sorted(after.keys() - {p.node for p in proposals}, key=self.nodes.index)
            new = [node for node in new if after[node] - before[node] > self.least]
            new = sorted(new, key=lambda node: before[node] - after[node])[:CANDIDATES]
            found = [Proposal(node, number, before[node], after[node]) for node in new]
            proposals += found
            more = {proposal.node for proposal in found if proposal.role == "takes over"}
            if not more:
                return proposals, number, True
            replaced |= more
        return proposals, rounds, False

    def measured(self, proposals: Sequence[Proposal], members: Nodes) -> list[Growth]:
        """Step 2: each proposal alone, and where that shows nothing, with the others replaced."""
        found = self.judged(proposals, members, frozenset())
        stand_in = {proposal.node for proposal in proposals if proposal.role == "takes over"}
        for i, proposal in enumerate(proposals):
            others = frozenset(stand_in - {proposal.node})
            if not found[i].found and proposal.node in stand_in and others:
                (again,) = self.judged([proposal], members, others)
                found[i] = again if again.found else found[i]
        return found

    def judged(self, proposals: Sequence[Proposal], members: Nodes, others: Nodes) -> list[Growth]:
        """Measured growths with ``others`` replaced before and after, and step 3 for each."""
        nodes = [proposal.node for proposal in proposals]
        before, after = self.costs(others, nodes), self.costs(members | others, nodes)
        grown = {node: after[node] - before[node] for node in nodes}
        p = {
            node: sign_flip_p(values.numpy()) if len(values) >= ENOUGH_TO_TEST else None
            for node, values in grown.items()
        }
        standing = {
            node: float(values.mean())
            for node, values in grown.items()
            if float(values.mean()) > self.least and (p[node] or 0.0) < CHANCE
        }
        threshold = max(self.least, self.by_chance(members, others, standing, before))
        return [
            Growth(
                node=one.node,
                ablation=self.ablation,
                round=one.round,
                others=tuple(sorted(node.name for node in others)),
                estimate_before=one.before,
                estimate_after=one.after,
                effect_before=float(before[one.node].mean()),
                effect_after=float(after[one.node].mean()),
                threshold=threshold,
                p=p[one.node],
                found=standing.get(one.node, -math.inf) > threshold,
            )
            for one in proposals
        ]

    def by_chance(
        self,
        members: Nodes,
        others: Nodes,
        standing: dict[Node, float],
        before: dict[Node, Float[Tensor, " example"]],
    ) -> float:
        """The largest growth of ``standing`` nodes in any control; ends when none is left."""
        taken = members | others | standing.keys()
        pool = [node for node in self.nodes if node not in taken]
        largest = -math.inf
        for begin in range(0, self.controls, TOGETHER):
            left = [node for node, value in standing.items() if value > largest]
            if not left:
                break
            count = min(TOGETHER, self.controls - begin)
            drawn = [draw_like(self.rng, pool, members) | others for _ in range(count)]
            # All of them in one call; the sets are remembered.
            self.without([one for r in drawn for one in (r, *(r | {node} for node in left))])
            for control in drawn:
                after = self.costs(control, left)
                largest = max(largest, *(float((after[n] - before[n]).mean()) for n in left))
        return largest

    def estimates(self, replaced: Nodes) -> dict[Node, float]:
        """Mean estimate of every node that is not replaced."""
        if replaced and self.measure.forwards_left < 1:
            raise BudgetError("1 more forward is needed, and none is left.")
        self.measure.spent += bool(replaced)
        found = estimates_given(self.model, self.trace, replaced, self.nodes, self.values)
        means = zip(self.nodes, found.double().mean(0).tolist(), strict=True)
        return {node: value for node, value in means if node not in replaced}

    def costs(
        self, replaced: Nodes, nodes: Sequence[Node]
    ) -> dict[Node, Float[Tensor, " example"]]:
        """What replacing each node costs when ``replaced`` are replaced already; measured."""
        whole, *less = self.without([replaced, *(replaced | {node} for node in nodes)])
        return {node: whole - one for node, one in zip(nodes, less, strict=True)}

    def without(self, sets: Sequence[Nodes]) -> Float[Tensor, "set example"]:
        """Metric with each of these sets replaced."""
        return self.measure.metric([self.measure.all - one for one in sets]).double()


def draw_like(rng: random.Random, pool: Sequence[Node], nodes: Nodes) -> Nodes:
    """As many nodes of each kind from ``pool`` as ``nodes`` has, or all that there are."""
    drawn: list[Node] = []
    for kind, count in sorted(Counter(node.kind for node in nodes).items()):
        alike = [node for node in pool if node.kind == kind]
        drawn += rng.sample(alike, min(count, len(alike)))
    return frozenset(drawn)
