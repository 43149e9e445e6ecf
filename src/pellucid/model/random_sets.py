"""Random sets to hold a circuit against, each rule by its name.

A set is as surprising as the sets that it is compared with are like it. ``matched`` says in what:

    nodes    size       as many nodes
             kinds      as many of each kind (heads, MLPs), as far as there are
             layers     as many of each kind in each layer
             nearby     as many of each kind, each in the layer of one of its own or near it
    edges    connected  as many edges, every one on a path from the embedding to the logits
             layers     as many edges between the same layers and kinds of part
"""

import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from pellucid.model.anatomy import Anatomy, Node

Drawn: TypeAlias = Bool[Tensor, "sender slot"]
NodeRule: TypeAlias = Literal["size", "kinds", "layers"]
EdgeRule: TypeAlias = Literal["connected", "layers"]
_GROUPS: dict[NodeRule, Callable[[Node], object]] = {
    "size": lambda node: "any",
    "kinds": lambda node: node.kind,
    "layers": lambda node: (node.kind, node.layer),
}
CHOICE = 20
"""How many times more sets there should be to draw from than are drawn, and tries for each."""
PATHS = 500
"""Paths that a random circuit is put together from, at most."""


def random_nodes(
    like: frozenset[Node], pool: Sequence[Node], rng: random.Random, *, matched: NodeRule
) -> frozenset[Node]:
    """Nodes of ``pool``, drawn without replacement, that match ``like``; fewer where it has few."""
    group = _GROUPS[matched]
    drawn: list[Node] = []
    for which, count in sorted(Counter(map(group, like)).items(), key=str):
        alike = [node for node in pool if group(node) == which]
        drawn += rng.sample(alike, min(count, len(alike)))
    return frozenset(drawn)


def random_nearby(
    like: frozenset[Node], pool: Sequence[Node], rng: random.Random, *, count: int
) -> list[frozenset[Node]]:
    """Up to ``count`` different sets: each node exchanged for one of its kind in nearby layers.

    Nearby is the node's own layer, or as many layers on both sides of it as are needed for
    ``CHOICE`` times ``count`` sets to be drawn from. Fewer where ``pool`` has too few.
    """
    members = sorted(like, key=lambda node: node.name)
    deepest = max((node.layer or 0 for node in pool), default=0)
    nearby: list[list[Node]] = []
    for reach in range(deepest + 1):
        nearby = [[one for one in pool if _near(one, node, reach)] for node in members]
        if math.prod(map(len, nearby)) >= CHOICE * count:
            break
    drawn: dict[frozenset[Node], None] = {}
    for _ in range(CHOICE * count):
        one: set[Node] = set()
        for choices in nearby:
            left = [node for node in choices if node not in one]
            one |= {rng.choice(left)} if left else set()
        if one and len(drawn) < count:
            drawn[frozenset(one)] = None
    return list(drawn)


def _near(one: Node, other: Node, reach: int) -> bool:
    return one.kind == other.kind and abs((one.layer or 0) - (other.layer or 0)) <= reach


def random_edges(
    like: Drawn,
    anatomy: Anatomy,
    generator: torch.Generator,
    *,
    matched: EdgeRule,
) -> Drawn:
    """Edges of the model that match ``like``."""
    if matched == "connected":
        return random_connected(anatomy, int(like.sum()), generator)
    return _between_the_same_layers(anatomy, like, generator)


def random_connected(anatomy: Anatomy, size: int, generator: torch.Generator) -> Drawn:
    """``size`` random edges, every one of them on a path from the embedding to the logits.

    Random paths are put together, each only if it fits. What is missing after ``PATHS`` of them are
    further edges among the nodes that they reach: too few only where nearly all edges are asked for
    and some node was not reached (31,205 of 32,000 once, of GPT-2's 32,491).
    """
    size = min(size, int(anatomy.edges.sum()))
    kept: set[tuple[int, int]] = set()
    for _ in range(PATHS):
        further = kept | _random_path(anatomy, generator)
        if len(further) <= size:
            kept = further
        if len(kept) == size:
            break
    drawn = torch.zeros_like(anatomy.edges)
    for sender, slot in kept:
        drawn[sender, slot] = True
    reached = drawn.any(1)
    read = anatomy.feeds[:, reached].any(1)
    read[-1] = True
    spare = (anatomy.edges & ~drawn & reached[:, None] & read).flatten().nonzero()[:, 0]
    chosen = spare[torch.randperm(len(spare), generator=generator)[: size - len(kept)]]
    drawn.view(-1)[chosen] = True
    return drawn


def _random_path(anatomy: Anatomy, generator: torch.Generator) -> set[tuple[int, int]]:
    """From the logits back to the embedding: a sender of the slot, a slot of the sender, and on."""
    slot, path = len(anatomy.slots) - 1, set()
    while True:
        sender = _any_of(anatomy.edges[:, slot], generator)
        path.add((sender, slot))
        if sender == 0:
            return path
        slot = _any_of(anatomy.feeds[:, sender], generator)


def _any_of(chosen: Bool[Tensor, " place"], generator: torch.Generator) -> int:
    places = chosen.nonzero()[:, 0]
    return int(places[int(torch.randint(len(places), (), generator=generator))])


def _between_the_same_layers(anatomy: Anatomy, kept: Drawn, generator: torch.Generator) -> Drawn:
    groups = _groups(anatomy)
    drawn = torch.zeros_like(kept)
    for group in groups[kept].unique().tolist():
        pool = (anatomy.edges & (groups == group)).nonzero()
        wanted = int((kept & (groups == group)).sum())
        chosen = pool[torch.randperm(len(pool), generator=generator)[:wanted]]
        drawn[chosen[:, 0], chosen[:, 1]] = True
    return drawn


def _groups(anatomy: Anatomy) -> Int[Tensor, "sender slot"]:
    """A number for each edge, the same for edges between the same layers and kinds."""
    numbers: dict[object, int] = {}
    rows = [numbers.setdefault((n.kind, n.layer), len(numbers)) for n in anatomy.nodes]
    columns = [numbers.setdefault((s.kind, s.layer), len(numbers)) for s in anatomy.slots]
    return torch.tensor(rows)[:, None] * len(numbers) + torch.tensor(columns)
