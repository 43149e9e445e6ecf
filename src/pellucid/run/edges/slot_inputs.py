"""Taps that let slots with cut edges read another stream, and leave the others alone."""

from collections.abc import Sequence

import torch
from einops import einsum
from jaxtyping import Bool
from torch import Tensor

from pellucid.model.anatomy import Anatomy, Attention, Projection, Slot
from pellucid.model.running.taps import Tap
from pellucid.model.sites import Site, SiteKind
from pellucid.run.edges.node_deltas import Changes, Shares, touched


def reading_taps(
    anatomy: Anatomy,
    changes: Changes,
    group: Sequence[Slot],
    cut: Shares,
) -> dict[Site, Tap]:
    """Taps for the slots of one ``group``, which read the stream at the same place."""
    slot = group[0]
    if slot.kind in ("mlp", "attn", "logits"):
        return {stream_site(anatomy, slot): _stream_tap(changes, slot, cut)}
    attention = anatomy.blocks[slot.layer or 0].attention
    assert attention is not None
    return _projection_taps(attention, slot.layer or 0, changes, group, cut)


def stream_site(anatomy: Anatomy, slot: Slot) -> Site:
    """Where the stream is read that ``slot`` sees."""
    if slot.layer is None:
        return Site("resid_pre", anatomy.n_layers)
    return Site("mlp_in" if slot.kind == "mlp" else "attn_in", slot.layer)


def _stream_tap(changes: Changes, slot: Slot, cut: Shares) -> Tap:
    where = touched(cut).any(1).reshape(-1, 1, 1, 1)

    def tap(stream: Tensor) -> Tensor:
        spread = stream.unflatten(0, (-1, changes.rows))
        return torch.where(where, spread + changes.reaching(slot, cut)[:, 0], spread).flatten(0, 1)

    return tap


def _projection_taps(
    attention: Attention,
    layer: int,
    changes: Changes,
    group: Sequence[Slot],
    cut: Shares,
) -> dict[Site, Tap]:
    """Queries, keys and values move by what the projection makes of the change behind the norm."""
    moving = touched(cut).any(1).any(0).nonzero()[:, 0].tolist()
    place = {group[j]: i for i, j in enumerate(moving)}
    moved: list[Tensor] = []

    def look(stream: Tensor) -> None:
        spread = stream.unflatten(0, (-1, 1, changes.rows))  # variant 1 row pos d_model
        read = spread + changes.reaching(group[0], cut[:, :, moving])
        if attention.norm is None:
            moved[:] = [read - spread]
        else:
            # The norm's own forward: hooks on it are for the model's run.
            after = attention.norm.forward(read.flatten(0, 2)).reshape(read.shape)
            before = attention.norm.forward(spread.flatten(0, 2)).reshape(spread.shape)
            moved[:] = [after - before]

    taps: dict[Site, Tap] = {Site("attn_in", layer): look}
    kinds: tuple[tuple[SiteKind, Projection | None], ...] = (
        ("q", attention.q), ("k", attention.k), ("v", attention.v),
    )  # fmt: skip
    for kind, projection in kinds:
        slots = [slot for slot in place if slot.kind == kind]
        if slots and projection is not None:
            columns = [place[slot] for slot in slots]
            heads = [slot.head or 0 for slot in slots]
            where = touched(cut[:, :, [moving[c] for c in columns]]).any(1)  # variant slot
            taps[Site(kind, layer)] = _adding(moved, columns, projection, heads, where)
    return taps


def _adding(
    moved: list[Tensor],
    columns: list[int],
    projection: Projection,
    heads: list[int],
    where: Bool[Tensor, "variant slot"],
) -> Tap:
    """A tap that adds to ``heads`` of a projection's output what its input moved by."""

    def tap(value: Tensor) -> Tensor:
        change = einsum(
            moved[0][:, columns],
            projection.head_weight()[heads].to(value.dtype),
            "variant slot row pos d_model, slot d_head d_model -> variant row pos slot d_head",
        )
        spread = value.unflatten(0, (len(where), -1))  # variant row pos head d_head
        there = spread[..., heads, :]
        new = spread.clone()
        new[..., heads, :] = torch.where(where[:, None, None, :, None], there + change, there)
        return new.flatten(0, 1)

    return tap
