"""Linear layers: the matrix and the bias of one, whatever class holds them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn


def is_linear(module: nn.Module) -> bool:
    """Whether a module is one matrix product: plain, transposed, quantised or adapted.

    An adapted one holds others (PEFT's ``base_layer``, A and B), and is one product all the same.
    """
    return "linear" in type(module).__name__.lower() or type(module).__name__ == "Conv1D"


def holds_matrix(module: nn.Module) -> bool:
    """Whether a module's ``weight`` is its whole matrix, in floating numbers.

    It is not in an adapted layer, nor where torchao put a quantised tensor in its place.
    """
    if type(module) is not nn.Linear and type(module).__name__ != "Conv1D":
        return False
    weight: Any = getattr(module, "weight", None)
    ordinary = type(weight) in (nn.Parameter, Tensor)
    return ordinary and weight.ndim == 2 and weight.is_floating_point()


def linear_weight(module: nn.Module) -> Float[Tensor, "d_out d_in"]:
    """The matrix of a linear layer, as ``out x in``, whatever class holds it.

    GPT-2's Conv1D stores the transpose. Quantised and adapted layers hide their matrix, so it is
    read by sending the identity through them: with LoRA it is base + scale x B A, as it runs.
    """
    if holds_matrix(module):
        weight: Any = module.weight
        return weight if type(module) is nn.Linear else weight.T
    n_in: Any = getattr(module, "in_features", None) or getattr(module, "nx", None)
    return (_through(module, torch.eye(int(n_in))) - _through(module, torch.zeros(1, int(n_in)))).T


def linear_bias(module: nn.Module) -> Float[Tensor, " d_out"] | None:
    """What a linear layer adds to its product, or None; that of an adapter too."""
    if holds_matrix(module):
        bias = getattr(module, "bias", None)
        return bias if isinstance(bias, Tensor) else None
    n_in: Any = getattr(module, "in_features", None) or getattr(module, "nx", None)
    return _through(module, torch.zeros(1, int(n_in)))[0]


def _through(module: nn.Module, rows: Tensor) -> Tensor:
    """What a layer makes of ``rows``; its own forward, for hooks on it are for the model's run."""
    reference = next(module.parameters())
    dtype = reference.dtype if reference.is_floating_point() else torch.float32
    with evaluating(module), torch.inference_mode(False), torch.no_grad():
        made: Tensor = module.forward(rows.to(reference.device, dtype))
    return made


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """A layer in evaluation mode inside the block: adapters have dropout of their own."""
    training = [part for part in module.modules() if part.training]
    try:
        for part in training:
            part.training = False
        yield
    finally:
        for part in training:
            part.training = True
