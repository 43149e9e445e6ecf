"""Choosing sets of edges from scores, and keeping what is connected.

A set of edges is a boolean matrix [sender, slot]. An edge counts only if it lies on a path from the
embedding to the logits inside the set: a node that nothing in the set reaches computes its
corrupted output whatever its edges carry on, and what never reaches the logits changes nothing. So
leaving out what is not connected does not change what the set computes under corrupted values.
"""

import heapq
from typing import Literal, TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pellucid.errors import EditError
from pellucid.model.anatomy import Anatomy

EdgeSet: TypeAlias = Bool[Tensor, "sender slot"]
Selection: TypeAlias = Literal["top", "greedy"]


def connected(anatomy: Anatomy, kept: EdgeSet) -> EdgeSet:
    """The edges of ``kept`` that lie on a path from the embedding to the logits within it."""
    feeds = anatomy.feeds
    reached = torch.zeros(len(anatomy.nodes), dtype=torch.bool)
    reached[0] = True
    while True:
        read = (kept & reached[:, None]).any(0)
        further = reached | (feeds & read[:, None]).any(0)
        if torch.equal(further, reached):
            break
        reached = further
    useful = torch.zeros(len(anatomy.slots), dtype=torch.bool)
    useful[-1] = True
    while True:
        sending = (kept & useful).any(1)
        further = useful | (feeds & sending).any(1)
        if torch.equal(further, useful):
            break
        useful = further
    return kept & reached[:, None] & useful


def top(anatomy: Anatomy, scores: Float[Tensor, "sender slot"], size: int) -> EdgeSet:
    """The connected part of the ``size`` edges with the largest absolute score."""
    _check(anatomy, scores, size)
    kept = torch.zeros_like(anatomy.edges)
    values = scores.abs().nan_to_num(0.0).masked_fill(~anatomy.edges, -1.0).flatten()
    chosen = values.argsort(descending=True, stable=True)[:size]
    kept.view(-1)[chosen] = True
    return connected(anatomy, kept & anatomy.edges)


def greedy(anatomy: Anatomy, scores: Float[Tensor, "sender slot"], size: int) -> EdgeSet:
    """``size`` edges taken one at a time from the logits downwards, then what is connected.

    Each is the largest absolute score among edges into what is in the set already. (Hanna et al.
    2024)
    """
    _check(anatomy, scores, size)
    values = scores.abs().nan_to_num(0.0)
    kept = torch.zeros_like(anatomy.edges)
    inside: set[int] = set()
    waiting: list[tuple[float, int, int]] = []

    def open_slot(slot: int) -> None:
        if slot not in inside:
            inside.add(slot)
            for sender in anatomy.edges[:, slot].nonzero()[:, 0].tolist():
                heapq.heappush(waiting, (-float(values[sender, slot]), sender, slot))

    open_slot(len(anatomy.slots) - 1)
    for _ in range(min(size, int(anatomy.edges.sum()))):
        if not waiting:
            break
        _, sender, slot = heapq.heappop(waiting)
        kept[sender, slot] = True
        for fed in anatomy.feeds[:, sender].nonzero()[:, 0].tolist():
            open_slot(fed)
    return connected(anatomy, kept)


SELECTIONS = {"top": top, "greedy": greedy}


def _check(anatomy: Anatomy, scores: Tensor, size: int) -> None:
    if scores.shape != anatomy.edges.shape:
        raise EditError(
            f"Scores of shape {tuple(scores.shape)}; this model has {tuple(anatomy.edges.shape)} "
            "(senders, slots)."
        )
    if size < 0:
        raise EditError(f"size={size}: a set of edges cannot have fewer than 0.")
