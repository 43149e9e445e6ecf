"""How well a ranking finds what is true: by hand, and against slow definitions."""

from itertools import permutations

import numpy as np
import pytest

from pellucid.stats.ranking import auprc, auroc, precision_at, worst_rank


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores with many ties, and some true items."""
    generator = np.random.default_rng(seed)
    scores, true = generator.integers(0, 4, 7), generator.random(7) < 0.4
    true[seed % 7] = True
    return scores, true


def test_by_hand():
    scores, true = [5, 4, 3, 2, 1], [True, False, True, False, False]
    assert auprc(scores, true) == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert auroc(scores, true) == pytest.approx(5 / 6)
    assert precision_at(scores, true) == 0.5
    assert precision_at(scores, true, 3) == pytest.approx(2 / 3)
    assert worst_rank(scores, true) == 3


def test_scores_that_say_nothing_find_true_items_at_their_rate():
    scores, true = np.zeros(5), [True, True, False, False, False]
    assert auprc(scores, true) == precision_at(scores, true) == pytest.approx(0.4)
    assert auroc(scores, true) == 0.5
    assert worst_rank(scores, true) == 5


@pytest.mark.parametrize("seed", range(12))
def test_auprc_is_the_area_under_the_steps_of_precision_over_recall(seed):
    scores, true = drawn(seed)
    area, recall = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        taken = scores >= threshold
        reached = true[taken].sum() / true.sum()
        area += (reached - recall) * true[taken].mean()
        recall = reached
    assert auprc(scores, true) == pytest.approx(area)


@pytest.mark.parametrize("seed", range(12))
def test_auroc_counts_pairs(seed):
    scores, true = drawn(seed)
    pairs = [(a > b) + (a == b) / 2 for a in scores[true] for b in scores[~true]]
    assert auroc(scores, true) == pytest.approx(np.mean(pairs))


@pytest.mark.parametrize("seed", range(4))
def test_precision_is_the_mean_over_orders_of_the_tied(seed):
    scores, true = drawn(seed)
    orders = (np.array(order) for order in permutations(range(7)))
    sorted_ones = [true[o][:3].mean() for o in orders if (np.diff(scores[o]) <= 0).all()]
    assert precision_at(scores, true, 3) == pytest.approx(np.mean(sorted_ones))


def test_nothing_but_true_items_leaves_auroc_undefined():
    assert np.isnan(auroc([1, 2], [True, True]))
    assert auprc([1, 2], [True, True]) == 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: auprc([1, 2], [True]), "different length"),
        (lambda: auprc([1, 2], [False, False]), "0 items are true"),
        (lambda: auroc([1, np.nan], [True, False]), "1 scores are NaN"),
        (lambda: precision_at([1, 2], [True, False], 3), "size=3"),
    ],
)
def test_what_cannot_be_ranked_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
