"""A subspace that is learned: gradients through the run turn an orthonormal basis.

    minimise  -log sigmoid(logit(answer) - logit(foil))   in base runs with the exchange

over matrices A, whose rows are made orthonormal by a QR decomposition at every step, with Adam.
(Distributed alignment search: Geiger et al. 2024, arXiv:2303.02536)
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.causal.exchange import Exchange, random_basis, within


@dataclass(frozen=True)
class Learned:
    """An orthonormal basis, and the loss before each step."""

    basis: Float[Tensor, "k d"]
    losses: tuple[float, ...]


def learned(
    exchange: Exchange, k: int, steps: int, rate: float, seed: int, signs: Tensor | None = None
) -> Learned:
    """Learn ``k`` directions; ``signs`` [example] of -1 ask for the foil instead.

    **Cost** 1 forward and 1 backward for each step.
    """
    width = exchange.base.shape[-1]
    given = random_basis(k, width, seed).to(exchange.base.device, exchange.base.dtype)
    free = given.clone().requires_grad_()
    optimiser = torch.optim.Adam([free], lr=rate)
    losses = []
    with torch.enable_grad():
        for _ in range(steps):
            basis = torch.linalg.qr(free.T).Q.T
            metric = exchange.metric(within(basis))
            wanted = metric if signs is None else metric * signs.to(metric.device)
            loss = -torch.nn.functional.logsigmoid(wanted).mean()
            losses.append(float(loss.detach()))
            (gradient,) = torch.autograd.grad(loss, [free])
            free.grad = gradient
            optimiser.step()
    with torch.no_grad():
        return Learned(torch.linalg.qr(free.T).Q.T.detach().double().cpu(), tuple(losses))
