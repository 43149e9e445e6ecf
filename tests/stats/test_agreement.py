"""Agreement of two lists, against scipy and by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from pellucid.stats.agreement import percentile_among, rank_agreement, tau_b


def test_correlations_are_those_of_scipy():
    drawn = np.random.default_rng(0)
    x, y = drawn.normal(size=30), drawn.normal(size=30)
    found = rank_agreement(x, x + y)
    assert found.n == 30
    assert found.spearman == pytest.approx(stats.spearmanr(x, x + y)[0])
    assert found.pearson == pytest.approx(stats.pearsonr(x, x + y)[0])
    assert tau_b(x, x + y) == pytest.approx(stats.kendalltau(x, x + y)[0])


@pytest.mark.parametrize(("x", "y"), [([1, 1, 1], [1, 2, 3]), ([1, 2, 3], [2, 2, 2]), ([1], [2])])
def test_a_constant_list_agrees_with_nothing(x, y):
    found = rank_agreement(x, y)
    assert math.isnan(found.spearman)
    assert math.isnan(found.pearson)


def test_lists_of_different_length_are_refused():
    with pytest.raises(ValueError, match="3 and 2"):
        rank_agreement([1, 2, 3], [1, 2])


@pytest.mark.parametrize(
    ("value", "null", "percent"),
    [(2, [1, 2, 2, 3], 50), (2, [2, 2, 2], 50), (0, [1, 2], 0), (3, [1, 2], 100), (1, [0, 1], 75)],
)
def test_ties_count_half(value, null, percent):
    assert percentile_among(value, null) == percent
