"""Splitting examples before anything is learned: by group, with both classes on either side."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import TaskError
from pellucid.probing.fit import Labels

FOLDS = 3
_TRIES = 10
"""Shuffles of groups that are tried until both classes are on either side."""


@dataclass(frozen=True)
class Split:
    """Rows to learn from, and rows that are only scored."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]


def group_numbers(texts: Sequence[object], groups: Sequence[object] | None) -> NDArray[np.int64]:
    """A number for each example's group; equal texts are always of one group.

    **Raises** ``TaskError`` for groups that are not one for each text.
    """
    if groups is not None and (isinstance(groups, str) or len(groups) != len(texts)):
        raise TaskError(
            f"groups has {len(groups)} entries for {len(texts)} texts. Give a list with one for "
            "each: names or numbers."
        )
    named = [repr(one) for one in (texts if groups is None else groups)]
    first: dict[str, object] = {}
    joined = [first.setdefault(repr(text), group) for text, group in zip(texts, named, strict=True)]
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(group, len(numbers)) for group in joined])


def split_by_group(
    labels: Labels, groups: NDArray[np.int64], test_share: float, seed: int
) -> Split:
    """No group on both sides, and as near to ``test_share`` as whole folds come.

    **Raises** ``TaskError`` where groups are too few for both classes on either side.
    """
    folds = max(2, round(1 / test_share))
    return _fold(labels, groups, folds, seed)[0]


def folds_of(labels: Labels, groups: NDArray[np.int64], seed: int) -> list[Split]:
    """Folds inside a training part, to choose by; none where groups are too few."""
    try:
        return _fold(labels, groups, FOLDS, seed)
    except TaskError:
        return []


def _fold(labels: Labels, groups: NDArray[np.int64], folds: int, seed: int) -> list[Split]:
    from sklearn.model_selection import StratifiedGroupKFold

    fewest = min(len(np.unique(groups[labels == side])) for side in (True, False))
    if fewest < 2:
        raise TaskError(
            f"One class is in {fewest} group only, so it cannot be learned in one part and tested "
            "in another. Give texts of both classes in at least two groups."
        )
    for shuffle in range(_TRIES):
        maker = StratifiedGroupKFold(min(folds, fewest), shuffle=True, random_state=seed + shuffle)
        made = [Split(a, b) for a, b in maker.split(np.zeros(len(labels)), labels, groups)]
        if found := [one for one in made if _both(labels, one)]:
            return found
    raise TaskError(
        "Groups and labels go together, so that a part of the examples has one class only. Give "
        "groups that hold texts of both classes, or more groups."
    )


def _both(labels: Labels, parts: Split) -> bool:
    return all(len(np.unique(labels[part])) == 2 for part in (parts.train, parts.test))
