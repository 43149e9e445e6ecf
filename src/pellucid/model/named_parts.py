"""From names to the parts of a model that they name: nodes, parts of other kinds, and edges."""

from collections.abc import Container, Iterable, Sequence
from typing import NoReturn, TypeAlias

import torch
from jaxtyping import Bool
from torch import Tensor

from pellucid.errors import EditError, unknown_names
from pellucid.model.anatomy import Anatomy, Node, Slot
from pellucid.model.parts import GROUPS, KINDS, kind_called, parse, parse_layer
from pellucid.model.sites import DICTIONARY_HOOK_NAMES, HOOK_NAMES, site_of

PartNames: TypeAlias = str | Node | Iterable[str | Node]
"""Parts as a caller gives them: a name, a node, or several."""
_SUBLAYER = {
    **dict.fromkeys(("neurons", "router", "experts"), "mlp_out"),
    **dict.fromkeys(("q", "k", "v", "pattern", "z"), "attn_out"),
}
"""Where a sublayer writes what it makes of the tensor at a site, and of nothing beside."""
_COMPUTED = {kind: at for at, kind in enumerate([*HOOK_NAMES, *DICTIONARY_HOOK_NAMES])}
"""When a layer computes the tensor of a site."""


def part_named(anatomy: Anatomy, name: str) -> Node | None:
    """The part of that name, if the model has it: a node, or a part such as a neuron."""
    found = parse(name)
    if found is None:
        return None
    return _there(anatomy, Node(found.kind, found.layer, found.index))


def parts_named(
    anatomy: Anatomy,
    names: PartNames,
    *,
    among: Sequence[Node] | None = None,
    argument: str | None = None,
) -> tuple[Node, ...]:
    """The parts called ``names``, in computing order, each once.

    A name is that of a part (``L9H6``, ``M3``, ``M3N310``), of all parts of a kind in a layer
    (``M3.neurons``, ``L9.heads``), or of all heads or MLPs (``heads``, ``mlps``); several in one
    string are joined by a plus sign: ``heads+M3.neurons``. With ``among`` only those parts can be
    named, and groups are of them.

    **Raises** ``EditError`` for names that this model has no part of, or none at all; its text
    names the ``argument`` that they were given as.
    """
    allowed = None if among is None else set(among)
    found: list[Node] = []
    unknown = []
    for name in split_names(names):
        parts = _group(anatomy, name)
        if allowed is not None:
            parts = [part for part in parts if part in allowed]
        if not parts:
            unknown.append(str(name))
        found += parts
    if unknown or not found:
        known = anatomy.nodes if among is None else among
        refuse_names(unknown, known, argument, anatomy if among is None else None)
    return in_computing_order(found)


def split_names(names: PartNames) -> list[str | Node]:
    """Names as they were given, one by one; nodes as they are."""
    listed = [names] if isinstance(names, str) or not isinstance(names, Iterable) else names
    return [
        one
        for given in listed
        for one in ([given] if isinstance(given, Node) else str(given).split("+"))
    ]


def refuse_names(
    unknown: Sequence[str],
    known: Sequence[Node | Slot],
    argument: str | None = None,
    groups_of: Anatomy | None = None,
) -> NoReturn:
    """**Raises** ``EditError``: what was not found, what there is, and the groups of a model."""
    names = [part.name for part in known]
    blocks = () if groups_of is None else groups_of.blocks
    layers = [
        kind.all_of_layer.format(layer=0)
        for kind in KINDS.values()
        if kind.all_of_layer and any(map(kind.count, blocks))
    ]
    shown = ", ".join(name or "(nothing)" for name in unknown) or "(none given)"
    there = f"{', '.join(names[:2])} to {names[-1]}" if len(names) > 3 else ", ".join(names)
    text = f"No part named {shown}: there are {there or 'none'}"
    if layers:
        text += f"; all of a layer are {' or '.join(layers)}, all of the model heads or mlps"
    raise EditError(
        f"{'' if argument is None else f'{argument}=: '}{text}.",
        **unknown_names(unknown, [*names, *layers]),
    )


def parts_in_layer(anatomy: Anatomy, kind: str, layer: int) -> tuple[Node, ...]:
    """All parts of a kind in a layer."""
    one = kind_called(kind)
    count = one.count(anatomy.blocks[layer])
    return tuple(Node(kind, layer, index if one.indexed else None) for index in range(count))


def group_name(anatomy: Anatomy, kind: str, layer: int) -> str:
    """All parts of a kind in a layer, as ``parts_named`` reads it."""
    if (group := kind_called(kind).all_of_layer) is not None:
        return group.format(layer=layer)
    return "+".join(part.name for part in parts_in_layer(anatomy, kind, layer))


def in_computing_order(parts: Iterable[Node]) -> tuple[Node, ...]:
    """By layer, then by when the layer computes them, then by index; each once.

    Kinds that stand at the same site keep the order in which they are given.
    """
    each = list(dict.fromkeys(parts))
    given = {kind: place for place, kind in enumerate(dict.fromkeys(part.kind for part in each))}

    def order(part: Node) -> tuple[int, int, int, int]:
        layer = -1 if part.layer is None else part.layer
        return layer, _COMPUTED[site_of(part).kind], given[part.kind], part.head or 0

    return tuple(sorted(each, key=order))


def holder_of(anatomy: Anatomy, part: Node, parts: Container[Node]) -> Node | None:
    """One of ``parts`` that replaces all that ``part`` gives, as an MLP does with its neurons."""
    layer, site = part.layer, site_of(part)
    if layer is None:
        return None
    holders = [Node(kind, layer) for kind in KINDS if not KINDS[kind].indexed]
    at = (site.kind, _SUBLAYER.get(site.kind))
    whole = [node for node in holders if site_of(node).kind in at]
    return next((n for n in [*whole, *_heads(anatomy, part)] if n != part and n in parts), None)


def _heads(anatomy: Anatomy, part: Node) -> list[Node]:
    """The heads that read a query, key or value."""
    attention = None if part.layer is None else anatomy.blocks[part.layer].attention
    if attention is None or part.head is None or part.kind not in ("q", "k", "v"):
        return []
    shared = 1 if part.kind == "q" else attention.n_heads // attention.n_kv_heads
    return [Node("head", part.layer, part.head * shared + i) for i in range(shared)]


def edges_named(
    anatomy: Anatomy, edges: Sequence[tuple[Node | str, Slot | str]]
) -> Bool[Tensor, "sender slot"]:
    """The matrix that is True at ``edges``, given as objects or by name.

    **Raises** ``EditError`` for names that the model does not have, and listing edges that it does
    not have.
    """
    rows = {node.name: i for i, node in enumerate(anatomy.nodes)}
    columns = {slot.name: j for j, slot in enumerate(anatomy.slots)}
    if isinstance(edges, str) or any(isinstance(e, str) or len(e) != 2 for e in edges):
        raise EditError(f"edges={edges!r:.80}: give pairs, as [('L5H1', 'L9H6.q')].")
    named = [(str(sender), str(slot)) for sender, slot in edges]
    if unknown := [sender for sender, _ in named if sender not in rows]:
        refuse_names(unknown, anatomy.nodes, "edges")
    if unknown := [slot for _, slot in named if slot not in columns]:
        refuse_names(unknown, anatomy.slots, "edges")
    chosen = torch.zeros_like(anatomy.edges)
    for sender, slot in named:
        chosen[rows[sender], columns[slot]] = True
    absent = [f"{u} -> {v}" for u, v in named if not anatomy.edges[rows[u], columns[v]]]
    if absent:
        raise EditError(
            f"No edge {', '.join(absent[:5])}: a node sends only to what is computed after it.",
            unknown=tuple(absent),
        )
    return chosen


def _group(anatomy: Anatomy, name: str | Node) -> Sequence[Node]:
    if isinstance(name, Node):
        part = _there(anatomy, name)
        return [] if part is None else [part]
    if name in GROUPS:
        return [node for node in anatomy.nodes if node.kind == GROUPS[name]]
    if (found := parse_layer(name)) and found.layer is not None:
        if found.layer >= anatomy.n_layers:
            return []
        return parts_in_layer(anatomy, found.kind, found.layer)
    part = part_named(anatomy, name)
    return [] if part is None else [part]


def _there(anatomy: Anatomy, part: Node) -> Node | None:
    """The part, if the model has it."""
    kind = kind_called(part.kind)
    if part.layer is None:
        return part if part in anatomy.nodes else None
    if part.layer >= anatomy.n_layers or (part.head is not None) != kind.indexed:
        return None
    return part if (part.head or 0) < kind.count(anatomy.blocks[part.layer]) else None
