"""Does a head's OV circuit raise the very token that it moves? By rank, on a sample of tokens.

For n different tokens at random places, take the stream x_i behind the first layer (where the
token's embedding has been worked into the form that later layers read; Wang et al. 2022 use the
first MLP likewise), what the head would write for it, and what that does to the logits of the same
n tokens:

    C[i, j] = u_j . W_O W_V x_i        norms folded; u_j the unembedding row of token j

The score is 2 * (share of tokens j that C[i, i] exceeds, mean over i) - 1: +1 when a head always
raises the token it attends to above all others (copying), -1 when below all (suppressing;
McDougall et al. 2023), 0 for one that treats it as any other. The null pairs the tokens at random.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.lens.composition.weights import (
    HeadMatrices,
    fold_of,
    foldable,
    head_matrices,
    working,
)
from pellucid.model.linear import linear_weight
from pellucid.model.model import Model
from pellucid.model.running.forward import undisturbed


@dataclass(frozen=True, kw_only=True)
class TokenStreams:
    """Different tokens, and the stream at each before and behind the first layer."""

    ids: Int[Tensor, " token"]
    first: Float[Tensor, "token d_model"]
    later: Float[Tensor, "token d_model"]


def sample_streams(
    tokens: Int[Tensor, "row pos"], first: Tensor, later: Tensor, columns: slice
) -> TokenStreams:
    """The tokens at ``columns`` of all rows, each at one of its places."""
    flat = tokens[:, columns].flatten().cpu()
    ids, where = flat.unique(return_inverse=True)
    place = torch.zeros_like(ids)
    place[where] = torch.arange(len(flat))
    at_first, at_later = (s[:, columns].flatten(0, 1)[place.to(s.device)] for s in (first, later))
    return TokenStreams(ids=ids, first=at_first, later=at_later)


def copying_scores(
    model: Model, streams: TokenStreams, *, nulls: int, generator: torch.Generator
) -> Float[Tensor, "run node"]:
    """The score of every head; in the next ``nulls`` rows, with tokens paired at random.

    NaN for heads whose values do not read the stream, and for all where the unembedding does not
    or a norm cannot be folded.

    **Cost** no pass; two products of n x d_model matrices a layer.
    """
    n, heads = len(streams.ids), model.anatomy.n_heads
    pairings = [torch.arange(n), *(torch.randperm(n, generator=generator) for _ in range(nulls))]
    unembed = working(linear_weight(model.anatomy.unembed)[streams.ids.to(model.device)])
    if unembed.shape[1] != model.anatomy.d_model or not foldable(model.anatomy):
        return torch.full((len(pairings), heads), torch.nan, dtype=torch.float32)
    found = []
    with undisturbed(model.module), torch.no_grad():
        fold = fold_of(model.anatomy.final_norm, model.anatomy.d_model, unembed)
        unembed = fold.read_through(unembed)
        for layer, block in enumerate(model.anatomy.blocks):
            if block.attention:
                m = head_matrices(block.attention, model.anatomy.d_model)
                x = streams.first if layer == 0 else streams.later
                table = _logit_table(m, x, unembed)
                found.append(torch.stack([_rank_of_pairs(table, p) for p in pairings]))
    return torch.cat(found, dim=1).cpu()


def _logit_table(
    m: HeadMatrices, x: Float[Tensor, "token d_model"], unembed: Float[Tensor, "token d_model"]
) -> Float[Tensor, "head from to"]:
    if m.value is None:
        return unembed.new_full((len(m.output), len(x), len(unembed)), torch.nan)
    moved = torch.einsum("td,hcd->htc", x.to(m.value), m.shared(m.value))
    raised = torch.einsum("vd,hcd->hvc", unembed, m.output)
    return moved @ raised.mT


def _rank_of_pairs(
    table: Float[Tensor, "head from to"], pairing: Int[Tensor, " from"]
) -> Float[Tensor, " head"]:
    """Where each row's paired entry stands among the row: -1 lowest, 1 highest, ties half.

    Counted in whole numbers, so that equal scores are equal on every machine: p compares them.
    """
    n = table.shape[-1]
    own = table[:, torch.arange(n), pairing.to(table.device)][..., None]
    score = (table < own).sum(-1) - (table > own).sum(-1)
    share = score.sum(-1).double() / (len(pairing) * (n - 1))
    return share.float().masked_fill(table.isnan().any((-1, -2)), torch.nan)
