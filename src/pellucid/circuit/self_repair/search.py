"""The search for what steps in under one ablation; steps 1 and 2 of ``backups.py``."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.circuit.nodes.circuit import replaceable
from pellucid.circuit.nodes.claim import CHANCE, ENOUGH_TO_TEST
from pellucid.circuit.nodes.measure import Nodes, SetMeasure
from pellucid.circuit.self_repair.conditional import (
    ConditionalEstimates,
    estimates_given,
    intact_estimates,
)
from pellucid.circuit.self_repair.result import BackupRole, Growth, Repair, role_of
from pellucid.errors import BudgetError
from pellucid.model.anatomy import Node
from pellucid.model.sites import site_of
from pellucid.run.setup import Setup
from pellucid.run.variants import run_variants, unit_of, variants_per_call
from pellucid.stats.signflip import sign_flip_p

Estimates: TypeAlias = dict[Node, float]

CANDIDATES = 8
"""Nodes proposed in a round, those of the largest estimated growth."""
BUDGET_ENDED = "the budget ended before all that grew had been looked at"
_TOGETHER = 5
"""Sets replaced and differentiated in one call."""


@dataclass(frozen=True)
class Rerun:
    """What one run with a set replaced tells of all others."""

    estimates: Estimates
    stream: Float[Tensor, "row read d_model"]
    """What the final norm reads."""


@dataclass(frozen=True)
class Round:
    """What was replaced in one round of proposals, and what came of it."""

    replaced: Nodes
    largest: float
    """The largest estimated growth of any other node."""
    stream: Float[Tensor, "row read d_model"]


@dataclass(frozen=True)
class _Proposal:
    """A node whose estimate grew, in the round in which it first did."""

    node: Node
    round: int
    before: float
    after: float

    @property
    def role(self) -> BackupRole:
        """What the estimates say of it."""
        return role_of(self.before, self.after)


class Search:
    """One ablation: proposals by estimate, and what is measured of them."""

    def __init__(
        self,
        setup: Setup,
        nodes: Sequence[Node],
        *,
        least: float,
    ) -> None:
        self.setup, self.trace, self.ablation = setup, setup.trace, str(setup.ablation)
        self.nodes, self.least = tuple(nodes), least
        self.rounds: list[Round] = []
        self.note = ""
        self.measure = SetMeasure(setup, replaceable(setup.model, "heads+mlps"))
        self.values = setup.values()

    def look_for(self, members: Nodes, rounds: int, first: Rerun) -> list[Growth]:
        """Every growth that was measured; none where the budget ended, as ``note`` then says.

        ``first`` is what the run with ``members`` replaced told (``first_looks``).
        """
        try:
            proposals, settled = self.propose(members, rounds, first)
            if not settled:
                self.note = f"nodes were still growing in round {len(self.rounds)}"
            return self.measured(proposals, members)
        except BudgetError:
            self.note = BUDGET_ENDED
            return []

    def what_is_left(self, members: Nodes, growths: Sequence[Growth]) -> Repair:
        """The metric with the circuit replaced, and with what steps in for it too."""
        without = beyond = float(self.without([members]).mean())
        repaired = 0.0
        try:
            mine = [growth for growth in growths if growth.ablation == self.ablation]
            judged = any(growth.by_chance is not None for growth in growths)
            those = [growth for growth in mine if (growth.found if judged else growth.grew)]
            step_in = {growth.node for growth in those if growth.role == "takes over"}
            beyond = float(self.without([members | step_in]).mean())
            repaired = without - self.holding_back(members, {growth.node for growth in those})
        except BudgetError:
            self.note = BUDGET_ENDED
        return Repair(
            ablation=self.ablation,
            metric_without=without,
            metric_beyond=beyond,
            repaired=repaired,
            rounds=len(self.rounds),
            settled=not self.note,
            note=self.note,
        )

    def propose(self, members: Nodes, rounds: int, first: Rerun) -> tuple[list[_Proposal], bool]:
        """Step 1: what grows, and whether the last round found nothing more."""
        replaced, proposals = members, list[_Proposal]()
        for number in range(1, rounds + 1):
            look = first if number == 1 else self.looks([replaced])[0]
            known, after = {proposal.node for proposal in proposals}, look.estimates
            grown = {n: after[n] - self.before[n] for n in self.nodes if n not in replaced | known}
            ranked = sorted(grown, key=lambda node: -grown[node])
            largest = grown[ranked[0]] if ranked else 0.0
            self.rounds.append(Round(replaced, largest, look.stream))
            found = [
                _Proposal(node, number, self.before[node], after[node])
                for node in ranked[:CANDIDATES]
                if grown[node] > self.least
            ]
            proposals += found
            more = {proposal.node for proposal in found if proposal.role == "takes over"}
            if not more:
                return proposals, True
            replaced |= more
        return proposals, False

    def measured(self, proposals: Sequence[_Proposal], members: Nodes) -> list[Growth]:
        """Step 2: each proposal alone, and where that shows nothing, with the others replaced."""
        found = self.judged(proposals, members, frozenset())
        stand_in = {proposal.node for proposal in proposals if proposal.role == "takes over"}
        for i, proposal in enumerate(proposals):
            others = frozenset(stand_in - {proposal.node})
            if not found[i].grew and proposal.node in stand_in and others:
                (again,) = self.judged([proposal], members, others)
                found[i] = again if again.grew else found[i]
        return found

    def judged(self, proposals: Sequence[_Proposal], members: Nodes, others: Nodes) -> list[Growth]:
        """Measured growths, with ``others`` replaced both before and after."""
        nodes = [proposal.node for proposal in proposals]
        before, after = self.costs([others, members | others], nodes)
        growths = []
        for one in proposals:
            grown = after[one.node] - before[one.node]
            p = sign_flip_p(grown.numpy()) if len(grown) >= ENOUGH_TO_TEST else None
            growths.append(
                Growth(
                    node=one.node,
                    ablation=self.ablation,
                    round=one.round,
                    others=tuple(sorted(node.name for node in others)),
                    estimate_before=one.before,
                    estimate_after=one.after,
                    effect_before=float(before[one.node].mean()),
                    effect_after=float(after[one.node].mean()),
                    p=p,
                    grew=float(grown.mean()) > self.least and (p is None or p < CHANCE),
                    by_chance=None,
                    found=False,
                )
            )
        return growths

    @cached_property
    def before(self) -> Estimates:
        """Mean estimate of every node in the intact model."""
        return self.means(intact_estimates(self.trace, self.nodes, self.values))

    def looks(self, sets: Sequence[Nodes]) -> list[Rerun]:
        """What runs with each of these sets replaced tell."""
        self.measure.spend(len(sets))
        found = estimates_given(self.setup.model, self.trace, sets, self.nodes, self.values)
        return [self.look(found, index) for index in range(len(sets))]

    def look(self, found: ConditionalEstimates, index: int) -> Rerun:
        """What the run of one set told, in means over examples."""
        return Rerun(self.means(found.estimate[index]), found.stream[index])

    def means(self, estimate: Float[Tensor, "example node"]) -> Estimates:
        """Mean over examples, by node."""
        return dict(zip(self.nodes, estimate.double().mean(0).tolist(), strict=True))

    def holding_back(self, members: Nodes, backups: Collection[Node]) -> float:
        """Metric with ``members`` replaced, and ``backups`` writing what they do intact."""
        if not backups:
            return float(self.without([members]).mean())
        self.measure.spend(1)
        units = [unit_of(node) for node in [*members, *backups]]
        mixed = {}
        for site in dict.fromkeys(unit.site for unit in units):
            clean = self.trace.clean[site]
            heads = [node.head for node in members if site_of(node) == site]
            where = torch.zeros(clean.shape[2:-1], dtype=torch.bool, device=clean.device)
            if heads:
                where[... if None in heads else heads] = True
            mixed[site] = torch.where(where[..., None], self.values[site], clean)
        every = torch.ones(1, len(units), dtype=torch.bool, device=self.setup.model.device)
        return float(run_variants(self.setup, units, every, mixed).double().mean())

    def costs(
        self, replaced: Sequence[Nodes], nodes: Sequence[Node]
    ) -> list[dict[Node, Float[Tensor, " example"]]]:
        """What replacing each node costs when each of ``replaced`` is already; measured."""
        sets = [one | extra for one in replaced for extra in [frozenset(), *map(_only, nodes)]]
        metric = self.without(sets).unflatten(0, (len(replaced), -1))
        return [
            {node: whole - one for node, one in zip(nodes, less, strict=True)}
            for whole, *less in metric
        ]

    def without(self, sets: Sequence[Nodes]) -> Float[Tensor, "set example"]:
        """Metric with each of these sets replaced."""
        return self.measure.metric([self.measure.all - one for one in sets]).double()


def first_looks(searches: Sequence[Search], members: Nodes) -> list[Rerun]:
    """What the run with ``members`` replaced tells under every ablation, together.

    **Cost** 1 forward and 1 backward for each, in as few calls as memory allows.
    """
    looks: list[Rerun] = []
    setup, nodes = searches[0].setup, searches[0].nodes
    together = sets_per_call(setup)
    for begin in range(0, len(searches), together):
        some = searches[begin : begin + together]
        values = {
            site: torch.stack(torch.broadcast_tensors(*(one.values[site] for one in some)))
            for site in searches[0].values
        }
        found = estimates_given(setup.model, setup.trace, [members] * len(some), nodes, values)
        for index, search in enumerate(some):
            search.measure.spend(1)
            search.measure.learn(search.measure.all - members, found.metric[index])
            looks.append(search.look(found, index))
    return looks


def sets_per_call(setup: Setup) -> int:
    """How many sets are replaced and differentiated in one call."""
    return min(_TOGETHER, variants_per_call(setup, 0))


def _only(node: Node) -> Nodes:
    return frozenset([node])
