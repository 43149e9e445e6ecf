"""What is found when the parts that carry a decision are replaced: the parts that step in."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import pandas as pd
import torch

from pellucid.model.anatomy import Node
from pellucid.results.passes import Passes
from pellucid.results.registry import stored
from pellucid.results.result import Result
from pellucid.results.tables import tabulate

BackupRole: TypeAlias = Literal["takes over", "opposes less"]


def _largest_first(growths: Iterable["Growth"]) -> tuple["Growth", ...]:
    return tuple(sorted(growths, key=lambda growth: -growth.effect))


def role_of(before: float, after: float) -> BackupRole:
    """Whether more of a growth lies above zero than below."""
    gained = max(after, 0) - max(before, 0)
    return "takes over" if gained > (after - before) / 2 else "opposes less"


@stored
@dataclass(frozen=True, kw_only=True)
class Growth:
    """How much more a node does for the answer once a circuit is replaced; in metric units."""

    node: Node
    ablation: str
    round: int
    """1: its estimate grew with the circuit replaced; 2: with what took over replaced too; ..."""
    others: tuple[str, ...]
    """Other nodes that were replaced both before and after, so that they could not cover for it."""
    estimate_before: float
    estimate_after: float
    effect_before: float
    """Measured: what replacing the node costs with the circuit whole."""
    effect_after: float
    """Measured: what it costs with the circuit replaced."""
    p: float | None
    """Sign-flip p-value of the measured growth over examples; None for fewer than five."""
    grew: bool
    """Whether the measured growth is large enough, and beyond chance over examples."""
    by_chance: float | None
    """Largest estimated growth of any node when random nodes are replaced; None if none were."""
    found: bool
    """Whether it is a backup: it grew, and by more than anything does by chance."""

    @property
    def estimate(self) -> float:
        """Growth by gradient."""
        return self.estimate_after - self.estimate_before

    @property
    def effect(self) -> float:
        """Measured growth."""
        return self.effect_after - self.effect_before

    @property
    def role(self) -> BackupRole:
        """Whether more of the growth is support gained, or opposition given up."""
        return role_of(self.effect_before, self.effect_after)


@stored
@dataclass(frozen=True, kw_only=True)
class Repair:
    """Self-repair as one ablation shows it."""

    ablation: str
    metric_without: float
    """Metric with the circuit replaced."""
    metric_beyond: float
    """Metric with the circuit and every backup that takes over replaced."""
    repaired: float
    """Measured: how much of the metric the backups save by changing what they write.

    The metric with the circuit replaced, less the same with every backup (of either role; all
    that grew, if nothing was compared with chance) held at what it writes in the intact model.
    """
    rounds: int
    settled: bool
    """Whether proposing ended because nothing more grew, and all of it was measured."""
    note: str
    """Why it is not settled; empty if it is."""


@dataclass(frozen=True, kw_only=True)
class Backups(Result):
    """Nodes that do more for the answer once the circuit is replaced, by ablation."""

    primaries: tuple[Node, ...]
    looked_at: tuple[Growth, ...]
    """Every node whose growth was measured, also those that turned out to be none."""
    repairs: tuple[Repair, ...]
    metric_all: float
    share: float
    """Least growth of a backup, as a share of the effect of the corrupted prompt."""
    controls: int
    """Random sets that were asked for, to be replaced instead of the circuit."""
    passes: Passes
    sets: int = 0
    """Random sets that were replaced: fewer where the model has no more, or where it was clear that
    nothing is found. Of 19 or more, one circuit in twenty that is nothing special passes."""
    p_by_sets: float | None = None
    """Share of these sets, the circuit among them, in which as much grows; None if not compared."""

    @property
    def found(self) -> tuple[Growth, ...]:
        """The backups, largest measured growth first; none where nothing was compared."""
        return _largest_first(growth for growth in self.looked_at if growth.found)

    @property
    def grew(self) -> tuple[Growth, ...]:
        """What grew when the circuit was replaced, beyond chance or not; largest growth first."""
        return _largest_first(growth for growth in self.looked_at if growth.grew)

    @property
    def compared(self) -> bool:
        """Whether growths were held against those of random sets."""
        return self.p_by_sets is not None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the backups under any ablation, largest growth first, each once."""
        return tuple(dict.fromkeys(growth.node.name for growth in self.found))

    def derived(self) -> dict[str, Any]:
        """Of every growth: whose it is, its measured size, and what it is made of."""
        rows = [
            {"node": one.node.name, "effect": one.effect, "role": one.role}
            for one in self.looked_at
        ]
        return {"backups": rows}

    def visible_under(self, node: Node | str) -> tuple[str, ...]:
        """The ablations under which a node is found to be a backup."""
        shown = {growth.ablation for growth in self.found if growth.node.name == str(node)}
        return tuple(repair.ablation for repair in self.repairs if repair.ablation in shown)

    @property
    def misestimate(self) -> float | None:
        """Mean distance of estimated from measured growth, over the mean size of the latter."""
        effects = [growth.effect for growth in self.looked_at]
        size = sum(map(abs, effects))
        if not size:
            return None
        return sum(abs(g.estimate - g.effect) for g in self.looked_at) / size

    def to_frame(self) -> pd.DataFrame:
        """One row for each growth measured: ``node ... estimate``, ``effect`` and what led to it.

        ``estimate`` and ``effect`` are growths.
        """
        nodes = [growth.node for growth in self.looked_at]
        values = torch.tensor([growth.estimate for growth in self.looked_at], dtype=torch.double)
        frame = tabulate(nodes, values, "estimate")
        for name in (
            "effect", "effect_before", "effect_after", "estimate_before", "estimate_after",
            "ablation", "round", "others", "role", "p", "grew", "by_chance", "found",
        ):  # fmt: skip
            frame[name] = [getattr(growth, name) for growth in self.looked_at]
        return frame

    def __str__(self) -> str:
        lines = [f"Self-repair when {len(self.primaries)} nodes are replaced ({self.passes})"]
        for repair in self.repairs:
            mine = [growth for growth in self.found if growth.ablation == repair.ablation]
            lines.append(
                f"  {repair.ablation}: metric {self.metric_all:+z.2f} becomes "
                f"{repair.metric_without:+z.2f}"
                f"{f'; they save {repair.repaired:+z.2f}' if mine else ', no backup found'}"
                f"{f' ({repair.note})' if repair.note else ''}"
            )
            lines += [
                f"    {g.node.name:7} {g.role:12} {g.effect_before:+z.2f} -> {g.effect_after:+z.2f}"
                f" measured, {g.estimate:+z.2f} estimated growth, round {g.round}"
                for g in mine
            ]
        return "\n".join(lines)
