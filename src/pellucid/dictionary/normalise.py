"""What some dictionaries do to each input before they encode it, and undo behind the decoder.

    none        nothing
    layer_norm  (x - mean) / (std + 1e-5), undone in the output; std as of a sample
    unit        x * sqrt(d) / |x|, undone in the output

A factor that is the same for all inputs needs no step of its own: it is put into the weights when a
dictionary is read (``scaled``).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.options import InputNorm

_EPS = 1e-5


@dataclass(frozen=True)
class Normed:
    """An input, and what brings an output back to its scale: ``output * scale + shift``."""

    value: Float[Tensor, "*row d_in"]
    scale: Float[Tensor, "*row 1"] | None = None
    shift: Float[Tensor, "*row 1"] | None = None

    def undone(self, output: Tensor) -> Tensor:
        """An output in the scale of the input."""
        if self.scale is not None:
            output = output * self.scale
        return output if self.shift is None else output + self.shift


def normed(x: Float[Tensor, "*row d_in"], kind: InputNorm) -> Normed:
    """``x`` as the encoder reads it."""
    if kind == "layer_norm":
        shift = x.mean(-1, keepdim=True)
        std = (x - shift).std(-1, keepdim=True)
        return Normed((x - shift) / (std + _EPS), std, shift)
    if kind == "unit":
        factor = x.shape[-1] ** 0.5 / x.norm(dim=-1, keepdim=True).clamp_min(
            torch.finfo(x.dtype).tiny
        )
        return Normed(x * factor, 1 / factor)
    return Normed(x)


def scaled(
    weights: Mapping[str, Tensor], factor: float, factor_out: float | None = None
) -> dict[str, Any]:
    """Weights for inputs as they are, of weights for inputs times ``factor``.

    (x f) W + b is x (f W) + b, and what comes out is divided by f; of a transcoder by the factor
    of its outputs.
    """
    out = factor if factor_out is None else factor_out
    divided = {name: weights[name] / out for name in ("W_dec", "b_dec")}
    return {**weights, "W_enc": weights["W_enc"] * factor, **divided}


def rms_factor(width: int, mean_norm: float) -> float:
    """What brings vectors of that mean norm to the norm sqrt(width)."""
    return math.sqrt(width) / mean_norm
