"""Edges as figures: the parts that they join, in their layers, and f against their number."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.attribution.edges.scores import Edge, EdgeScores
from pellucid.circuit.edges.circuit import EdgeCircuit
from pellucid.circuit.edges.curve import EdgeCurve
from pellucid.figures.circuit import circuit
from pellucid.figures.curve import curve
from pellucid.figures.layered import Vertex
from pellucid.model.parts import owner
from pellucid.results.views import shows
from pellucid.views.nodes import drawn_as

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@shows(EdgeScores, "figure")
def draw_scores(found: EdgeScores, top: int) -> "Figure":
    """``EdgeScores.plot``."""
    rows = {node: i for i, node in enumerate(found.senders)}
    columns = {slot: j for j, slot in enumerate(found.slots)}
    values = {(u, v): float(found.matrix[rows[u], columns[v]]) for u, v in found.ranked()[:top]}
    title = f"The {len(values)} strongest edges ({found.method})"
    return edge_figure(values, title=title, label=f"{found.column} (metric's units)")


@shows(EdgeCircuit, "figure")
def draw_edge_circuit(found: EdgeCircuit) -> "Figure":
    """``EdgeCircuit.plot``."""
    values = dict(zip(found.edges(), found.scores[found.kept].tolist(), strict=True))
    label = f"{found.ranked_by or 'no'} score"
    return edge_figure(values, title=f"{len(found)} edges ({found.method})", label=label)


@shows(EdgeCurve, "figure")
def draw_edge_curve(found: EdgeCurve) -> "Figure":
    """``EdgeCurve.plot``."""
    bands = {}
    if found.random[0]:
        low, high = np.percentile(found.random, [5, 95], axis=1)
        bands["random connected circuits, 5-95 %"] = (found.asked, low, high)
    return curve(
        found.asked,
        found.f,
        bands=bands,
        title=f"Edges by {found.ranked_by}, {found.selection}",
        axis="log" if found.asked[0] else "linear",
    )


def edge_figure(values: Mapping[Edge, float], *, title: str, label: str) -> "Figure":
    """``values`` by edge, drawn; shared keys and values have a part of their own."""
    vertices = {u.name: Vertex(name=u.name, kind=drawn_as(u), layer=u.layer) for u, _ in values}
    for _, slot in values:
        name = owner(slot.name)
        kind: Any = slot.kind if slot.kind in ("mlp", "logits") else "head"
        vertices.setdefault(name, Vertex(name=name, kind=kind, layer=slot.layer))
    drawn = [(u.name, v.name, value) for (u, v), value in values.items()]
    return circuit(list(vertices.values()), drawn, title=title, edge_label=label)
