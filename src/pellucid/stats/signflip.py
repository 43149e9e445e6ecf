"""Is a mean above zero beyond chance? The sign-flip test."""

from itertools import product

import numpy as np
from numpy.typing import ArrayLike

EXACT_UP_TO = 12
DRAWS = 10_000


def sign_flip_p(values: ArrayLike, *, seed: int = 0) -> float:
    """One-sided p-value of the mean being above zero, if each sign were a coin toss.

    Exact over all sign patterns up to 12 values, else from 10,000 seeded draws with the observed
    one counted in (Phipson & Smyth 2010), so that it is never zero. The least possible p for n
    values is 2^-n: fewer than five can never be significant at 0.05.
    """
    sample = np.asarray(values, float).ravel()
    observed = sample.sum()
    if sample.size <= EXACT_UP_TO:
        signs = np.array(list(product((1.0, -1.0), repeat=sample.size)))
        return float(np.mean(signs @ sample >= observed - 1e-12))
    generator = np.random.default_rng(seed)
    signs = generator.choice((1.0, -1.0), size=(DRAWS, sample.size))
    return float((1 + np.sum(signs @ sample >= observed)) / (DRAWS + 1))
