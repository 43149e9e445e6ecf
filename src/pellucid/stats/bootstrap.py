"""Percentile bootstrap over examples (Efron 1979)."""

import numpy as np
from numpy.typing import ArrayLike

_DRAWS = 4_000
_FEWEST = 3
"""Examples below which resampling says nothing."""


def ratio_interval(
    part: ArrayLike,
    whole: ArrayLike,
    *,
    level: float = 0.95,
    noise: float = 0.0,
    seed: int = 0,
) -> tuple[float, float] | None:
    """Interval of sum(part) / sum(whole) when examples are drawn anew, pairs kept together.

    None for fewer than three examples, or where a resampled mean of wholes is not above ``noise``
    (``stats/rounding.py``).
    """
    a, b = np.asarray(part, float).ravel(), np.asarray(whole, float).ravel()
    if a.size != b.size:
        raise ValueError(f"lists of different length: {a.size} and {b.size}")
    if a.size < _FEWEST:
        return None
    drawn = np.random.default_rng(seed).integers(a.size, size=(_DRAWS, a.size))
    wholes = b[drawn].sum(1)
    if np.any(wholes <= noise * b.size):
        return None
    tail = 50 * (1 - level)
    low, high = np.percentile(a[drawn].sum(1) / wholes, [tail, 100 - tail])
    return float(low), float(high)
