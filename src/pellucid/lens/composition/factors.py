"""A head's two low-rank matrices as thin factors, so that products of heads stay small.

With W_Q, W_K, W_V [d_head d_model] and W_O [d_model d_head], norms folded,

    W_QK = W_Q^T W_K      W_OV = W_O W_V

For any A, |A W|_F = |A L|_F where L L^T = W W^T, and such an L [d_head d_head] comes from the thin
QR decomposition of W^T. So a head is, as a writer, W_O L_V [d_model d_head], and as a reader by its
query L_K^T W_Q, by its key L_Q^T W_K, by its value L_O^T W_V [d_head d_model]: norms of these, and
of products of a reader with a writer, are those of the full matrices.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.lens.composition.weights import HeadMatrices
from pellucid.options import Composed


@dataclass(frozen=True, kw_only=True)
class Factors:
    """Thin factors of several heads, and the squared singular values of each, descending."""

    rows: Float[Tensor, "head d_head d_model"]
    spectrum: Float[Tensor, "head d_head"]

    def __getitem__(self, heads: Tensor) -> "Factors":
        return Factors(rows=self.rows[heads], spectrum=self.spectrum[heads])


def factors(rows: Float[Tensor, "head d_head d_model"]) -> Factors:
    """``rows`` with their spectra."""
    gram = (rows @ rows.mT).double()
    return Factors(rows=rows, spectrum=torch.linalg.eigvalsh(gram).flip(-1).clamp_min(0))


def square_root(matrix: Float[Tensor, "head d_head d_model"]) -> Float[Tensor, "head d_head d"]:
    """L with L L^T = W W^T, without forming the square."""
    return torch.linalg.qr(matrix.mT).R.mT


def writer(m: HeadMatrices) -> Float[Tensor, "head d_head d_model"]:
    """W_OV of every head as it writes; rows are directions of the stream."""
    assert m.value is not None
    return m.shared(square_root(m.value)).mT @ m.output


def reader(m: HeadMatrices, kind: Composed) -> Float[Tensor, "head d_head d_model"]:
    """Every head as it reads by its query, key or value."""
    if kind == "v":
        assert m.value is not None
        return square_root(m.output).mT @ m.shared(m.value)
    assert m.query is not None
    assert m.key is not None
    if kind == "q":
        return m.shared(square_root(m.key)).mT @ m.query
    return square_root(m.query).mT @ m.shared(m.key)


def compose(reads: Factors, writes: Factors, d: int) -> Float[Tensor, "3 receiver sender"]:
    """Score, z and maximum of every reader with every writer in a space of ``d`` dimensions.

    The formulas are those of ``composition.py``; a head that reads or writes nothing gives NaN.
    """
    products = reads.rows.flatten(0, 1) @ writes.rows.flatten(0, 1).T
    sizes = (*reads.rows.shape[:2], *writes.rows.shape[:2])
    squared = products.square().reshape(sizes).sum((1, 3)).double()  # receiver sender
    r, w = reads.spectrum, writes.spectrum
    norms = r.sum(-1)[:, None] * w.sum(-1)
    r_spread, w_spread = (s.square().sum(-1) - s.sum(-1).square() / d for s in (r, w))
    variance = 2 * r_spread[:, None] * w_spread / ((d - 1) * (d + 2))
    n = min(r.shape[1], w.shape[1])
    highest = r[:, :n] @ w[:, :n].T
    return torch.stack(
        [
            (squared / norms).sqrt(),
            (squared - norms / d) / variance.sqrt(),
            (highest / norms).sqrt(),
        ]
    )
