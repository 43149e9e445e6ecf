"""One linear probe: standardise, choose coordinates, fit, score; each on the part that it may see.

The classifier is scikit-learn's logistic regression with both classes weighed alike. Coordinates
are those whose class means lie farthest apart for their spread, in the training part only.
(Gurnee et al. 2023, arXiv:2305.01610, k-sparse probing)
"""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pellucid.stats.ranking import auroc

Matrix = NDArray[np.float64]
Labels = NDArray[np.bool_]
MAX_ITER = 2000


@dataclass(frozen=True)
class Fitted:
    """A linear score of values ``[example d]``: ``values[:, coordinates] @ weights + bias``."""

    coordinates: NDArray[np.int64]
    weights: Matrix
    bias: float
    converged: bool

    def scores(self, values: Matrix) -> Matrix:
        """Above zero for the label True."""
        found: Matrix = values[:, self.coordinates] @ self.weights + self.bias
        return found


def fit_probe(values: Matrix, labels: Labels, coordinates: NDArray[np.int64]) -> Fitted:
    """Fit on these rows and coordinates."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    chosen = values[:, coordinates]
    mean, scale = chosen.mean(0), chosen.std(0)
    scale = np.where(scale > 0, scale, 1.0)
    model = LogisticRegression(max_iter=MAX_ITER, class_weight="balanced")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit((chosen - mean) / scale, labels)
    weights = model.coef_[0] / scale
    return Fitted(
        coordinates=coordinates,
        weights=weights,
        bias=float(model.intercept_[0] - mean @ weights),
        converged=int(model.n_iter_[0]) < MAX_ITER,
    )


def best_coordinates(values: Matrix, labels: Labels, k: int) -> NDArray[np.int64]:
    """The ``k`` coordinates that tell the classes of these rows apart best."""
    apart = np.abs(values[labels].mean(0) - values[~labels].mean(0))
    spread = values.std(0)
    rank = np.divide(apart, spread, out=np.zeros_like(apart), where=spread > 0)
    return np.sort(np.argsort(-rank, kind="stable")[:k])


def balanced_accuracy(scores: Matrix, labels: Labels) -> float:
    """Mean of the shares of each class that are on its own side of zero."""
    above = scores > 0
    return float((above[labels].mean() + (~above[~labels]).mean()) / 2)


def interval(
    scores: Matrix, labels: Labels, groups: NDArray[np.int64], measure: str, draws: int = 200
) -> tuple[float, float]:
    """95 % of a measure when whole groups are drawn anew; NaN where a class is lost too often."""
    call = {"auroc": auroc, "balanced_accuracy": balanced_accuracy}[measure]
    rng = np.random.default_rng(0)
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    found = []
    for _ in range(draws):
        rows = np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
        if labels[rows].any() and not labels[rows].all():
            found.append(call(scores[rows], labels[rows]))
    if len(found) < draws // 2:
        return float("nan"), float("nan")
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)
