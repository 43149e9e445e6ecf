"""How pre-activations become latents: at inference, as the dictionary was saved.

relu       max(p, 0)
topk       the k largest of max(p, 0), the others zero                 (Gao et al. 2024)
batchtopk  p where p > threshold, else zero: training keeps the k * batch largest of a batch,
           and saves the threshold that gives as many                  (Bussmann et al. 2024)
jumprelu   p where p > threshold, else zero                          (Rajamanoharan et al. 2024)
gated      max(m, 0) where p > 0, with a magnitude m of its own      (Rajamanoharan et al. 2024)
"""

import torch
from jaxtyping import Float
from torch import Tensor


def k_largest(pre: Float[Tensor, "*row latent"], k: int) -> Float[Tensor, "*row latent"]:
    """The ``k`` largest positive numbers of each row where they stand, zero elsewhere."""
    values, index = pre.topk(min(k, pre.shape[-1]), dim=-1, sorted=False)
    return torch.zeros_like(pre).scatter_(-1, index, values.relu())


def k_largest_of_batch(pre: Float[Tensor, "row latent"], k: int) -> Float[Tensor, "row latent"]:
    """The ``k`` * rows largest positive numbers of all rows where they stand, zero elsewhere."""
    n = min(k * len(pre), pre.numel())
    values, index = pre.flatten().topk(n, sorted=False)
    return torch.zeros_like(pre).flatten().scatter_(0, index, values.relu()).view_as(pre)


def above(
    pre: Float[Tensor, "*row latent"], threshold: Float[Tensor, " latent"]
) -> Float[Tensor, "*row latent"]:
    """Positive numbers above their threshold, zero elsewhere."""
    return pre.relu() * (pre > threshold)
