"""What a step of training minimises, by activation.

    topk, batchtopk  |y - y'|^2                       the number of latents is set, not paid for
    matryoshka       the mean of that over reconstructions by the first latents alone
    relu             |y - y'|^2 + l1 * sum of latents
    jumprelu         |y - y'|^2 + 0.1 (L0 / k - 1)^2  with a straight-through threshold

all but the last summand over |y - mean|^2.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import embedding_bag

from pellucid.dictionary.training.weights import Weights
from pellucid.options import FitMethod

TOWARDS_K = 0.1
_BANDWIDTH = 1e-1
_SAMPLED = 61
"""One number of as many is looked at to guess how large the largest are."""


@dataclass(frozen=True)
class Sparsity:
    """How few latents are to be active, and by what means."""

    how: FitMethod
    k: int
    l1: float = 0.0
    prefixes: tuple[int, ...] = ()


@dataclass(frozen=True)
class BatchLoss:
    """What one batch gave."""

    loss: Tensor
    fired: Bool[Tensor, " latent"]
    """Latents that were active for some token."""
    left: Float[Tensor, "row d_out"]
    """Outputs less what was reconstructed of them."""
    unexplained: float
    """Squared error over variance."""


@dataclass(frozen=True)
class Sparse:
    """Active latents only: those of row r are ``index[start[r]:start[r + 1]]``."""

    index: Int[Tensor, " active"]
    start: Int[Tensor, " row"]
    value: Float[Tensor, " active"]

    def decoded(self, W_dec: Tensor, below: int | None = None) -> Tensor:
        """Their sum of directions; with ``below`` of the first latents alone."""
        value = self.value if below is None else self.value * (self.index < below)
        return embedding_bag(
            self.index, W_dec, self.start, per_sample_weights=value, mode="sum"
        )  # row d


def sparse_of(pre: Float[Tensor, "row latent"], k: int, *, of_batch: bool) -> Sparse:
    """The k largest of each row, or as many of the whole batch."""
    rows, n = pre.shape
    if not of_batch:
        value, index = pre.topk(k, dim=1, sorted=False)
        start = torch.arange(rows) * k
        return Sparse(index.flatten(), start, value.flatten().relu())
    flat = pre.flatten()
    place = places_of_largest(flat.detach(), min(k * rows, flat.numel())).sort().values
    start = torch.searchsorted(place, torch.arange(rows) * n)
    return Sparse(place % n, start, flat[place].relu())


def places_of_largest(flat: Float[Tensor, " number"], n: int) -> Int[Tensor, " n"]:
    """Where the ``n`` largest numbers stand; looked for among those above a guess from a sample."""
    sample = flat[::_SAMPLED]
    guessed = sample.topk(min(len(sample), 1 + 3 * n // (2 * _SAMPLED)), sorted=False).values.min()
    place = (flat > guessed).nonzero()[:, 0]
    if len(place) < n:
        return flat.topk(n, sorted=False).indices
    return place[flat[place].topk(n, sorted=False).indices]


def loss_of(
    weights: Weights,
    batch: tuple[Tensor, Tensor],
    sparsity: Sparsity,
) -> BatchLoss:
    """The loss of one batch, and which latents it used."""
    x, y = batch
    how, k = sparsity.how, sparsity.k
    pre = weights.pre_activations(x)
    variance = (y - y.mean(0)).square().sum().clamp_min(1e-12)
    paid: Tensor = pre.new_zeros(())
    if how in ("relu", "jumprelu"):
        latents = pre.relu() if how == "relu" else jump(pre, weights.log_threshold.exp())
        given = latents @ weights.W_dec + weights.b_dec
        fired = (latents > 0).any(0)
        if how == "relu":
            paid = sparsity.l1 * latents.sum() / variance
        else:
            count = passes(pre, weights.log_threshold.exp()).sum(1).mean()
            paid = TOWARDS_K * (count / k - 1).square()
        partial = [given]
    else:
        active = sparse_of(pre, k, of_batch=how != "topk")
        fired = torch.zeros(pre.shape[1], dtype=torch.bool)
        fired[active.index[active.value.detach() > 0]] = True
        partial = [
            active.decoded(weights.W_dec, below) + weights.b_dec for below in sparsity.prefixes
        ]
        given = active.decoded(weights.W_dec) + weights.b_dec
        partial.append(given)
    errors = torch.stack([(y - one).square().sum() for one in partial]) / variance
    return BatchLoss(errors.mean() + paid, fired, (y - given).detach(), float(errors[-1].detach()))


class _Jump(torch.autograd.Function):
    """p where p is above the threshold; whose threshold has the gradient of a window about it."""

    @staticmethod
    def forward(ctx: Any, pre: Tensor, threshold: Tensor) -> Tensor:
        ctx.save_for_backward(pre, threshold)
        return pre * (pre > threshold)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        pre, threshold = ctx.saved_tensors
        (outer,) = gradients
        window = _window(pre, threshold)
        return outer * (pre > threshold), -(threshold * window * outer).sum(0)


class _Passes(torch.autograd.Function):
    """1 where p is above the threshold; whose gradient is that of a window about it."""

    @staticmethod
    def forward(ctx: Any, pre: Tensor, threshold: Tensor) -> Tensor:
        ctx.save_for_backward(pre, threshold)
        return (pre > threshold).to(pre.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        pre, threshold = ctx.saved_tensors
        (outer,) = gradients
        return None, -(_window(pre, threshold) * outer).sum(0)


def _window(pre: Tensor, threshold: Tensor) -> Tensor:
    return ((pre - threshold).abs() < _BANDWIDTH / 2).to(pre.dtype) / _BANDWIDTH


def jump(pre: Tensor, threshold: Tensor) -> Tensor:
    """jumprelu, differentiable in the threshold too (Rajamanoharan et al. 2024)."""
    return _Jump.apply(pre, threshold)


def passes(pre: Tensor, threshold: Tensor) -> Tensor:
    """Whether each latent is active, differentiable in the threshold."""
    return _Passes.apply(pre, threshold)
