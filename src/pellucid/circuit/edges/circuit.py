"""A circuit of edges, and how it was chosen."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pellucid.circuit.edges.outcome import SizeStep
from pellucid.circuit.edges.sets import EdgeSet
from pellucid.errors import EditError
from pellucid.model.anatomy import Node, Slot
from pellucid.model.model import Model
from pellucid.model.named_parts import edges_named
from pellucid.results.passes import Passes
from pellucid.results.prose import shown_as
from pellucid.results.refusal import Refusal
from pellucid.results.result import Result
from pellucid.results.views import shown
from pellucid.task.contrast import Contrasts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Format: TypeAlias = Literal["eap-ig", "eap-ig-flat", "neuronpedia", "graphml", "dot"]
"""Other tools' files that can hold a circuit of edges."""


@dataclass(frozen=True, kw_only=True)
class EdgeCircuit(Result):
    """Edges that together carry a decision, with what was measured while choosing them."""

    senders: tuple[Node, ...]
    slots: tuple[Slot, ...]
    exists: Bool[Tensor, "sender slot"]
    kept: Bool[Tensor, "sender slot"]
    scores: Float[Tensor, "sender slot"]
    """What the edges were ranked by; zeros where by nothing.

    Estimates in the metric's units, or with ``ranked_by="nested"`` a learned order."""
    method: str
    ranked_by: str
    ablation: str
    target: float | None
    sufficiency: float | None
    """f of the kept edges, measured, never clipped."""
    minimal: bool
    """Whether every edge was cut once and sufficiency then fell below the target."""
    steps: tuple[SizeStep, ...]
    """How the size was chosen, each step measured; empty where the size was given."""
    note: str
    passes: Passes
    d_model: int | None = None
    """Width of the residual stream, where it is known; only some file formats want it."""
    refusal: Refusal | None = None
    """Why no circuit is claimed; None where one is."""

    def __len__(self) -> int:
        return int(self.kept.sum())

    def edges(self) -> list[tuple[Node, Slot]]:
        """The kept edges, by sender and then slot."""
        return [(self.senders[i], self.slots[j]) for i, j in self.kept.nonzero().tolist()]

    @property
    def names(self) -> tuple[tuple[str, str], ...]:
        """The kept edges as pairs of names, ``("L5H1", "L9H6.q")``."""
        return tuple((u.name, v.name) for u, v in self.edges())

    def nodes(self) -> tuple[Node, ...]:
        """Nodes that send on a kept edge, in computing order."""
        return tuple(n for n, sends in zip(self.senders, self.kept.any(1), strict=True) if sends)

    def fed_by(self, slot: Slot) -> tuple[Node, ...]:
        """The nodes that a slot goes into: a key or value into every head that shares it."""
        if slot.layer is None:
            return ()
        kind = "mlp" if slot.kind == "mlp" else "head"
        here = [n for n in self.senders if n.layer == slot.layer and n.kind == kind]
        if slot.kind in ("mlp", "attn"):
            return tuple(here)
        alike = sum(s.layer == slot.layer and s.kind == slot.kind for s in self.slots)
        group = len(here) // alike
        return tuple(n for n in here if n.head is not None and n.head // group == slot.head)

    def to_frame(self) -> pd.DataFrame:
        """Columns ``sender slot estimate``, one row per kept edge."""
        names = self.names
        return pd.DataFrame(
            {
                "sender": [u for u, _ in names],
                "slot": [v for _, v in names],
                "estimate": self.scores[self.kept].double().numpy(),
            }
        )

    def export(
        self,
        path: str | Path,
        *,
        format: Format | None = None,
        model: Model | None = None,
        contrast: Contrasts | None = None,
    ) -> Path:
        """Write it for EAP-IG, Neuronpedia, GraphML or DOT: see ``circuit.exchange.export``."""
        return shown(self, "file", path, format=format, model=model, contrast=contrast)

    def plot(self) -> "Figure":
        """The kept edges, coloured by what they were ranked by."""
        return shown(self, "figure")

    def __str__(self) -> str:
        share = len(self) / max(int(self.exists.sum()), 1)
        said = "not measured" if self.sufficiency is None else shown_as(self.sufficiency, ".3f")
        lines = [f"{len(self)} of {int(self.exists.sum())} edges ({share:.2%}), sufficiency {said}"]
        for step in self.steps:
            kept = shown_as(step.sufficiency, ".3f")
            between = f"  {step.interval}" if step.interval.known else ""
            lines.append(f"  {step.name:10} {step.size:6}  {kept}{between}")
        if self.note:
            lines.append(self.note)
        return "\n".join(lines)


EdgeNames: TypeAlias = EdgeCircuit | EdgeSet | Iterable[tuple[Node | str, Slot | str]]
"""A circuit, a matrix [sender, slot], or pairs of names."""


def resolve_edges(model: Model, edges: EdgeNames) -> EdgeSet:
    """Edges given as a circuit, as a matrix or by name, as a matrix.

    **Raises** ``EditError`` for a circuit of another model, or an edge that is not there.
    """
    anatomy = model.anatomy
    if isinstance(edges, EdgeCircuit):
        if edges.senders != anatomy.nodes or edges.slots != anatomy.slots:
            raise EditError(
                f"The circuit is of a model with {len(edges.senders)} nodes and "
                f"{len(edges.slots)} slots; this one has {len(anatomy.nodes)} and "
                f"{len(anatomy.slots)}."
            )
        return edges.kept
    if isinstance(edges, torch.Tensor):
        if edges.dtype != torch.bool:
            raise EditError(f"A matrix of {edges.dtype}; a set of edges is one of torch.bool.")
        if edges.shape != anatomy.edges.shape or bool((edges & ~anatomy.edges).any()):
            raise EditError(
                f"A matrix of shape {tuple(edges.shape)}, with edges that the model does not have "
                f"or another shape than {tuple(anatomy.edges.shape)} (senders, slots)."
            )
        return edges
    return edges_named(anatomy, list(edges))
