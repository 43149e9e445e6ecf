"""From names to the parts of a model that they name."""

from collections.abc import Iterable, Sequence

from pellucid.errors import EditError, unknown_names
from pellucid.model.anatomy import Anatomy, Node
from pellucid.model.parts import KINDS, kind_called, parse, parse_layer

GROUPS = {"heads": "head", "mlps": "mlp"}
"""Names for all parts of a kind in the whole model."""


def part_named(anatomy: Anatomy, name: str) -> Node | None:
    """The part of that name, if the model has it: a node, or a part such as a neuron."""
    found = parse(name)
    if found is None:
        return None
    part = Node(found.kind, found.layer, found.index)
    if found.layer is None:
        return part if part in anatomy.nodes else None
    if found.layer >= anatomy.n_layers:
        return None
    count = kind_called(found.kind).count(anatomy.blocks[found.layer])
    return part if (found.index or 0) < count else None


def parts_named(anatomy: Anatomy, names: str | Iterable[str]) -> tuple[Node, ...]:
    """The parts called ``names``, in computing order, each once.

    A name is that of a part (``L9H6``, ``M3``, ``M3N310``), of all parts of a kind in a layer
    (``M3.neurons``, ``L9.heads``), or of all heads or MLPs (``heads``, ``mlps``); several in one
    string are joined by a plus sign: ``heads+M3.neurons``.

    **Raises** ``EditError`` for names that this model has no part of, or none at all.
    """
    listed = [names] if isinstance(names, str) else list(names)
    found: list[Node] = []
    unknown = []
    for name in [one for text in listed for one in str(text).split("+")]:
        parts = _group(anatomy, name)
        if not parts:
            unknown.append(name)
        found += parts
    if unknown or not found:
        known = [node.name for node in anatomy.nodes]
        shown = ", ".join(name or "(nothing)" for name in unknown)
        groups = [k.all_of_layer.format(layer=0) for k in KINDS.values() if k.all_of_layer]
        raise EditError(
            f"No part named {shown or '(none given)'}: this model's are "
            f"{known[0]}, {known[1]} to {known[-1]}; of all of a layer one says "
            f"{' or '.join(groups)}, of all of the model heads or mlps.",
            **unknown_names(unknown, [*known, *groups]),
        )
    return in_computing_order(found)


def parts_in_layer(anatomy: Anatomy, kind: str, layer: int) -> tuple[Node, ...]:
    """All parts of a kind in a layer."""
    one = kind_called(kind)
    count = one.count(anatomy.blocks[layer])
    return tuple(Node(kind, layer, index if one.indexed else None) for index in range(count))


def in_computing_order(parts: Iterable[Node]) -> tuple[Node, ...]:
    """By layer, then by kind as the kinds stand in their table, then by index; each once."""
    rank = {kind: place for place, kind in enumerate(KINDS)}
    return tuple(
        sorted(
            dict.fromkeys(parts),
            key=lambda part: (
                -1 if part.layer is None else part.layer,
                rank[part.kind],
                part.head or 0,
            ),
        )
    )


def _group(anatomy: Anatomy, name: str) -> Sequence[Node]:
    if name in GROUPS:
        return [node for node in anatomy.nodes if node.kind == GROUPS[name]]
    if (found := parse_layer(name)) and found.layer is not None:
        if found.layer >= anatomy.n_layers:
            return []
        return parts_in_layer(anatomy, found.kind, found.layer)
    part = part_named(anatomy, name)
    return [] if part is None else [part]
