"""Matrix products with few rows on a CPU, in the form in which the library is fast.

A short prompt multiplies few rows with large weights, so reading the weights is the work. How fast
the matrix library reads them depends on the form of the product and not only on its size (MKL,
float32, an EPYC processor, weights larger than its caches; measured):

- x W^T of 2 to 8 rows with an unembedding takes an eighth to two thirds of the time as (W x^T)^T
  with two threads, a quarter to four fifths with one; one row gains by a second row of zeros;
- with two threads g W takes two thirds of the time as (W^T g^T)^T, and x W^T nine tenths as
  (W x^T)^T, when the number of rows is a multiple of 16. Rows of zeros are worth adding for g W
  alone. One thread gains nothing.
"""

from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from pellucid.model.linear import holds_matrix

_FEW = 8
FILLED = 16


def reads_few(unembed: nn.Module) -> TypeGuard[nn.Linear]:
    """Whether ``unembed`` is a product that ``FewRows`` computes as well."""
    return (
        type(unembed) is nn.Linear
        and holds_matrix(unembed)
        and "forward" not in unembed.__dict__
        and unembed.weight.device.type == "cpu"
        and unembed.weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
    )


def unembedding(plain: nn.Linear) -> Any:
    """A forward for ``plain`` that takes the faster way where there is one."""
    usual = plain.forward

    def forward(x: Tensor) -> Tensor:
        learning = plain.weight.requires_grad and torch.is_grad_enabled()
        if learning or x.numel() > _FEW * x.shape[-1]:
            return usual(x)
        logits = FewRows.apply(x.reshape(-1, x.shape[-1]), plain.weight)
        assert isinstance(logits, Tensor)
        logits = logits if plain.bias is None else logits + plain.bias
        return logits.reshape(*x.shape[:-1], logits.shape[-1])

    return forward


class FewRows(torch.autograd.Function):
    """x W^T for few rows; its backward reads only the weights that the gradient touches.

    A difference of two logits touches two of them. **Assumes** that no gradient of W is wanted.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        """The product, ``[row d_out]``."""
        ctx.save_for_backward(weight)
        rows = _filled(x, 2) if len(x) == 1 else x
        return torch.mm(weight, rows.T).T[: len(x)].contiguous()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        """Gradient of x."""
        (weight,), (outer,) = ctx.saved_tensors, gradients
        columns = (outer != 0).any(0).nonzero()[:, 0]
        if 8 * len(columns) < len(weight):
            return outer[:, columns] @ weight[columns], None
        touched = (outer != 0).any(1)
        inner = outer.new_zeros(len(outer), weight.shape[1])
        inner[touched] = outer[touched] @ weight
        return inner, None


def forward_product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x W^T + b, ``[row d_out]``."""
    if not _gains(x) or len(x) % FILLED:
        return nn.functional.linear(x, weight, bias)
    product = torch.mm(weight, x.T).T.contiguous()
    return product if bias is None else product.add_(bias)


def backward_product(outer: Tensor, weight: Tensor) -> Tensor:
    """g W, ``[row d_in]``."""
    if not _gains(outer):
        return outer @ weight
    return torch.mm(weight.T, _filled(outer, FILLED).T).T[: len(outer)]


def _gains(rows: Tensor) -> bool:
    several = torch.get_num_threads() > 1
    return several and rows.device.type == "cpu" and rows.dtype == torch.float32


def _filled(rows: Tensor, multiple: int) -> Tensor:
    """``rows`` and rows of zeros, up to a multiple of a number."""
    missing = -len(rows) % multiple
    return nn.functional.pad(rows, (0, 0, 0, missing)) if missing else rows
