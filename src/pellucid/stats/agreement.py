"""How well two lists of numbers agree."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from pellucid.results.registry import stored


@stored
@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Rank and linear correlation of estimates with measurements of the same things."""

    spearman: float
    pearson: float
    n: int


def rank_agreement(estimate: ArrayLike, effect: ArrayLike) -> Agreement:
    """Spearman's rho and Pearson's r; NaN where one of the lists is constant.

    **Raises** ``ValueError`` for lists of different length.
    """
    x, y = np.asarray(estimate, float).ravel(), np.asarray(effect, float).ravel()
    if x.shape != y.shape:
        raise ValueError(f"lists of different length: {x.size} and {y.size}")
    if x.size < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Agreement(spearman=float("nan"), pearson=float("nan"), n=x.size)
    return Agreement(
        spearman=float(stats.spearmanr(x, y).statistic),
        pearson=float(stats.pearsonr(x, y).statistic),
        n=x.size,
    )


def tau_b(x: ArrayLike, y: ArrayLike) -> float:
    """Kendall's tau-b of two lists of numbers of the same things; NaN where one is constant.

    Pairs in the same order less pairs in the opposite one, over the geometric mean of the pairs
    not tied in each (Kendall 1945).
    """
    return float(stats.kendalltau(x, y, variant="b").statistic)


def percentile_among(value: float, null: ArrayLike) -> float:
    """Percentage of ``null`` strictly below ``value``, ties counted half."""
    sample = np.asarray(null, float)
    return float(100 * ((sample < value).sum() + 0.5 * (sample == value).sum()) / sample.size)
