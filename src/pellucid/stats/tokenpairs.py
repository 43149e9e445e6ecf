"""Does a change single out one pair of tokens among all? A permutation test that one prompt allows.

A model that knows nothing of the question changes the logits of answer and foil as it changes those
of any two tokens. So the null distribution is the same difference for random pairs, and it needs no
further pass: the logits of the whole vocabulary are there already.
"""

import numpy as np
from jaxtyping import Float, Int

_DRAWS = 10_000


def token_pair_p(
    change: Float[np.ndarray, "example token"],
    answer: Int[np.ndarray, " example"],
    foil: Int[np.ndarray, " example"],
    *,
    seed: int = 0,
) -> float:
    """One-sided p-value of the mean over examples of ``change[answer] - change[foil]``.

    ``change`` is what a corruption takes away from every token's logit. The null draws another pair
    of different tokens for each example, 10,000 times, with the observed one counted in (Phipson &
    Smyth 2010). With V tokens and n examples p is at the least about (V (V - 1))^-n.
    """
    n, vocabulary = change.shape
    generator = np.random.default_rng(seed)
    first = generator.integers(vocabulary, size=(_DRAWS, n))
    second = (first + generator.integers(1, vocabulary, size=(_DRAWS, n))) % vocabulary
    rows = np.arange(n)
    observed = (change[rows, answer] - change[rows, foil]).mean()
    null = (change[rows, first] - change[rows, second]).mean(1)
    return float((1 + np.sum(null >= observed - 1e-12)) / (_DRAWS + 1))
