"""The effect of a latent, estimated along its own way from what it is to what replaces it.

    sum over three Gauss-Legendre points t of  w_t (a - b) . dM/da at b + t (a - b)

with everything else as in the clean run. It is exact for a metric that is a polynomial of degree
five or less along the way. It costs more than measuring does; it tells whether the gradient or the
measurement is to be doubted where they differ.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.model.running.forward import forward, undisturbed
from pellucid.model.running.taps import Tap
from pellucid.model.sites import Site
from pellucid.run.setup import Setup
from pellucid.run.variants import copies, variants_per_call

POINTS = ((0.1127016653792583, 5 / 18), (0.5, 8 / 18), (0.8872983346207417, 5 / 18))
"""Where, and with which weight, on the way from 0 to 1."""


def along_paths(
    setup: Setup, layer: int, latents: Sequence[int], base: Float[Tensor, "... latent"]
) -> Float[Tensor, "example chosen"]:
    """Estimates for single ``latents`` of the dictionary of ``layer``; ``base`` replaces them.

    **Cost** 3 forwards and 3 backwards a latent, from that layer on, batched.
    """
    site = Site("latents", layer)
    value, rows = setup.trace.clean[site], len(setup.trace.encoded.clean)
    change = value - base
    asked = [(i, t) for i in range(len(latents)) for t in POINTS]
    size = max(1, variants_per_call(setup, 0) // 2)
    found = value.new_zeros(rows, len(latents), dtype=torch.float64)
    for start in range(0, len(asked), size):
        part = asked[start : start + size]
        index = torch.tensor([latents[i] for i, _ in part], device=value.device)
        at = value.new_tensor([t for _, (t, _) in part])
        gradient = _gradients(setup, site, index, at, base)  # variant row pos
        for (i, (_, weight)), one in zip(part, gradient, strict=True):
            found[:, i] += weight * (change[..., latents[i]] * one).double().sum(-1)
    return found


def _gradients(
    setup: Setup, site: Site, index: Tensor, at: Tensor, base: Tensor
) -> Float[Tensor, "variant row pos"]:
    """dM / d(one latent) at a point of its way, for each variant."""
    model, trace, n = setup.model, setup.trace, len(index)
    leaf: list[Tensor] = []

    def tap(current: Tensor) -> Tensor:
        spread = current.detach().unflatten(0, (n, -1))  # variant row pos latent
        column = index[:, None, None, None].expand(*spread.shape[:3], 1)
        own = spread.gather(3, column)[..., 0]
        fixed = base.expand(spread.shape[1:])[None].expand_as(spread).gather(3, column)[..., 0]
        moved = (fixed + at[:, None, None] * (own - fixed)).requires_grad_()
        leaf.append(moved)
        return spread.scatter(3, column, moved[..., None]).flatten(0, 1)

    taps: dict[Site, Tap] = {site: tap}
    with undisturbed(model.module), torch.enable_grad():
        batch = copies(setup, "clean", n, start=site.layer, shared=0)
        logits = forward(model.module, model.anatomy, batch, taps=taps)
        metric = trace.metric(logits.unflatten(0, (n, -1)), trace.encoded)
        (found,) = torch.autograd.grad(metric.sum(), leaf)
    return found
