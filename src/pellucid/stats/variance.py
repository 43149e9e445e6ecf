"""How much of the variance of values is left unexplained by what stands for them."""

import torch
from jaxtyping import Float
from torch import Tensor


class Unexplained:
    """Squared error over variance about a mean that is known, added up in float64 over parts.

    Exactly 1 where the mean stands for every value, and exactly 0 where each stands for itself.
    """

    def __init__(self, mean: Float[Tensor, " d"]) -> None:
        self.mean = mean.double()
        self.error = self.variance = 0.0

    def add(self, values: Float[Tensor, "row d"], given: Float[Tensor, "row d"]) -> None:
        """Take up more values and what stands for them."""
        values = values.double()
        self.error += float((values - given.double()).square().sum())
        self.variance += float((values - self.mean).square().sum())

    @property
    def share(self) -> float:
        """The share that is unexplained; NaN where nothing varies."""
        return self.error / self.variance if self.variance > 0 else float("nan")


def principal_components(
    values: Float[Tensor, "row d"], mean: Float[Tensor, " d"], k: int
) -> Float[Tensor, "component d"]:
    """The ``k`` directions of largest variance, orthonormal, the largest first."""
    centred = values.double() - mean.double()
    _, vectors = torch.linalg.eigh(centred.T @ centred)
    return vectors.flip(1)[:, :k].T.to(values.dtype)
