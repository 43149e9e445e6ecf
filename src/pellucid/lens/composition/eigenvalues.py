"""Copying and matching by eigenvalues (Elhage et al. 2021, "A mathematical framework").

On the vocabulary, a head's output circuit is W_U W_OV W_E and its attention circuit
W_E^T W_QK W_E, each d_vocab x d_vocab of rank d_head. The score

    sum of eigenvalues / sum of |eigenvalues|

is 1 when all are positive: the output circuit then raises the tokens it attends to (copying), the
attention circuit attends to tokens like the query's own (matching); -1 when all are negative.
Eigenvalues of A B and B A that are not zero are the same, so those of the d_head x d_head matrix
W_V (W_E W_U) W_O, or W_K (W_E W_E^T) W_Q^T, are all there are.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pellucid.lens.composition.weights import HeadMatrices, fold_of, working
from pellucid.model.linear import linear_weight
from pellucid.model.model import Model


@dataclass(frozen=True, kw_only=True)
class VocabularyProducts:
    """What all heads share: W_E W_U and W_E W_E^T."""

    across: Float[Tensor, "d_model d_model"]
    within: Float[Tensor, "d_model d_model"]


def vocabulary_products(
    model: Model, embed: Float[Tensor, "d_vocab d_model"], *, centres: bool
) -> VocabularyProducts:
    """The two products, with what the norms do that is not a gain of the head's own.

    The norm in front of a head divides every token's vector by its own length, having centred it
    where it ``centres``; the final norm's gain belongs to the unembedding.
    """
    embed = working(embed)[: model.anatomy.d_vocab]
    embed = embed - centres * embed.mean(-1, keepdim=True)
    embed = embed / embed.norm(dim=-1, keepdim=True).clamp_min(1e-30)
    unembed = working(linear_weight(model.anatomy.unembed))[: len(embed)]
    fold = fold_of(model.anatomy.final_norm, model.anatomy.d_model, unembed)
    return VocabularyProducts(across=embed.T @ fold.read_through(unembed), within=embed.T @ embed)


def token_embedding(model: Model) -> Float[Tensor, "d_vocab d_model"] | None:
    """The embedding matrix; None where tokens are not embedded in the stream's own width."""
    getter = getattr(model.module, "get_input_embeddings", None)
    if callable(getter):
        found = getter()
    else:
        tables = (m for m in model.module.modules() if isinstance(m, nn.Embedding))
        found = next((m for m in tables if m.num_embeddings == model.anatomy.d_vocab), None)
    weight = getattr(found, "weight", None)
    widths = {model.anatomy.d_model, linear_weight(model.anatomy.unembed).shape[1]}
    return weight if isinstance(weight, Tensor) and {weight.shape[1]} == widths else None


def copying_eigenvalues(m: HeadMatrices, products: VocabularyProducts) -> Float[Tensor, " head"]:
    """The score of every head's output circuit."""
    assert m.value is not None
    return _score(m.shared(m.value) @ products.across @ m.output.mT)


def matching_eigenvalues(m: HeadMatrices, products: VocabularyProducts) -> Float[Tensor, " head"]:
    """The score of every head's attention circuit."""
    assert m.query is not None
    assert m.key is not None
    return _score(m.shared(m.key) @ products.within @ m.query.mT)


def _score(small: Float[Tensor, "head d_head d_head"]) -> Float[Tensor, " head"]:
    values = torch.linalg.eigvals(small.double())
    return (values.real.sum(-1) / values.abs().sum(-1)).cpu()
