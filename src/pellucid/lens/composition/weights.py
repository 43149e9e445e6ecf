"""The matrices by which heads read and write the stream, with the norms folded in.

A norm divides by one number a position and multiplies by a gain a feature; a LayerNorm first takes
the mean away. Up to that number, a head's query of stream x is

    W diag(gain) (I - 1 1^T / d) x        without the last factor for an RMSNorm

so the gain and the centring belong to the head's matrix. They are proved by what the norm
*does* (``norms.py``), whatever its class (Gemma's gain is one more than its parameter).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pellucid.errors import UnsupportedArchitectureError
from pellucid.model.anatomy import Anatomy, Attention, Projection
from pellucid.model.linear import linear_weight
from pellucid.model.norms import NormForm, norm_form
from pellucid.model.residual_scaling import times


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
    """The gain and the centring of ``norm``, in the type and place of ``like``.

    **Raises** ``UnsupportedArchitectureError`` for a norm that is more than these (``norms.py``).
    """
    gain = torch.ones(d_model, dtype=like.dtype, device=like.device)
    if norm is None or isinstance(norm, nn.Identity):
        return Fold(gain=gain, centres=False)
    form = form_of(norm, d_model)
    if form is None:
        raise UnsupportedArchitectureError(
            f"{type(norm).__name__} is no layer norm or RMS norm, so its gain cannot be folded "
            "into the matrices that read it. Measure what heads do with patch() or head_roles()."
        )
    known = form.gain()
    found = known.detach().to(gain) if isinstance(known, Tensor) else gain * known
    return Fold(gain=found, centres=form.centred)


def form_of(norm: nn.Module, d_model: int) -> NormForm | None:
    """The form of a norm of the stream, looked for in the type of its own weights."""
    parameter = next(norm.parameters(), torch.empty(0))
    return norm_form(norm, parameter.new_empty(d_model))


def foldable(anatomy: Anatomy) -> bool:
    """Whether every norm in front of heads, behind them and at the end is an ordinary one."""
    attentions = [block.attention for block in anatomy.blocks if block.attention]
    norms = [anatomy.final_norm, *(a.norm for a in attentions)]
    norms += [norm for a in attentions for norm in a.post_norms]
    real = [norm for norm in norms if norm is not None and not isinstance(norm, nn.Identity)]
    return all(form_of(norm, anatomy.d_model) is not None for norm in real)


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
    **Raises** ``UnsupportedArchitectureError`` for a norm whose gain cannot be folded in.
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
