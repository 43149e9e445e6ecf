"""How much two sets share, and how much they would by chance."""

import math
from collections.abc import Collection
from typing import Any

import numpy as np
from scipy import stats


def jaccard(a: Collection[Any], b: Collection[Any]) -> float:
    """Things in both over things in either; NaN for two empty sets."""
    either = len({*a, *b})
    return len({*a} & {*b}) / either if either else math.nan


def jaccard_by_chance(a: int, b: int, out_of: int) -> float:
    """Expected Jaccard index of two sets of ``a`` and ``b``, each drawn at random from ``out_of``.

    The number shared is hypergeometric. NaN for two empty sets.
    """
    if not a + b:
        return math.nan
    shared = np.arange(max(0, a + b - out_of), min(a, b) + 1)
    weight = stats.hypergeom(out_of, a, b).pmf(shared)
    return float((weight * shared / (a + b - shared)).sum())
