"""Every edge's product of a sender's change and a slot's gradient, from one recording.

With d_u the change of node u's term in the stream (clean minus corrupted) and r_v the metric's
gradient at what slot v reads of the stream, the product of edge (u, v) is

    sum over positions of  d_u . r_v

1. The gradient at a head's query, key or value is known at that projection's output; times the
   projection's matrix, through the norm's Jacobian, it is r_v. No copy of the stream per head.
2. For an MLP and for the logits, r_v is the gradient where that part reads the stream.
3. d_u of a head is the change of its z times its output matrix, through any norm behind it.
4. One matrix product gives all edges into a layer or two, and some that do not exist, which are
   dropped: every sender is read from memory once for many slots.

For every u the sum over v is the node's own product (its change times its gradient): the chain
rule, and a check on all of the above at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from einops import einsum
from jaxtyping import Float
from torch import Tensor

from pellucid.model.anatomy import Anatomy, Attention, Node, Slot
from pellucid.model.linear import evaluating
from pellucid.model.norms import NormScale, pulled_back, pushed_forward
from pellucid.model.residual_scaling import times
from pellucid.model.sites import Site, site_of
from pellucid.run.sites import EMBED

Values = Mapping[Site, Tensor]
ROW_BYTES = 1 << 28
"""Bytes of sender changes that are held at a time; more rows are done one part after another."""
_TOGETHER = 32
"""Slots that one matrix product should have at least."""


@dataclass(frozen=True)
class Readers:
    """Slots that follow each other, and the gradient at what each reads of the stream."""

    slots: slice
    senders: int
    """How many of the nodes any of them reads."""
    gradient: Float[Tensor, "slot row pos d_model"]


def slot_sites(anatomy: Anatomy) -> list[Site]:
    """Sites whose gradients give those of all slots."""
    sites: list[Site] = []
    for layer, block in enumerate(anatomy.blocks):
        if block.attention:
            apart = block.attention.by_head
            sites += [Site(kind, layer) for kind in (("q", "k", "v") if apart else ("attn_in",))]
        if block.mlp:
            sites.append(Site("mlp_in", layer))
    return [*sites, Site("resid_pre", anatomy.n_layers)]


def stream_read(anatomy: Anatomy) -> list[Site]:
    """Sites whose values the norms' Jacobians need."""
    blocks = enumerate(anatomy.blocks)
    return [Site("attn_in", i) for i, b in blocks if b.attention and b.attention.by_head]


@dataclass(frozen=True)
class Point:
    """A run at which gradients were taken, and how each node's output differs from corrupted."""

    change: Values
    """Change of every node's output (``node_sites``)."""
    at: Values
    """What the nodes gave (``node_sites``) and the norms read (``stream_read``) in this run."""
    gradient: Values
    """The metric's gradient at the slots (``slot_sites``) and nodes (``node_sites``)."""
    scale: NormScale = "differentiated"
    """How gradients passed through norms in this run."""


def edge_products(
    anatomy: Anatomy, point: Point, *, since: int = 0
) -> Float[Tensor, "row sender slot"]:
    """Products of all edges, summed over positions; 0 where there is no edge.

    Positions before ``since`` are known not to differ.

    **Cost** no pass.
    """
    change = point.change[EMBED]
    products = change.new_zeros(len(change), *anatomy.edges.shape, dtype=precise(change))
    for rows, sent, into in _parts(anatomy, point, since):
        gradient = into.gradient.flatten(2).permute(1, 2, 0)  # row (pos d_model) slot
        products[rows, : into.senders, into.slots] = sent.flatten(2) @ gradient
    return products.masked_fill_(~anatomy.edges.to(products.device), 0)


def edge_products_by_position(
    anatomy: Anatomy, point: Point, *, since: int = 0
) -> Float[Tensor, "row pos sender slot"]:
    """Products of all edges at every position.

    **Cost** no pass; memory for a matrix a position.
    """
    change = point.change[EMBED]
    shape = (*change.shape[:2], *anatomy.edges.shape)
    products = change.new_zeros(shape, dtype=precise(change))
    for rows, sent, into in _parts(anatomy, point, since):
        gradient = into.gradient.permute(1, 2, 3, 0)  # row pos d_model slot
        products[rows, since:, : into.senders, into.slots] = sent.transpose(1, 2) @ gradient
    return products.masked_fill_(~anatomy.edges.to(products.device), 0)


def node_products(anatomy: Anatomy, point: Point) -> Float[Tensor, "row sender"]:
    """Every node's change times its own gradient, summed over positions."""
    columns = []
    for node in anatomy.nodes:
        site = site_of(node)
        columns.append((point.change[site] * point.gradient[site]).sum(-1).sum(1))
        if node.head is not None:
            columns[-1] = columns[-1][:, node.head]
    return torch.stack(columns, dim=1)


def precise(like: Tensor) -> torch.dtype:
    """The dtype in which products are summed: at least single precision."""
    return torch.promote_types(like.dtype, torch.float32)


def _parts(
    anatomy: Anatomy, point: Point, since: int
) -> Iterator[tuple[slice, Float[Tensor, "row sender pos d_model"], Readers]]:
    """Rows few enough to hold every sender's change at once; what reaches the slots in turn."""
    rows, length, d_model = point.change[EMBED].shape
    dtype = precise(point.change[EMBED])
    one_row = 4 * len(anatomy.nodes) * (length - since) * d_model
    for part in torch.arange(rows).split(max(1, ROW_BYTES // max(one_row, 1))):
        at = slice(int(part[0]), int(part[-1]) + 1)
        change, values, gradient = (
            {site: value[at, since:] for site, value in values.items()}
            for values in (point.change, point.at, point.gradient)
        )
        here = Point(change, values, gradient, point.scale)
        changes = sender_changes(anatomy, here).to(dtype)
        for into in readers(anatomy, here):
            slot = anatomy.slots[into.slots.start]
            sent = arriving(anatomy, changes[:, : into.senders], anatomy.nodes, slot)
            yield at, sent, replace(into, gradient=into.gradient.to(dtype))


def arriving(
    anatomy: Anatomy,
    changes: Float[Tensor, "_ sender *rest d_model"],
    senders: Sequence[Node],
    slot: Slot,
) -> Float[Tensor, "_ sender *rest d_model"]:
    """Changes of terms as ``slot`` sees them, where layers in between multiply the stream."""
    if not anatomy.multiplies:
        return changes
    factors = [
        torch.as_tensor(anatomy.carried(node.layer, node.kind, slot)).expand(changes.shape[-1])
        for node in senders[: changes.shape[1]]
    ]
    spread = torch.stack(factors).to(changes)  # sender d_model
    return changes * spread.reshape(len(factors), *[1] * (changes.ndim - 3), -1)


def readers(anatomy: Anatomy, point: Point) -> Iterator[Readers]:
    """The gradient of every slot at what it reads of the stream, a layer or two at a time.

    Where layers multiply the stream a term differs from place to place, so places go one by one.
    """
    waiting: list[Tensor] = []
    index = 0
    for found in _by_place(anatomy, point):
        waiting.append(found)
        count = sum(map(len, waiting))
        last = index + count == len(anatomy.slots)
        if count >= _TOGETHER or last or anatomy.multiplies:
            senders = anatomy.senders_of(anatomy.slots[index + count - 1])
            gradient = torch.cat(waiting) if len(waiting) > 1 else found
            yield Readers(slice(index, index + count), senders, gradient)
            index += count
            waiting.clear()


def _by_place(anatomy: Anatomy, point: Point) -> Iterator[Float[Tensor, "slot row pos d_model"]]:
    """Gradients of the slots that read the stream at one place, in the order of ``slots``."""
    for layer, block in enumerate(anatomy.blocks):
        if block.attention:
            yield _attention_gradient(block.attention, layer, point)
        if block.mlp:
            yield point.gradient[Site("mlp_in", layer)][None]
    yield point.gradient[Site("resid_pre", anatomy.n_layers)][None]


def _attention_gradient(
    attention: Attention, layer: int, point: Point
) -> Float[Tensor, "slot row pos d_model"]:
    site = Site("attn_in", layer)
    if not attention.by_head:
        return point.gradient[site][None]
    kinds = (("q", attention.q), ("k", attention.k), ("v", attention.v))
    return torch.cat(
        [
            pulled_back(
                attention.norm,
                point.at[site],
                point.gradient[Site(kind, layer)],  # type: ignore[arg-type]
                projection.head_weight(),
                point.scale,
            )
            for kind, projection in kinds
            if projection is not None
        ]
    )


def sender_changes(anatomy: Anatomy, point: Point) -> Float[Tensor, "row sender pos d_model"]:
    """Change of every node's term in the stream; behind a norm, to first order."""
    embed = point.change[EMBED]
    rows, length, d_model = embed.shape
    changes = embed.new_empty(rows, len(anatomy.nodes), length, d_model)
    changes[:, 0] = embed
    index = 1
    for layer, block in enumerate(anatomy.blocks):
        if block.attention:
            z, n = Site("z", layer), block.attention.n_heads
            written = head_changes(block.attention, point.at[z], point.change[z], point.scale)
            changes[:, index : index + n] = written
            index += n
        if block.mlp:
            changes[:, index] = point.change[Site("mlp_out", layer)]
            index += 1
    return changes


def head_changes(
    attention: Attention,
    z: Float[Tensor, "row pos head d_head"],
    change: Float[Tensor, "row pos head d_head"],
    scale: NormScale = "differentiated",
) -> Float[Tensor, "row head pos d_model"]:
    """What a change of each head's z adds to the stream, to first order."""
    weight = attention.head_weight().to(change.dtype)
    pattern = "row pos head d_head, head d_head d_model -> row head pos d_model"
    written = einsum(change, weight, pattern)
    if attention.post_norms:
        with evaluating(attention.out_proj):
            raw = attention.out_proj(z.flatten(-2))
        written = pushed_forward(attention.post_norms, raw, written, scale)
    return times(written, attention.write.scale)
