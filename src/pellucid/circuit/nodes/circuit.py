"""A circuit: a set of components, and how it was chosen."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd
import torch

from pellucid.errors import EditError
from pellucid.model.anatomy import Node
from pellucid.model.model import Model
from pellucid.model.named_parts import PartNames, parts_named, split_names
from pellucid.model.parts import parse, parse_layer
from pellucid.options import Over, demand_choice
from pellucid.results.passes import Passes
from pellucid.results.refusal import Refusal
from pellucid.results.result import Result
from pellucid.results.tables import tabulate
from pellucid.results.views import shown
from pellucid.task.contrast import Contrasts

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class Circuit(Result):
    """Nodes that together carry a decision, with what was measured while choosing them.

    ``over`` says which components could be replaced at all: with ``heads`` the MLPs run freely in
    every measurement, with ``heads+mlps`` they are replaced too. The embedding is never replaced.
    """

    nodes: tuple[Node, ...]
    over: str
    method: str
    ablation: str
    target: float
    estimates: tuple[float, ...]
    """Estimated effect of each node, in the metric's units; only used to rank."""
    sufficiency: float | None
    """Measured while choosing, never clipped; None where the method does not measure it."""
    comprehensiveness: float | None
    minimal: bool
    """Whether every node was removed once and sufficiency then fell below the target."""
    drops: tuple[float, ...]
    """Fall of sufficiency when each node alone is removed; empty when not measured."""
    note: str
    """Why the circuit is empty, or why the search stopped early; empty when all went well."""
    budget: int
    passes: Passes
    refusal: Refusal | None = None
    """Why no circuit is claimed; None where one is."""

    @property
    def names(self) -> tuple[str, ...]:
        """The nodes' names, in computing order."""
        return tuple(node.name for node in self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def __contains__(self, node: object) -> bool:
        return node in self.nodes or node in self.names

    def to_frame(self) -> pd.DataFrame:
        """Columns ``node kind layer head position example estimate drop``."""
        frame = tabulate(self.nodes, torch.tensor(self.estimates), "estimate")
        frame["drop"] = list(self.drops) or [float("nan")] * len(frame)
        return frame

    def plot(self) -> "Figure":
        """The nodes in their layers, coloured by what removing each costs, else by estimate."""
        return shown(self, "figure")

    def export(
        self,
        path: str | Path,
        *,
        format: Literal["graphml", "dot"] | None = None,
        model: Model | None = None,
        contrast: Contrasts | None = None,
    ) -> Path:
        """Write it as GraphML or DOT: see ``circuit.exchange.export``."""
        return shown(self, "file", path, format=format, model=model, contrast=contrast)

    def __str__(self) -> str:
        return f"{len(self)} of {self.over}: {' '.join(self.names) or '(none)'}"


def replaceable(model: Model, over: str) -> tuple[Node, ...]:
    """The nodes that ``over`` allows to be replaced: of those kinds, or the parts that it names.

    **Raises** ``EditError`` for an unknown ``over``.
    """
    if isinstance(over, str) and all(parse(n) or parse_layer(n) for n in over.split("+")):
        return parts_named(model.anatomy, over, argument="over")
    demand_choice("over", over, Over, EditError)
    kinds = {"head"} if over == "heads" else {"head", "mlp"}
    return tuple(node for node in model.nodes if node.kind in kinds)


def resolve_nodes(model: Model, nodes: PartNames) -> tuple[Node, ...]:
    """Nodes given as objects or names (see ``parts_named``), in computing order; none of none.

    **Raises** ``EditError`` listing names that the model does not have.
    """
    given = split_names(nodes)
    return parts_named(model.anatomy, given) if given else ()
