"""Proof by dependence: changing one head's query, key or value changes that head alone.

One forward carries a row for every head: in row ``i`` one thing is changed, in row 0 nothing. Every
layer's attention term is put back to row 0's, so that layers are tested independently.

1. *Queries.* The first half of head h's query is permuted at one position: head h's output moves
   there, in its whole width, and nothing else does. (A permutation keeps the norm, so query norms
   that span heads stay as they were; half a head, so that two heads taken for one are noticed.)
2. *Keys.* The same at position 0: the heads of the group move, but not at position 0 itself, where
   attention has only one place to look (unless it has sinks).
3. *Values.* The same at position 0: the heads of the group move at position 0.
4. *Heads.* Where no queries are known, attention patterns are changed instead.
5. *Locality.* With attention held, a change of the stream at position 0 stays there: nothing but
   attention carries information between positions.
"""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn

from pellucid.errors import EditError, UnsupportedArchitectureError
from pellucid.model.anatomy import Anatomy, Attention
from pellucid.model.running.forward import Batch, forward
from pellucid.model.running.taps import Tap
from pellucid.model.sites import Site

SIZES = (1.0, 16.0, -256.0, 4.0)
"""How many times the permuted half of a vector is put in that half's place."""

Claim: TypeAlias = tuple[str, int]
"""``("q", 3)``: that the query projection's columns for head 3 are the query of head 3."""

CLEAR = 4.0
"""How many times larger than any change elsewhere a head's own change must be."""


def prove_layouts(model: nn.Module, anatomy: Anatomy, tokens: Tensor) -> dict[int, dict[str, str]]:
    """By layer, those of q, k and v that don't do what queries, keys and values do, and why.

    A permuted query may move too little to be seen, in half precision or where a head looks at
    one position whatever it is asked; so heads that are not clear are tried again with the half
    vector larger, and turned round. One size alone is a proof.

    **Cost** one to four forwards with a row per query head and two per key/value head.
    """
    left = faults_at(model, anatomy, tokens, SIZES[0])
    for size in SIZES[1:]:
        if left:
            again = faults_at(model, anatomy, tokens, size)
            left = {
                layer: {
                    claim: why for claim, why in faults.items() if claim in again.get(layer, {})
                }
                for layer, faults in left.items()
            }
            left = {layer: faults for layer, faults in left.items() if faults}
    return {
        layer: {kind: why for (kind, _), why in reversed(faults.items())}
        for layer, faults in left.items()
    }


def faults_at(
    model: nn.Module, anatomy: Anatomy, tokens: Tensor, size: float
) -> dict[int, dict[Claim, str]]:
    """By layer, the claims that fail when the permuted halves are ``size`` times as long."""
    layers = {
        i: b.attention
        for i, b in enumerate(anatomy.blocks)
        if b.attention is not None and (b.attention.q or b.attention.k or b.attention.v)
    }
    if not layers:
        return {}
    most_q = max(a.n_heads for a in layers.values())
    most_kv = max(a.n_kv_heads for a in layers.values())
    starts = {"q": 1, "k": 1 + most_q, "v": 1 + most_q + most_kv}
    taps: dict[Site, Tap] = {}
    z: dict[int, Tensor] = {}
    for layer, attention in layers.items():
        if attention.q:
            taps[Site("q", layer)] = permuting(starts["q"], attention.n_heads, 1, size)
        if attention.k:
            taps[Site("k", layer)] = permuting(starts["k"], attention.n_kv_heads, 0, size)
        if attention.v:
            taps[Site("v", layer)] = permuting(starts["v"], attention.n_kv_heads, 0, size)
        taps[Site("z", layer)] = keeping(z, layer)
        taps[Site("attn_out", layer)] = as_first_row
    _run(model, anatomy, tokens, 1 + most_q + 2 * most_kv, taps)
    found = {i: layout_faults(a, z[i], starts) for i, a in layers.items()}
    return {i: faults for i, faults in found.items() if faults}


def layout_faults(attention: Attention, z: Tensor, starts: dict[str, int]) -> dict[Claim, str]:
    """What contradicts each claim about the layout in the recorded head outputs."""
    moved = (z - z[:1]).abs()
    group = attention.n_heads // attention.n_kv_heads
    sinks = any("sink" in name for name, _ in attention.module.named_parameters())
    later = list(range(2, z.shape[1]))
    claims = {
        # kind: projection, heads moved by one, positions moved, positions not moved
        "q": (attention.q, 1, slice(1, 2), [0, *later]),
        "k": (attention.k, group, slice(1, None), [] if sinks else [0]),
        "v": (attention.v, group, slice(0, 1), []),
    }
    faults: dict[Claim, str] = {}
    for kind, (projection, heads, where, still) in claims.items():
        for i in range(attention.n_heads // heads if projection else 0):
            own = list(range(i * heads, (i + 1) * heads))
            fault = head_fault(moved[starts[kind] + i], own, where, still, whole=kind != "v")
            if fault is not None:
                owner = "head" if kind == "q" else "key/value head"
                faults[kind, i] = f"changing the {kind} of {owner} {i} {fault}"
    return faults


def head_fault(
    row: Tensor, own: list[int], where: slice, still: list[int], *, whole: bool
) -> str | None:
    """What is wrong with one row of changes ``[pos head d_head]``, or None."""
    others = [h for h in range(row.shape[1]) if h not in own]
    leak = float(row[:, others].max()) if others else 0.0
    early = float(row[still][:, own].max()) if still else 0.0
    mine = row[where][:, own].amax((0, 2))
    half = row.shape[-1] // 2
    rest = row[where][:, own, half:].amax((0, 2)) if whole and half else mine
    weakest = float(torch.minimum(mine, rest).min())
    if weakest <= CLEAR * leak:
        return "moves other heads' outputs, or not the whole of its own"
    if weakest <= CLEAR * early:
        return "moves its output at positions where it should not"
    return None


def prove_heads(model: nn.Module, anatomy: Anatomy, tokens: Tensor) -> None:
    """Heads whose queries are not known are proved by their attention patterns.

    **Cost** one forward with a row per head, where there are such heads.
    **Raises** ``UnsupportedArchitectureError`` when a pattern moves more than its head.
    """
    layers = {
        i: b.attention for i, b in enumerate(anatomy.blocks) if b.attention and not b.attention.q
    }
    if not layers:
        return
    try:
        moved = changed_by_patterns(model, anatomy, tokens, layers)
    except EditError as error:
        reasons = "; ".join(f"layer {i}: {a.aside}" for i, a in layers.items())
        raise UnsupportedArchitectureError(
            f"{type(model).__name__}: its split into heads could not be proved. Neither by queries "
            f"({reasons}) nor by attention patterns ({error})."
        ) from error
    for layer, attention in layers.items():
        touched = set()
        for i, row in enumerate(moved[layer]):
            head = int(row.amax((0, 2)).argmax())
            touched.add(head)
            fault = head_fault(row, [head], slice(1, None), [], whole=True)
            if fault is not None:
                raise UnsupportedArchitectureError(
                    f"{type(model).__name__}, layer {layer}: it is not made of "
                    f"{attention.n_heads} heads of {attention.d_head} features: changing its "
                    f"attention pattern {i} {fault}.",
                    layer=layer,
                )
        if len(touched) < attention.n_heads:
            raise UnsupportedArchitectureError(
                f"{type(model).__name__}, layer {layer}: its attention patterns reach only "
                f"{len(touched)} of {attention.n_heads} heads.",
                layer=layer,
            )


def changed_by_patterns(
    model: nn.Module, anatomy: Anatomy, tokens: Tensor, layers: dict[int, Attention]
) -> dict[int, Tensor]:
    """By layer, how far each pattern moves each head output: ``[pattern pos head d_head]``."""
    counts: dict[int, int] = {}
    z: dict[int, Tensor] = {}
    taps: dict[Site, Tap] = {}
    for layer in layers:
        taps[Site("pattern", layer)] = reversing(counts, layer)
        taps[Site("z", layer)] = keeping(z, layer)
        taps[Site("attn_out", layer)] = as_first_row
    # Differential attention has more patterns than heads, which only running it shows.
    rows = max(a.n_heads for a in layers.values())
    _run(model, anatomy, tokens, 1 + rows, taps)
    if max(counts.values()) > rows:
        _run(model, anatomy, tokens, 1 + max(counts.values()), taps)
    return {i: (z[i] - z[i][:1]).abs()[1 : 1 + counts[i]] for i in layers}


def prove_locality(model: nn.Module, anatomy: Anatomy, tokens: Tensor) -> None:
    """Nothing but attention carries information from one position to another.

    **Cost** one forward of two rows.
    **Raises** ``UnsupportedArchitectureError`` naming the first layer in which something does.
    """
    stream: dict[int, Tensor] = {}
    taps: dict[Site, Tap] = {}
    for layer, block in enumerate(anatomy.blocks):
        taps[Site("resid_pre", layer)] = disturbing_first if layer == 0 else keeping(stream, layer)
        if block.attention:
            taps[Site("attn_out", layer)] = as_first_row
    taps[Site("resid_pre", anatomy.n_layers)] = keeping(stream, anatomy.n_layers)
    _run(model, anatomy, tokens, 2, taps)
    for layer, seen in sorted(stream.items()):
        if _moved(seen, slice(1, None)):
            raise UnsupportedArchitectureError(
                f"{type(model).__name__}, layer {layer - 1}: something other than attention "
                "carries information from one position to another (a convolution, a recurrence or "
                "a state-space layer). Pellucid opens models in which only attention does.",
                layer=layer - 1,
            )


def first_to_look_ahead(model: nn.Module, anatomy: Anatomy, tokens: Tensor) -> int | None:
    """The first layer that carries information from a position to an earlier one.

    **Cost** one forward of two rows.
    """
    stream: dict[int, Tensor] = {}
    taps: dict[Site, Tap] = {Site("resid_pre", 0): disturbing_last}
    for layer in range(1, anatomy.n_layers + 1):
        taps[Site("resid_pre", layer)] = keeping(stream, layer)
    _run(model, anatomy, tokens, 2, taps)
    return next((i - 1 for i, seen in sorted(stream.items()) if _moved(seen, slice(-1))), None)


def _moved(stream: Tensor, where: slice) -> bool:
    """Whether the second row ``[row pos d_model]`` differs there by more than rounding."""
    one, other = stream[0, where], stream[1, where]
    if one.numel() == 0:
        return False
    rounding = 16 * torch.finfo(stream.dtype).eps * float(one.abs().max())
    return float((other - one).abs().max()) > rounding


def _run(
    model: nn.Module, anatomy: Anatomy, tokens: Tensor, rows: int, taps: dict[Site, Tap]
) -> None:
    """One forward of ``rows`` copies of ``tokens``, with the logits of one position only."""
    last = torch.zeros(rows, 1, dtype=torch.long, device=tokens.device)
    with torch.no_grad():
        batch = Batch(tokens=tokens[:, :4].repeat(rows, 1), reads=last)
        forward(model, anatomy, batch, taps=taps)


def permuting(start: int, count: int, position: int, size: float) -> Tap:
    """A tap that, in row ``start + i``, permutes the first half of head ``i`` at ``position``.

    All rows get the same generic vectors first: what is proved is how attention uses them, whatever
    the weights, so heads that are dead or hand-made sparse prove as any other.
    """

    def tap(value: Tensor) -> Tensor:
        seeded = torch.Generator().manual_seed(start + round(abs(size)))
        generic = torch.randn(value.shape[1:], generator=seeded).to(value)
        new = generic.expand_as(value).clone()
        half = value.shape[-1] // 2
        for i in range(count):
            old = generic[position, i]
            first = old[:half].roll(1) if half > 1 else -old[: max(half, 1)]
            new[start + i, position, i] = torch.cat([first * size, old[len(first) :]])
        return new

    return tap


def reversing(counts: dict[int, int], layer: int) -> Tap:
    """A tap that, in row ``1 + i``, turns pattern ``i`` round, and notes how many there are."""

    def tap(value: Tensor) -> Tensor:
        counts[layer] = value.shape[1]
        new = value.clone()
        for i in range(min(value.shape[1], value.shape[0] - 1)):
            new[1 + i, i] = value[1 + i, i].flip(-1)
        return new

    return tap


def keeping(kept: dict[int, Tensor], layer: int) -> Callable[[Tensor], None]:
    """A tap that only copies what it sees."""

    def tap(value: Tensor) -> None:
        kept[layer] = value.detach().clone()

    return tap


def as_first_row(value: Tensor) -> Tensor:
    """Every row becomes the first: what happens in this layer does not reach the next."""
    return value[:1].expand_as(value)


def disturbing_first(value: Tensor) -> Tensor:
    """The second row's stream at position 0, turned round."""
    return _turned_at(value, 0)


def disturbing_last(value: Tensor) -> Tensor:
    """The second row's stream at the last position, turned round."""
    return _turned_at(value, -1)


def _turned_at(value: Tensor, position: int) -> Tensor:
    new = value.clone()
    new[1, position] = value[1, position].flip(-1) * 2
    return new
