"""A circuit: a set of components, and how it was chosen."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import pandas as pd
import torch

from pellucid.errors import EditError
from pellucid.model.anatomy import Node
from pellucid.model.model import Model
from pellucid.model.named_parts import PartNames, group_name, holder_of, parts_named, split_names
from pellucid.options import Over
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


def replaceable(model: Model, over: PartNames) -> tuple[Node, ...]:
    """The nodes that ``over`` allows to be replaced: heads, also MLPs, or the parts that it names.

    **Raises** ``EditError`` for a name that the model has no part of, or a part inside another that
    is there too: it could not be kept where the other is replaced.
    """
    text = over_text(over)
    if text in get_args(Over):
        kinds = {"head"} if text == "heads" else {"head", "mlp"}
        return tuple(node for node in model.nodes if node.kind in kinds)
    parts = parts_named(model.anatomy, text, argument="over")
    each = set(parts)
    for part in parts:
        if outer := holder_of(model.anatomy, part, each):
            raise EditError(
                f"over={text!r}: {part} is inside {outer}, which is there too, and cannot be kept "
                f"where {outer} is replaced. Leave out one of the two.",
                unknown=(part.name, outer.name),
            )
    return parts


def over_text(over: PartNames) -> str:
    """``over`` as one text, however it was given."""
    return "+".join(map(str, split_names(over)))


def over_of(model: Model, members: Sequence[Node]) -> str:
    """What a circuit of ``members`` is over: all parts that are like them.

    Heads, all of them and with MLPs those too; of other kinds, such as neurons, those of the same
    layers, instead of the MLPs or heads that they are inside of.
    """
    kinds = {part.kind for part in members} & {"head", "mlp"}
    others = dict.fromkeys((p.kind, p.layer) for p in members if p.kind not in kinds)
    names = [group_name(model.anatomy, kind, layer) for kind, layer in others if layer is not None]
    if not names:
        return "heads+mlps" if "mlp" in kinds else "heads"
    like = [node for node in model.nodes if node.kind in kinds]
    within = parts_named(model.anatomy, names)
    holding = {holder_of(model.anatomy, part, set(like)) for part in within} - set(members)
    return over_text([*(node for node in like if node not in holding), *names])


def resolve_nodes(model: Model, nodes: PartNames) -> tuple[Node, ...]:
    """Nodes given as objects or names (see ``parts_named``), in computing order; none of none.

    **Raises** ``EditError`` listing names that the model does not have.
    """
    given = split_names(nodes)
    return parts_named(model.anatomy, given) if given else ()
