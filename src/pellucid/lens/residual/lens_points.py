"""The places on the stream that a lens looks at, and the model's own way from each to logits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.errors import UnsupportedArchitectureError
from pellucid.lens.residual.readings import Digest, digest
from pellucid.model.detection.probe import TOLERANCE
from pellucid.model.model import Model
from pellucid.model.sites import Site
from pellucid.results.registry import stored
from pellucid.run.gradient import demand_finite
from pellucid.run.observe import observe, read_out
from pellucid.shapes import Tokens

Sublayer: TypeAlias = Literal["embed", "attn", "mlp", "block"]
Read: TypeAlias = Float[Tensor, "row read d_model"]
"""The stream at the positions that are read."""
LOGITS_PER_CALL = 1 << 26
"""Logits that one call may return: 256 MB in float32."""


@stored
@dataclass(frozen=True, kw_only=True)
class LensPoint:
    """A place on the stream: behind the embedding, an attention, an MLP, or a parallel block."""

    name: str
    """``embed``, ``A9``, ``M9`` or, where attention and MLP are added together, ``B9``."""
    layer: int | None
    sublayer: Sublayer


def streams_at_points(
    model: Model, tokens: Tokens, at: Sequence[int]
) -> tuple[tuple[LensPoint, ...], list[Read], Float[Tensor, "row read d_vocab"]]:
    """Every point with the stream there at positions ``at``, and the model's own logits there."""
    index = torch.tensor(at, device=tokens.device)
    blocks = model.anatomy.blocks
    sites = [Site("resid_pre", layer) for layer in range(len(blocks) + 1)]
    halves = [layer for layer, b in enumerate(blocks) if b.attention and b.mlp and not b.parallel]
    sites += [Site("attn_out", layer) for layer in halves]
    whole = len(at) == tokens.shape[1]
    seen = observe(
        model,
        tokens,
        dict.fromkeys(sites, lambda value: value[:, index]),
        reads=None if whole else index.expand(len(tokens), -1),
    )
    points = [LensPoint(name="embed", layer=None, sublayer="embed")]
    streams = [seen.kept[sites[0]]]
    for layer, block in enumerate(blocks):
        before, after = seen.kept[Site("resid_pre", layer)], seen.kept[Site("resid_pre", layer + 1)]
        if layer in halves:
            points.append(LensPoint(name=f"A{layer}", layer=layer, sublayer="attn"))
            streams.append(before + seen.kept[Site("attn_out", layer)])
        both = block.attention and block.mlp and block.parallel
        last: Sublayer = "block" if both else "mlp" if block.mlp else "attn"
        name = {"block": "B", "mlp": "M", "attn": "A"}[last]
        points.append(LensPoint(name=f"{name}{layer}", layer=layer, sublayer=last))
        streams.append(after)
    demand_finite(seen.logits, "model's output")
    return tuple(points), streams, seen.logits


def through(
    model: Model,
    tokens: Tokens,
    streams: Sequence[Read],
    own: Float[Tensor, "row read d_vocab"],
    ids: Sequence[int],
    top: int,
) -> tuple[list[Digest], float]:
    """What the lens shows at every point, the model's own output last, and the last row's error."""
    size = max(1, LOGITS_PER_CALL // own.numel())
    digests: list[Digest] = []
    for begin in range(0, len(streams), size):
        part = torch.cat(list(streams[begin : begin + size]))
        variants = len(part) // len(tokens)
        with torch.no_grad():
            logits = read_out(model, tokens.repeat(variants, 1), part, variants=variants).logits
        logits = logits.unflatten(0, (-1, len(tokens)))  # point row position d_vocab
        if begin + size >= len(streams):
            error = float((logits[-1] - own).abs().max())
            logits = torch.cat([logits[:-1], own[None]])
        digests.append(digest(logits, ids, top))
    return digests, error


def demand_exact(model: Model, error: float, own: Tensor) -> None:
    """**Raises** ``UnsupportedArchitectureError`` when the lens does not end in the output."""
    limit = TOLERANCE.get(own.dtype, 1e-4) * float(own.abs().max())
    if not error <= limit:
        raise UnsupportedArchitectureError(
            f"{type(model.module).__name__}: its last stream, read as the lens reads every stream, "
            f"gives logits that differ from the model's own by {error:.1e}. Something besides the "
            "stream reaches the logits, so no row of a lens would be right.",
            error=error,
        )
