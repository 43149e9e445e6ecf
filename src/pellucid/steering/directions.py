"""A direction from differences of values, by three methods that agree on its length.

    mean_difference   mean(positive) - mean(negative)                    Rimsky et al. 2023
    pca               the first right-singular vector of the differences of pairs, which are
                      not centred (else what all of them share would be lost)  Zou et al. 2023
    probe             the normal of a logistic regression               Alain & Bengio 2016

Each is turned so that positive examples lie in front, and scaled to the length of the mean
difference: methods then differ in direction alone, and scale 1 adds as much as the examples differ.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.options import SteeringMethod
from pellucid.stats.ranking import auroc

ExampleValues = Float[Tensor, "example d"]


def direction(
    positive: ExampleValues, negative: ExampleValues, method: SteeringMethod
) -> Float[Tensor, " d"]:
    """The direction from ``negative`` to ``positive`` values, pair by pair.

    **Raises** ``ValueError`` where the two do not differ.
    """
    differences = (positive - negative).double()
    mean = differences.mean(0)
    length = mean.norm()
    if not float(length) > 0:
        raise ValueError("the values of both sides are the same")
    found = {"mean_difference": _mean, "pca": _component, "probe": _normal}[method](
        positive.double(), negative.double()
    )
    found = found / found.norm() * length
    return found if float(found @ mean) >= 0 else -found


def _mean(positive: ExampleValues, negative: ExampleValues) -> Tensor:
    return (positive - negative).mean(0)


def _component(positive: ExampleValues, negative: ExampleValues) -> Tensor:
    return torch.linalg.svd(positive - negative, full_matrices=False).Vh[0]


def _normal(positive: ExampleValues, negative: ExampleValues) -> Tensor:
    from sklearn.linear_model import LogisticRegression

    values = torch.cat([positive, negative])
    scale = values.std()  # one number, so that the normal is one of the values' own space
    labels = np.repeat([1, 0], [len(positive), len(negative)])
    fitted = LogisticRegression(max_iter=5000).fit((values / scale).numpy(), labels)
    return torch.from_numpy(fitted.coef_[0])


def separation(positive: ExampleValues, negative: ExampleValues, method: SteeringMethod) -> float:
    """AUROC of examples along a direction that was made without them.

    Pairs are split in two halves, each of which is scored by the direction of the other; scores are
    measured from that half's middle. NaN for fewer than four pairs.
    """
    if len(positive) < 4:
        return float("nan")
    scores, labels = [], []
    for held in (0, 1):
        kept = torch.arange(len(positive)) % 2 != held
        try:
            found = direction(positive[kept], negative[kept], method)
        except ValueError:
            return float("nan")
        middle = (positive[kept].double().mean(0) + negative[kept].double().mean(0)) / 2
        for values, label in ((positive, True), (negative, False)):
            along = (values[~kept].double() - middle) @ found / found.norm()
            scores += along.tolist()
            labels += [label] * len(along)
    return auroc(scores, labels)
