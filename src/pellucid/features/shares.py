"""The decision as a sum over latents, the dictionary's error and bias, and what passes it by."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.dictionary.dictionary import Dictionary
from pellucid.model.model import Model
from pellucid.model.sites import Site
from pellucid.results.registry import stored
from pellucid.run.affine import affine_sum
from pellucid.run.record import Trace

EXACT = {torch.float64: 1e-9, torch.float32: 1e-4, torch.bfloat16: 5e-2, torch.float16: 1e-2}
"""How far the summands may miss the metric, relative to the largest of them, by dtype."""


@stored
@dataclass(frozen=True, kw_only=True)
class Account:
    """What the metric is the sum of at one dictionary, mean over examples."""

    layer: int
    features: float
    """All latents together."""
    error: float
    """What the dictionary leaves unexplained."""
    bias: float
    """What it writes without any latent: its bias, and a skip connection."""
    beside: float
    """What enters the layer past the place; zero where the dictionary reads the stream itself."""
    constant: float
    """Biases of the model behind the place."""
    metric: float
    residual: float
    """The largest miss of the sum, relative to the largest summand, over examples."""
    exact: bool
    """Whether the residual is no more than rounding."""


def shares_at(
    model: Model, trace: Trace, dictionary: Dictionary, latents: Tensor
) -> tuple[Float[Tensor, "example latent"], Account, str]:
    """Share of every latent summed over positions, the account, and what could not be held.

    ``latents`` are those of the clean prompts ``[example pos latent]``.

    **Cost** 1 forward and 1 backward, from the layer on.
    """
    site = dictionary.site_out
    found = affine_sum(model, trace.objective, site, trace.clean[Site("resid_pre", site.layer)])
    value, inputs = (trace.clean[at].flatten(2) for at in (site, dictionary.site_in))
    gradient = found.gradient.flatten(2)
    real = trace.encoded.real.to(gradient.device)[..., None]
    gradient = gradient * real
    scale = dictionary.written(_one_latent(latents), inputs)
    first = dictionary.W_dec[0].to(scale.dtype)
    factor = (scale @ first) / (first @ first)  # the input's scale, where it is put back
    reach = gradient.to(dictionary.W_dec.dtype) @ dictionary.W_dec.T  # example pos latent
    by_latent = (latents.double() * reach.double() * factor.double()[..., None]).sum(1)
    bare = dictionary.decode(torch.zeros_like(latents), inputs)
    error = value - dictionary.reconstruct(inputs).to(value.dtype)

    def share(part: Tensor) -> Float[Tensor, " example"]:
        return (part.double() * gradient.double()).flatten(1).sum(1)

    summands = {
        "features": by_latent.sum(1),
        "error": share(error),
        "bias": share(bare),
        "beside": found.beside,
        "constant": found.constant,
    }
    whole = torch.stack(list(summands.values()))
    largest = torch.cat([whole, found.metric[None]]).abs().max(0).values.clamp_min(1e-30)
    residual = float(((whole.sum(0) - found.metric).abs() / largest).max())
    account = Account(
        layer=site.layer,
        **{name: float(one.mean()) for name, one in summands.items()},
        metric=float(found.metric.mean()),
        residual=residual,
        exact=residual <= EXACT.get(model.dtype, 1e-4),
    )
    return by_latent, account, found.note


def _one_latent(latents: Tensor) -> Tensor:
    one = torch.zeros_like(latents)
    one[..., 0] = 1.0
    return one
