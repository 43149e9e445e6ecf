"""Edges as a figure: the parts that they join, in their layers."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pellucid.attribution.edges.scores import Edge

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def edge_figure(values: Mapping[Edge, float], *, title: str, label: str) -> "Figure":
    """``values`` by edge, drawn; shared keys and values have a part of their own."""
    from pellucid.figures.circuit import circuit
    from pellucid.figures.layered import Vertex

    vertices = {u.name: Vertex(name=u.name, kind=u.kind, layer=u.layer) for u, _ in values}
    for _, slot in values:
        name = slot.name.partition(".")[0]
        kind: Any = slot.kind if slot.kind in ("mlp", "logits") else "head"
        vertices.setdefault(name, Vertex(name=name, kind=kind, layer=slot.layer))
    drawn = [(u.name, v.name, value) for (u, v), value in values.items()]
    return circuit(list(vertices.values()), drawn, title=title, edge_label=label)
