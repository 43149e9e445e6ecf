"""Nodes as figures: their estimates, their measured effects, circuits of them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pellucid.attribution.nodes import Attribution
from pellucid.attribution.patch import PatchEffects
from pellucid.circuit.nodes.circuit import Circuit
from pellucid.circuit.nodes.faithfulness import Faithfulness
from pellucid.errors import FigureError, TaskError
from pellucid.figures.circuit import circuit
from pellucid.figures.curve import curve, middle
from pellucid.figures.layered import Kind, Vertex
from pellucid.figures.parts import by_layer, by_position
from pellucid.model.anatomy import Node
from pellucid.model.sites import site_of
from pellucid.options import ABLATION
from pellucid.results.views import shows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STRONGEST = 25
"""Nodes in a figure by position."""


@shows(Attribution, "figure")
def draw_estimates(
    found: Attribution, per: Literal["node", "position"], tokens: Sequence[str] | None
) -> "Figure":
    """``Attribution.plot``."""
    title, label = f"Estimated effect of each node ({found.method})", "estimate (metric's units)"
    if per == "node":
        return by_layer(found.nodes, found.estimate.double(), title=title, label=label)
    if per != "position":
        raise TaskError(f"per={per!r} cannot be plotted; choose 'node' or 'position'.")
    inside = [u for u, node in enumerate(found.nodes) if node.layer is not None]
    strongest = sorted(inside, key=lambda u: -abs(float(found.estimate[u])))[:STRONGEST]
    return by_position(
        [found.nodes[u].name for u in sorted(strongest)],
        found.by_position.mean(0)[:, sorted(strongest)].T.double(),
        positions=range(found.by_position.shape[1]),
        tokens=tokens,
        title=title,
        label=label,
    )


@shows(PatchEffects, "figure")
def draw_effects(found: PatchEffects, tokens: Sequence[str] | None) -> "Figure":
    """``PatchEffects.plot``."""
    put_in = "" if found.ablation == ABLATION else f" with {found.ablation}"
    title = f"Measured effect of {found.direction}{put_in}, sites: {found.sites}"
    label = "effect (metric's units)"
    if found.positions is None:
        return by_layer(found.places, found.effect[0].double(), title=title, label=label)
    return by_position(
        [place.name for place in found.places],
        found.effect.T.double(),
        positions=found.positions,
        tokens=tokens,
        title=title,
        label=label,
    )


@shows(Circuit, "figure")
def draw_circuit(found: Circuit) -> "Figure":
    """``Circuit.plot``."""
    return circuit(
        [
            Vertex(name=node.name, kind=drawn_as(node), layer=node.layer, value=value)
            for node, value in zip(found.nodes, found.drops or found.estimates, strict=True)
        ],
        title=f"Circuit of {len(found)} nodes over {found.over} ({found.method})",
        label="fall of sufficiency when removed" if found.drops else "estimate",
    )


@shows(Faithfulness, "figure")
def draw_faithfulness(found: Faithfulness, target: float | None) -> "Figure":
    """``Faithfulness.plot``."""
    if found.undefined:
        raise FigureError(f"There is nothing to draw: shares are {found.undefined}.")
    random_sets = {
        "random sets of the same size, 5-95 %": found.random_same_size,
        "random sets like it in each layer, 5-95 %": found.random_same_layers,
    }
    return curve(
        found.curve_sizes,
        found.curve,
        title=f"Faithfulness over {found.over}, {found.ablation} ablation",
        axis="log" if found.size else "linear",
        bands={name: middle(found.size, f) for name, f in random_sets.items() if f},
        target=target,
        marks={f"the circuit, {found.size} of {found.out_of}": (found.size, found.sufficiency)},
    )


def drawn_as(node: Node) -> Kind:
    """The kind of box: its own, else a head's where attention holds the part, else an MLP's."""
    if node.kind == "embed" or node.kind == "head" or node.kind == "mlp":
        return node.kind  # type: ignore[return-value]
    return "head" if site_of(node).by_head else "mlp"
