"""Data mixed from known sparse features: independent, in groups, or of parents and children."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

N_FEATURES, WIDTH, ACTIVE = 40, 20, 3


@dataclass(frozen=True)
class Mixture:
    """Values ``[token d]``, the directions that they are mixed of, and how strongly."""

    values: Tensor
    features: Tensor
    amounts: Tensor

    @property
    def k(self) -> int:
        """Features that are active on average."""
        return max(1, round(float((self.amounts > 0).sum(1).float().mean())))


def mixed(how: str = "independent", *, tokens: int = 20_000, width: int = WIDTH) -> Mixture:
    generator = torch.Generator().manual_seed(0)
    features = normalize(torch.randn(N_FEATURES, width, generator=generator))
    drawn = torch.rand(tokens, N_FEATURES, generator=generator)
    quarter, often = N_FEATURES // 4, ACTIVE / N_FEATURES
    if how == "independent":
        active = drawn < often
    elif how == "correlated":
        group = torch.rand(tokens, quarter, generator=generator) < 1.3 * often
        active = group.repeat_interleave(4, dim=1) & (drawn < 0.75)
    else:
        parent = torch.rand(tokens, quarter, generator=generator) < 2 * often
        child = parent.repeat_interleave(3, dim=1) & (drawn[:, quarter:] < 0.33)
        active = torch.cat([parent, child], dim=1)
    amounts = active * (1 + torch.rand(tokens, N_FEATURES, generator=generator))
    noise = 0.01 * torch.randn(tokens, width, generator=generator)
    return Mixture(amounts @ features + noise, features, amounts)


def mean_best_cosine(directions: Tensor, features: Tensor) -> float:
    """Mean over true features of the cosine with the nearest direction."""
    return float((normalize(directions) @ features.T).max(0).values.mean())
