"""A circuit as boxes and arrows, which is what files for drawing programs hold.

An edge into a key/value head that several heads share becomes one arrow to each of those that are
in the circuit, with an equal part of its estimate; ``slot`` names the slot that they share.
"""

from dataclasses import dataclass

from pellucid.circuit.edges.circuit import EdgeCircuit
from pellucid.circuit.exchange.setting import Setting
from pellucid.circuit.nodes.circuit import Circuit
from pellucid.model.anatomy import Node

LOGITS = "logits"


@dataclass(frozen=True, kw_only=True)
class Box:
    """A node of the circuit, or the logits."""

    name: str
    kind: str
    layer: int | None = None
    head: int | None = None
    estimate: float | None = None
    drop: float | None = None
    """Fall of sufficiency when it alone is removed, where that was measured."""


@dataclass(frozen=True, kw_only=True)
class Arrow:
    """What one box sends to another through one slot."""

    sender: str
    receiver: str
    slot: str
    estimate: float


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Boxes in computing order, arrows between them, and what is known of the circuit."""

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    title: str
    facts: dict[str, str]


def picture_of(circuit: Circuit | EdgeCircuit, setting: Setting | None) -> Picture:
    """The nodes of a circuit, or its edges with the nodes at their ends."""
    boxes = edge_boxes(circuit) if isinstance(circuit, EdgeCircuit) else node_boxes(circuit)
    arrows = arrows_of(circuit) if isinstance(circuit, EdgeCircuit) else []
    facts = {"method": circuit.method, "ablation": circuit.ablation}
    if circuit.sufficiency is not None:
        facts["sufficiency"] = repr(circuit.sufficiency)
    if setting is not None:
        facts |= setting.facts
    return Picture(
        boxes=boxes, arrows=tuple(arrows), title=str(circuit).split("\n")[0], facts=facts
    )


def node_boxes(circuit: Circuit) -> tuple[Box, ...]:
    """The circuit's nodes with their estimates, and drops where they were measured."""
    drops: tuple[float | None, ...] = circuit.drops or (None,) * len(circuit)
    return tuple(
        box_of(node, estimate=estimate, drop=drop)
        for node, estimate, drop in zip(circuit.nodes, circuit.estimates, drops, strict=True)
    )


def edge_boxes(circuit: EdgeCircuit) -> tuple[Box, ...]:
    """The nodes at either end of a kept edge, and the logits if an edge leads there."""
    names = {node.name for node in circuit.nodes()}
    names |= {arrow.receiver for arrow in arrows_of(circuit)}
    boxes = tuple(box_of(node) for node in circuit.senders if node.name in names)
    return (*boxes, Box(name=LOGITS, kind=LOGITS)) if LOGITS in names else boxes


def box_of(node: Node, *, estimate: float | None = None, drop: float | None = None) -> Box:
    """A node as a box."""
    return Box(
        name=node.name,
        kind=node.kind,
        layer=node.layer,
        head=node.head,
        estimate=estimate,
        drop=drop,
    )


def arrows_of(circuit: EdgeCircuit) -> list[Arrow]:
    """One arrow for every kept edge and node that it feeds."""
    inside = set(circuit.nodes())
    arrows = []
    for i, j in circuit.kept.nonzero().tolist():
        slot = circuit.slots[j]
        fed = circuit.fed_by(slot)
        receivers = [n.name for n in fed if n in inside] or [n.name for n in fed] or [LOGITS]
        arrows += [
            Arrow(
                sender=circuit.senders[i].name,
                receiver=receiver,
                slot=slot.name,
                estimate=float(circuit.scores[i, j]) / len(receivers),
            )
            for receiver in receivers
        ]
    return arrows
