"""How well scores put the true items first.

Items of equal score are never ordered by luck: AUPRC takes them in together, as one threshold does;
``precision_at`` and ``auroc`` are means over all orders of the tied; ``worst_rank`` counts every
tied item as ahead.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata


def auprc(scores: ArrayLike, true: ArrayLike) -> float:
    """Average precision: the sum over thresholds of precision times the recall gained there.

    **Raises** ``ValueError`` for lists of different length, NaN, or without a true item.
    """
    values, labels = _paired(scores, true)
    order = np.argsort(-values, kind="stable")
    found = np.cumsum(labels[order])
    ends = np.append(np.flatnonzero(np.diff(values[order])), values.size - 1)
    gained = np.diff(found[ends], prepend=0)
    return float((found[ends] / (ends + 1)) @ gained / labels.sum())


def auroc(scores: ArrayLike, true: ArrayLike) -> float:
    """Probability that a true item is ahead of another one, ties counted half; NaN without others.

    **Raises** as ``auprc``.
    """
    values, labels = _paired(scores, true)
    positive, negative = int(labels.sum()), int((~labels).sum())
    if not negative:
        return float("nan")
    ranks = rankdata(values)[labels].sum()
    return float((ranks - positive * (positive + 1) / 2) / (positive * negative))


def precision_at(scores: ArrayLike, true: ArrayLike, size: int | None = None) -> float:
    """Share of true ones among the first ``size`` items; as many as are true if not given.

    **Raises** as ``auprc``, and for a size outside 1 to the number of items.
    """
    values, labels = _paired(scores, true)
    size = int(labels.sum()) if size is None else size
    if not 1 <= size <= values.size:
        raise ValueError(f"size={size}: there are {values.size} items")
    edge = np.sort(values)[::-1][size - 1]
    ahead, tied = values > edge, values == edge
    share = (size - ahead.sum()) / tied.sum()
    return float((labels[ahead].sum() + share * labels[tied].sum()) / size)


def worst_rank(scores: ArrayLike, true: ArrayLike) -> int:
    """How many items must be taken, in order, until every true one is among them.

    **Raises** as ``auprc``.
    """
    values, labels = _paired(scores, true)
    return int((values >= values[labels].min()).sum())


def _paired(scores: ArrayLike, true: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    values, labels = np.asarray(scores, float).ravel(), np.asarray(true, bool).ravel()
    if values.shape != labels.shape:
        raise ValueError(f"lists of different length: {values.size} and {labels.size}")
    if np.isnan(values).any() or not labels.any():
        raise ValueError(f"{np.isnan(values).sum()} scores are NaN, {labels.sum()} items are true")
    return values, labels
