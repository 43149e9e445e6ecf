"""The search for what steps in under one ablation; steps 1 to 3 of ``backups.py``."""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.circuit.nodes.circuit import replaceable
from pellucid.circuit.nodes.claim import CHANCE, ENOUGH_TO_TEST
from pellucid.circuit.nodes.measure import Nodes, SetMeasure
from pellucid.circuit.self_repair.conditional import estimates_given, intact_estimates
from pellucid.circuit.self_repair.result import BackupRole, Growth, Repair, role_of
from pellucid.errors import BudgetError
from pellucid.model.anatomy import Node
from pellucid.model.random_sets import random_nodes
from pellucid.model.sites import site_of
from pellucid.run.setup import Setup
from pellucid.run.variants import run_variants, unit_of, variants_per_call
from pellucid.stats.signflip import sign_flip_p

Estimates: TypeAlias = dict[Node, float]

CANDIDATES = 8
"""Nodes proposed in a round, those of the largest estimated growth."""
_TOGETHER = 5
"""Sets replaced and differentiated in one call."""


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
        controls: int,
    ) -> None:
        self.setup, self.trace, self.ablation = setup, setup.trace, str(setup.ablation)
        self.nodes, self.least, self.controls = tuple(nodes), least, controls
        self.rng = random.Random(setup.seed)
        self.measure = SetMeasure(setup, replaceable(setup.model, "heads+mlps"))
        self.values = setup.values()

    def run(self, members: Nodes, rounds: int, first: Estimates) -> tuple[list[Growth], Repair]:
        """Every growth that was measured, and what is left with the backups replaced too.

        ``first`` are the estimates with ``members`` replaced (``first_looks``).
        """
        looked_at: list[Growth] = []
        without = beyond = float(self.without([members]).mean())
        number, note, repaired = 0, "", 0.0
        try:
            proposals, number, settled = self.propose(members, rounds, first)
            note = "" if settled else f"nodes were still growing in round {number}"
            looked_at = self.compared(self.measured(proposals, members), members)
            step_in = {g.node for g in looked_at if g.found and g.role == "takes over"}
            beyond = float(self.without([members | step_in]).mean())
            repaired = without - self.holding_back(members, {g.node for g in looked_at if g.found})
        except BudgetError:
            note = "the budget ended before all that grew had been looked at"
            looked_at, beyond = [], without
        return looked_at, Repair(
            ablation=self.ablation,
            metric_without=without,
            metric_beyond=beyond,
            repaired=repaired,
            rounds=number,
            settled=not note,
            note=note,
        )

    def propose(
        self, members: Nodes, rounds: int, first: Estimates
    ) -> tuple[list[_Proposal], int, bool]:
        """Step 1: what grows, the number of rounds, and whether the last found nothing more."""
        replaced, proposals = members, list[_Proposal]()
        for number in range(1, rounds + 1):
            after = first if number == 1 else self.estimates([replaced])[0]
            known = {proposal.node for proposal in proposals}
            grown = {n: after[n] - self.before[n] for n in self.nodes if n not in replaced | known}
            ranked = sorted(grown, key=lambda node: -grown[node])
            found = [
                _Proposal(node, number, self.before[node], after[node])
                for node in ranked[:CANDIDATES]
                if grown[node] > self.least
            ]
            proposals += found
            more = {proposal.node for proposal in found if proposal.role == "takes over"}
            if not more:
                return proposals, number, True
            replaced |= more
        return proposals, rounds, False

    def measured(self, proposals: Sequence[_Proposal], members: Nodes) -> list[Growth]:
        """Step 2: each proposal alone, and where that shows nothing, with the others replaced."""
        found = self.judged(proposals, members, frozenset())
        stand_in = {proposal.node for proposal in proposals if proposal.role == "takes over"}
        for i, proposal in enumerate(proposals):
            others = frozenset(stand_in - {proposal.node})
            if not found[i].found and proposal.node in stand_in and others:
                (again,) = self.judged([proposal], members, others)
                found[i] = again if again.found else found[i]
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
                    by_chance=None,
                    p=p,
                    found=float(grown.mean()) > self.least and (p is None or p < CHANCE),
                )
            )
        return growths

    def compared(self, growths: Sequence[Growth], members: Nodes) -> list[Growth]:
        """Step 3: those that grow no more than something does by chance are not found."""
        compared: list[Growth] = []
        replaced = members
        for number in sorted({growth.round for growth in growths}):
            here = [growth for growth in growths if growth.round == number]
            chance = self.by_chance(replaced, [g.estimate for g in here if g.found])
            compared += [
                replace(
                    g, by_chance=chance, found=g.found and (chance is None or g.estimate > chance)
                )
                for g in here
            ]
            # As the next round's proposals were made.
            replaced |= {
                growth.node
                for growth in here
                if role_of(growth.estimate_before, growth.estimate_after) == "takes over"
            }
        return compared

    def by_chance(self, replaced: Nodes, growths: Sequence[float]) -> float | None:
        """The largest estimated growth of any node in any control; None without controls.

        Ends when it exceeds all of ``growths``.
        """
        pool = [node for node in self.nodes if node not in replaced]
        largest: float | None = None
        together = sets_per_call(self.setup)
        for begin in range(0, self.controls, together):
            if largest is not None and all(growth <= largest for growth in growths):
                break
            if not growths:
                break
            size = min(together, self.controls - begin)
            drawn = [random_nodes(replaced, pool, self.rng, matched="kinds") for _ in range(size)]
            for after, control in zip(self.estimates(drawn), drawn, strict=True):
                grown = (after[n] - self.before[n] for n in self.nodes if n not in control)
                largest = max(grown, default=0.0) if largest is None else max(largest, *grown)
        return largest

    @cached_property
    def before(self) -> Estimates:
        """Mean estimate of every node in the intact model."""
        return self.means(intact_estimates(self.trace, self.nodes, self.values))

    def estimates(self, sets: Sequence[Nodes]) -> list[Estimates]:
        """Mean estimate of every node with each of these sets replaced."""
        self.measure.spend(len(sets))
        found = estimates_given(self.setup.model, self.trace, sets, self.nodes, self.values)
        return [self.means(one) for one in found.estimate]

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


def first_looks(searches: Sequence[Search], members: Nodes) -> list[Estimates]:
    """Every ablation's estimates with ``members`` replaced, and its metric there, together.

    **Cost** 1 forward and 1 backward for each, in as few calls as memory allows.
    """
    looks: list[Estimates] = []
    setup, nodes = searches[0].setup, searches[0].nodes
    together = sets_per_call(setup)
    for begin in range(0, len(searches), together):
        some = searches[begin : begin + together]
        values = {
            site: torch.stack(torch.broadcast_tensors(*(one.values[site] for one in some)))
            for site in searches[0].values
        }
        found = estimates_given(setup.model, setup.trace, [members] * len(some), nodes, values)
        for search, estimate, metric in zip(some, found.estimate, found.metric, strict=True):
            search.measure.spend(1)
            search.measure.learn(search.measure.all - members, metric)
            looks.append(search.means(estimate))
    return looks


def sets_per_call(setup: Setup) -> int:
    """How many sets are replaced and differentiated in one call."""
    return min(_TOGETHER, variants_per_call(setup, 0))


def _only(node: Node) -> Nodes:
    return frozenset([node])
