"""The matrices by which heads read and write the stream, with the norms folded in.

A norm divides by one number a position and multiplies by a gain a feature; a LayerNorm first takes
the mean away. Up to that number, a head's query of stream x is

    W diag(gain) (I - 1 1^T / d) x        without the last factor for an RMSNorm

so the gain and the centring belong to the head's matrix. They are found by what the norm *does*,
whatever its class and however it keeps its weight (Gemma's gain is one more than its parameter).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pellucid.model.anatomy import Attention, Projection, linear_weight
from pellucid.model.factors import times


@dataclass(frozen=True, kw_only=True)
class Fold:
    """What a norm does beside dividing: ``gain`` each feature, after taking the mean away."""

    gain: Float[Tensor, " d_model"]
    centres: bool

    def read_through(self, matrix: Float[Tensor, "*any d_model"]) -> Tensor:
        """``matrix`` (reading the norm's output) as a matrix that reads the stream."""
        scaled = matrix * self.gain
        return scaled - scaled.mean(-1, keepdim=True) if self.centres else scaled

    def write_through(self, matrix: Float[Tensor, "*any d_model"]) -> Tensor:
        """``matrix`` (rows are vectors that go into the norm) as vectors that come out of it."""
        return (matrix - matrix.mean(-1, keepdim=True) if self.centres else matrix) * self.gain


def fold_of(norm: nn.Module | None, d_model: int, like: Tensor) -> Fold:
    """The gain and the centring of ``norm``, read off its answers to two vectors and their minus.

    The odd part (norm(x) - norm(-x)) / 2 of a norm is gain * x / rms(x) for an x of mean zero; for
    a constant x it is the gain, or zero when the mean is taken away.
    """
    dtype = like.dtype
    if norm is None:
        return Fold(gain=torch.ones(d_model, dtype=dtype, device=like.device), centres=False)
    parameter = next(norm.parameters(), like)
    x = torch.ones(d_model, dtype=parameter.dtype, device=parameter.device)
    x[1::2] = -1
    if d_model % 2:
        x[-3:] = torch.tensor([2.0, -1.0, -1.0]).to(x)
    with torch.no_grad():
        odd, constant = (
            (norm(v[None, None]) - norm(-v[None, None]))[0, 0].to(like) / 2
            for v in (x, torch.ones_like(x))
        )
    x = x.to(like)
    gain = odd * x.square().mean().sqrt() / x
    return Fold(gain=gain, centres=float(constant.norm()) < 0.1 * float(gain.norm()))


@dataclass(frozen=True, kw_only=True)
class HeadMatrices:
    """One layer's matrices, by query head for ``output`` and ``query``, else by key/value head.

    ``query`` and ``key`` are None where the architecture has none that read the stream.
    """

    query: Float[Tensor, "head d_key d_model"] | None
    key: Float[Tensor, "kv_head d_key d_model"] | None
    value: Float[Tensor, "kv_head d_head d_model"] | None
    output: Float[Tensor, "head d_head d_model"]
    group: int
    """Query heads that share one key/value head."""
    centres: bool
    """Whether the norm in front takes the mean away."""

    def shared(self, matrix: Float[Tensor, "kv_head d d_model"]) -> Tensor:
        """Keys or values repeated, one for each query head."""
        return matrix.repeat_interleave(self.group, dim=0)


def head_matrices(attention: Attention, d_model: int) -> HeadMatrices:
    """The matrices of one layer in float32 (float64 for a float64 model), norms folded.

    **Assumes** that q, k and v are linear in the normed stream; rotary embedding and norms of
    queries and keys, which act later, are left out.
    """
    output = working(attention.head_weight())
    before = fold_of(attention.norm, d_model, output)
    # OLMo-2 and Gemma-2 norm what attention gives before adding it.
    for norm in attention.post_norms:
        output = fold_of(norm, d_model, output).write_through(output)

    def read(projection: Projection | None) -> Tensor | None:
        if projection is None:
            return None
        rows = working(linear_weight(projection.module))[projection.columns]
        return before.read_through(rows)

    return HeadMatrices(
        query=read(attention.q),
        key=read(attention.k),
        value=read(attention.v),
        output=times(output, attention.write.scale),
        group=attention.n_heads // attention.n_kv_heads,
        centres=before.centres,
    )


def working(weight: Tensor) -> Tensor:
    """A weight detached, in a type that products of weights can be computed in."""
    weight = weight.detach()
    return weight if weight.dtype == torch.float64 else weight.float()
