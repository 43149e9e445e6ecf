"""Several prompts in one call, of which only the first are differentiated.

Reading the weights is most of the cost of a short prompt, so the clean and the corrupted prompt
ride in one batch. The metric is that of the first rows alone, so the gradient of every other row is
zero; the linear layers, which are nearly all of the work, are told not to compute it.
"""

from typing import Any

import torch
from torch import Tensor, nn

from pellucid.model.linear import holds_matrix
from pellucid.model.running.changes import Changed
from pellucid.model.running.hooks import overridden
from pellucid.model.running.skinny_matmul import backward_product, forward_product, reads_few
from pellucid.shapes import Tokens

SHORT = 96
"""Positions, all prompts together, up to which one call is faster than several (CPU, measured)."""


def ride_together(tokens: Tokens, groups: int = 2) -> bool:
    """Whether ``groups`` prompts like these are short enough to share a call, and may.

    Not under autocast, which would have to be told what this file's backward computes in.
    """
    kind = tokens.device.type
    return (
        kind == "cpu" and groups * tokens.numel() <= SHORT and not torch.is_autocast_enabled(kind)
    )


class LinearOfFirstRows(torch.autograd.Function):
    """x W^T + b for all rows, whose backward is computed for the first ``rows`` only."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, rows: int) -> Tensor:
        """The product, ``[row pos d_out]``."""
        ctx.save_for_backward(weight)
        ctx.rows = rows
        return forward_product(x.flatten(0, 1), weight, bias).unflatten(0, x.shape[:2])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        """Gradient of x; zero where it is known to be."""
        (weight,) = ctx.saved_tensors
        (outer,) = gradients
        inner = outer.new_zeros(*outer.shape[:-1], weight.shape[1])
        first = backward_product(outer[: ctx.rows].flatten(0, 1), weight)
        inner[: ctx.rows] = first.unflatten(0, outer[: ctx.rows].shape[:2])
        return inner, None, None, None


def only_first_rows(module: nn.Module, unembed: nn.Module, rows: int, *, of: int) -> Changed:
    """A block in which backward through plain linear layers is for ``rows`` rows ``of`` all only.

    The unembedding is left out where it has a faster way of its own (``skinny_matmul.py``).

    **Assumes** that the other rows cannot reach what is differentiated, so that their gradient is
    zero anyway, and that no gradient of a parameter is wanted.
    """
    plain = [
        part
        for part in module.modules()
        if holds_matrix(part)
        and "forward" not in part.__dict__
        and not (part is unembed and reads_few(part))
    ]
    return overridden({part: _forward_for(part, rows, of, part.forward) for part in plain})


def _forward_for(part: nn.Module, rows: int, of: int, plain: Any) -> Any:
    def forward(x: Tensor) -> Tensor:
        # Experts see tokens of all prompts in one list; there the rows cannot be told apart.
        if x.ndim != 3 or x.shape[0] != of:
            return plain(x)
        weight: Any = part.weight if type(part) is nn.Linear else part.weight.T
        return LinearOfFirstRows.apply(x, weight, part.bias, rows)

    return forward
