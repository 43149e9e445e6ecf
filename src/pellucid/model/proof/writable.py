"""Which sites are there, shown by writing at each and seeing the logits move.

The forward that shows it carries one row more: with another last token, which in a causal model
moves no logit before it.
"""

from collections.abc import Collection, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pellucid.errors import EditError, UnsupportedArchitectureError
from pellucid.model.anatomy import Anatomy, Block
from pellucid.model.detection.dependence import first_to_look_ahead
from pellucid.model.detection.probe import TOLERANCE
from pellucid.model.running.forward import Batch, forward
from pellucid.model.running.taps import Tap, tapped
from pellucid.model.sites import IN_MLP, Site, SiteKind

_KINDS: tuple[SiteKind, ...] = (
    "resid_pre", "attn_in", "q", "k", "v", "pattern", "z", "attn_out", "mlp_in", "neurons",
    "mlp_out",
)  # fmt: skip

_OF_EXPERTS: tuple[SiteKind, ...] = ("router", "experts")


def idle_terms(seen: Mapping[Site, Tensor]) -> tuple[Site, ...]:
    """Terms that are the same at every position of the prompt, as a dead sublayer's is."""
    terms = [site for site in seen if site.kind in ("attn_out", "mlp_out")]
    return tuple(site for site in terms if bool((seen[site] == seen[site][:, :1]).all()))


def check_writes(
    module: nn.Module,
    anatomy: Anatomy,
    tokens: Tensor,
    plain: Tensor,
    idle: Collection[Site] = (),
) -> tuple[tuple[SiteKind, ...], dict[SiteKind, str]]:
    """Kinds of site at which a write moves the logits, and those that are not there, with why.

    Each is tried in one layer that has it, as near the middle as there is: one row of one forward
    for each kind, with a row that nothing is written to before and after them. Layers whose
    sublayer's term is ``idle`` are passed over, for nothing written in front of it can show.
    **Raises** ``UnsupportedArchitectureError`` when a write moves nothing, and for a model that is
    not causal.
    """
    sites: list[Site] = []
    missing: dict[SiteKind, str] = {}
    mixtures = any(block.mlp and block.mlp.experts for block in anatomy.blocks)
    for kind in (*_KINDS, *(_OF_EXPERTS if mixtures else ())):
        having = layers_with(anatomy, kind)
        if not having:
            missing[kind] = "no layer has such a sublayer"
            continue
        having = [layer for layer in having if _behind(kind, layer) not in idle]
        if not having:
            missing[kind] = "every such sublayer writes the same whatever it reads"
            continue
        site = Site(kind, having[len(having) // 2])
        try:
            if kind == "pattern":
                check_pattern(module, anatomy, tokens, plain, site)
            else:
                with tapped(module, anatomy, {site: disturb}):
                    pass
        except EditError as error:
            missing[kind] = str(error)
            continue
        sites.append(site)
    taps = {site: in_row(i) for i, site in enumerate(sites, start=1)}
    rows = tokens.repeat(len(sites) + 3, 1)
    rows[-2, -1] = (rows[-2, -1] + 1) % anatomy.d_vocab
    logits = forward(module, anatomy, Batch(tokens=rows), taps=taps).double()
    demand_causal(module, anatomy, tokens, logits[[0, -1, -2]], plain.dtype)
    moved = (logits - logits[:1]).abs().amax((1, 2))
    for i, site in enumerate(sites, start=1):
        if not float(moved[i]) > 4 * float(moved[-1]):
            raise UnsupportedArchitectureError(
                f"{type(module).__name__}: a write at {site.name} left the logits unchanged, so "
                "that tensor is not the one the model uses."
            )
    return tuple(site.kind for site in sites), missing


def demand_causal(
    module: nn.Module,
    anatomy: Anatomy,
    tokens: Tensor,
    logits: Float[Tensor, "three pos d_vocab"],
    dtype: torch.dtype,
) -> None:
    """Padding on the right, shared prefixes and reading one position alone all rely on it.

    ``logits`` are those of ``tokens``, of the same again, and with another last token.

    **Raises** ``UnsupportedArchitectureError`` naming the first layer that looks ahead.
    """
    before = logits[:, :-1]
    if before.shape[1] == 0:
        return
    again, other = (before[1:] - before[:1]).abs().amax((1, 2))
    rounding = TOLERANCE.get(dtype, 1e-4) / 4 * before[0].abs().max()
    if float(other) > float(torch.maximum(4 * again, rounding)):
        layer = first_to_look_ahead(module, anatomy, tokens)
        where = "a layer" if layer is None else f"layer {layer}"
        raise UnsupportedArchitectureError(
            f"{type(module).__name__}: {where} looks at later tokens, so changing the last token "
            "moves the logits before it. It is bidirectional (an encoder, or a decoder made "
            "without is_decoder=True), and Pellucid opens causal models."
        )


def _behind(kind: SiteKind, layer: int) -> Site | None:
    """The term through which alone a write at such a site reaches the logits; None if by itself."""
    if kind in ("resid_pre", "attn_out", "mlp_out"):
        return None
    return Site("mlp_out" if kind in IN_MLP else "attn_out", layer)


def in_row(row: int) -> Tap:
    """A tap that disturbs one row and leaves the others."""

    def tap(value: Tensor) -> Tensor:
        new = value.clone()
        new[row] = disturb(value[row])
        return new

    return tap


def layers_with(anatomy: Anatomy, kind: SiteKind) -> list[int]:
    """Layers that have a site of ``kind``; where none does, those with its sublayer."""

    def sublayer(block: Block) -> bool:
        if kind == "resid_pre":
            return True
        return bool(block.mlp if kind in IN_MLP else block.attention)

    def site(block: Block) -> bool:
        if kind == "neurons":
            return block.mlp is not None and block.mlp.neurons is not None
        if kind in _OF_EXPERTS:
            return block.mlp is not None and block.mlp.experts is not None
        if kind in ("q", "k", "v"):
            return getattr(block.attention, kind, None) is not None
        return sublayer(block)

    blocks = list(enumerate(anatomy.blocks))
    return [i for i, b in blocks if site(b)] or [i for i, b in blocks if sublayer(b)]


def check_pattern(
    module: nn.Module, anatomy: Anatomy, tokens: Tensor, plain: Tensor, site: Site
) -> None:
    """**Raises** ``EditError`` when the plain attention formula is not what this model computes."""
    attention = anatomy.blocks[site.layer].attention
    assert attention is not None
    counts: list[int] = []

    def look(pattern: Tensor) -> None:
        counts.append(pattern.shape[1])

    every = {Site("pattern", i): look for i, b in enumerate(anatomy.blocks) if b.attention}
    again = forward(module, anatomy, Batch(tokens=tokens), taps=every)
    error = float((again - plain).abs().max() / plain.abs().max().clamp_min(1e-30))
    if error > TOLERANCE.get(plain.dtype, 1e-4):
        raise EditError(
            f"{site.name}: softmax(q k) v with this model's mask and scale gives logits that "
            f"differ by {error:.1e} (relative) from its own, so its pattern is something else. "
            "Use z, q, k or v instead."
        )
    if counts[0] != attention.n_heads:
        raise EditError(
            f"{site.name}: it has {counts[0]} attention patterns for {attention.n_heads} heads "
            "(differential attention), so a pattern belongs to no single head. Use z instead."
        )


def disturb(value: Tensor) -> Tensor:
    """``value`` plus a fixed, uneven pattern of its own size (of size one where it is zero)."""
    wave = torch.sin(torch.arange(value.numel(), device=value.device)).reshape(value.shape)
    size = value.detach().abs().float().mean()
    return value + (wave * torch.where(size > 0, size, 1.0)).to(value.dtype)
