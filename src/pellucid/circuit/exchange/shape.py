"""The sizes from which all nodes and edges of a plain decoder follow, in EAP-IG's order and names.

Every layer has the same number of heads and an MLP, in sequence or in parallel.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Bool
from torch import Tensor

from pellucid.model.anatomy import Node, Slot

LETTERS: tuple[Literal["q", "k", "v"], ...] = ("q", "k", "v")


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A decoder's sizes."""

    n_layers: int
    n_heads: int
    n_kv_heads: int
    parallel: bool

    @classmethod
    def of(
        cls,
        senders: tuple[Node, ...],
        slots: tuple[Slot, ...],
        exists: Bool[Tensor, "sender slot"],
    ) -> "Shape | None":
        """The sizes of a model with these nodes, slots and edges; None where it is not so plain."""
        heads = [i for i, node in enumerate(senders) if node.kind == "head" and node.layer == 0]
        mlp = [j for j, slot in enumerate(slots) if slot.kind == "mlp" and slot.layer == 0]
        shared = sum(slot.kind == "k" and slot.layer == 0 for slot in slots)
        if not heads or not mlp or not shared or len(heads) % shared:
            return None
        found = cls(
            n_layers=1 + max(node.layer or 0 for node in senders),
            n_heads=len(heads),
            n_kv_heads=shared,
            parallel=not bool(exists[heads[0], mlp[0]]),
        )
        same = found.senders == senders and found.slots == slots
        return found if same and torch.equal(found.exists, exists) else None

    def __str__(self) -> str:
        kv = f" with {self.n_kv_heads} key/value heads" if self.group > 1 else ""
        how = "in parallel" if self.parallel else "in sequence"
        return f"{self.n_layers} layers of {self.n_heads} heads{kv} and an MLP {how}"

    def sharing(self, n_kv_heads: int) -> "Shape":
        """This shape with another number of key/value heads."""
        return replace(self, n_kv_heads=n_kv_heads)

    @property
    def group(self) -> int:
        """How many heads share one key/value head."""
        return self.n_heads // self.n_kv_heads

    @cached_property
    def senders(self) -> tuple[Node, ...]:
        """Every node, in computing order."""
        nodes = [Node("embed")]
        for layer in range(self.n_layers):
            nodes += [Node("head", layer, head) for head in range(self.n_heads)]
            nodes.append(Node("mlp", layer))
        return tuple(nodes)

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """Every slot, in computing order."""
        slots = []
        for layer in range(self.n_layers):
            slots += [Slot("q", layer, head) for head in range(self.n_heads)]
            slots += [Slot("k", layer, head) for head in range(self.n_kv_heads)]
            slots += [Slot("v", layer, head) for head in range(self.n_kv_heads)]
            slots.append(Slot("mlp", layer))
        return (*slots, Slot("logits"))

    @cached_property
    def exists(self) -> Bool[Tensor, "sender slot"]:
        """True where there is an edge."""
        rows = {node: i for i, node in enumerate(self.senders)}
        columns = {slot: j for j, slot in enumerate(self.slots)}
        exists = torch.zeros(len(rows), len(columns), dtype=torch.bool)
        edges = list(self.edges())
        exists[[rows[u] for _, u, _, _ in edges], [columns[v] for _, _, v, _ in edges]] = True
        return exists

    def edges(self) -> Iterator[tuple[str, Node, Slot, Node | None]]:
        """EAP-IG's name of every edge, its sender, its slot, and the node it feeds, in order."""
        stream = [Node("embed")]
        for layer in range(self.n_layers):
            heads = [Node("head", layer, head) for head in range(self.n_heads)]
            mlp = Node("mlp", layer)
            for sender in stream:
                for head in heads:
                    for letter in LETTERS:
                        slot = Slot(letter, layer, self._owner(letter, head))
                        yield f"{name(sender)}->{name(head)}<{letter}>", sender, slot, head
                if self.parallel:
                    yield f"{name(sender)}->{name(mlp)}", sender, Slot("mlp", layer), mlp
            stream += heads
            if not self.parallel:
                for sender in stream:
                    yield f"{name(sender)}->{name(mlp)}", sender, Slot("mlp", layer), mlp
            stream.append(mlp)
        for sender in stream:
            yield f"{name(sender)}->logits", sender, Slot("logits"), None

    def _owner(self, letter: str, head: Node) -> int:
        assert head.head is not None
        return head.head if letter == "q" else head.head // self.group


def name(node: Node) -> str:
    """``input``, ``a9.h6`` or ``m3``."""
    if node.kind == "embed":
        return "input"
    return f"a{node.layer}.h{node.head}" if node.kind == "head" else f"m{node.layer}"
