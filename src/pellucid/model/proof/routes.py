"""Whether what layers learn of the prompt comes by the routes that the anatomy names.

1. *Tokens.* Two prompts run, the first with the second's embedding in its stream. Where layers know
   of the tokens by the stream alone, both give the second's logits; a model that also gives each
   layer an embedding of its own (Gemma 3n and 4) does not.
2. *Reading.* Two rows run with different streams, but every norm in front of a sublayer returns
   what it did in the first row. A term that differs between the rows was read by another way.

Neither is a fault. But replacing such a model's embedding replaces less than its tokens, and a
gradient led back through the norm of such a sublayer misses a part.
"""

import torch
from torch import Tensor, nn

from pellucid.model.anatomy import Anatomy
from pellucid.model.detection.probe import TOLERANCE
from pellucid.model.running.changes import Changed
from pellucid.model.running.forward import Batch, forward
from pellucid.model.running.hooks import hook_after
from pellucid.model.running.taps import Tap
from pellucid.model.sites import Site


def embedding_is_all(module: nn.Module, anatomy: Anatomy, tokens: Tensor) -> bool:
    """Whether the stream's embedding is all that layers know of the tokens.

    **Cost** one forward of two rows.
    """

    def second_in_both(stream: Tensor) -> Tensor:
        return stream[1:].repeat(2, 1, 1)

    rows = torch.cat([tokens, tokens.roll(1, dims=1)])
    logits = forward(
        module, anatomy, Batch(tokens=rows), taps={Site("resid_pre", 0): second_in_both}
    )
    limit = TOLERANCE.get(logits.dtype, 1e-4) * float(logits.abs().max())
    return float((logits[0] - logits[1]).abs().max()) <= limit


def read_around_norms(module: nn.Module, anatomy: Anatomy, tokens: Tensor) -> tuple[Site, ...]:
    """Terms whose sublayer reads the stream by another way than through its norm.

    Sublayers without a norm read the stream as it is, and are not asked.

    **Cost** one forward of two rows.
    """
    moved: dict[Site, float] = {}

    def noting(site: Site) -> Tap:
        def note(term: Tensor) -> None:
            moved[site] = float((term[1] - term[0]).norm() / term[0].norm().clamp_min(1e-30))

        return note

    def second_turned(stream: Tensor) -> Tensor:
        return torch.stack([stream[0], stream[0].flip(-1) * 2])

    asked: list[tuple[Site, nn.Module]] = []
    for layer, block in enumerate(anatomy.blocks):
        if block.attention and block.attention.norm:
            asked.append((Site("attn_out", layer), block.attention.norm))
        if block.mlp and block.mlp.norm:
            asked.append((Site("mlp_out", layer), block.mlp.norm))
    taps: dict[Site, Tap] = {site: noting(site) for site, _ in asked}
    with held_to_first_row([norm for _, norm in asked]):
        forward(
            module,
            anatomy,
            Batch(tokens=tokens.repeat(2, 1)),
            taps={Site("resid_pre", 0): second_turned, **taps},
        )
    limit = TOLERANCE.get(next(module.parameters()).dtype, 1e-4)
    return tuple(site for site, _ in asked if moved[site] > limit)


def held_to_first_row(norms: list[nn.Module]) -> Changed:
    """A block in which every row of what ``norms`` return is the first."""

    def first_row(module: nn.Module, args: tuple, kwargs: dict, output: Tensor) -> Tensor:
        rows = output.reshape(2, -1)
        return rows[:1].repeat(2, 1).reshape(output.shape)

    return Changed(hook_after(norm, first_row) for norm in norms)
