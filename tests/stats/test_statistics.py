"""Numbers in, numbers out: against enumeration, closed forms and other libraries."""

from itertools import combinations, product

import numpy as np
import pytest

from pellucid.stats.agreement import tau_b
from pellucid.stats.area import area, log_mean
from pellucid.stats.overlap import jaccard, jaccard_by_chance
from pellucid.stats.signflip import sign_flip_each, sign_flip_p
from pellucid.stats.tokenpairs import token_pair_p


def sums_over_all_signs(column):
    return np.array([np.dot(signs, column) for signs in product((1, -1), repeat=len(column))])


def test_each_column_is_tested_as_by_counting_every_pattern():
    sample = np.random.default_rng(0).normal(0.5, 1, size=(9, 20))
    for column, p in zip(sample.T, sign_flip_each(sample), strict=True):
        null = sums_over_all_signs(column)
        assert p == pytest.approx(np.mean(np.abs(null) >= abs(column.sum()) - 1e-9))


@pytest.mark.parametrize("nonzero", [16, 5, 1])
def test_every_pattern_of_many_values_is_counted_and_zeros_have_no_sign(nonzero):
    generator = np.random.default_rng(1)
    sample = generator.normal(0, 1, size=(30, 30)) + generator.normal(0, 0.6, size=30)
    sample[nonzero:] = 0
    for column, p in zip(sample.T, sign_flip_each(generator.permutation(sample)), strict=True):
        null = sums_over_all_signs(column[:nonzero])
        assert p == pytest.approx(np.mean(np.abs(null) >= abs(column.sum()) - 1e-9))


def test_beyond_twenty_four_the_tail_is_close_to_counting_every_pattern(monkeypatch):
    generator = np.random.default_rng(1)
    sample = generator.normal(0, 1, size=(20, 30)) + generator.normal(0, 0.6, size=30)
    exact = sign_flip_each(sample)
    monkeypatch.setattr("pellucid.stats.signflip.COUNTED_UP_TO", 12)
    assert sign_flip_each(sample) == pytest.approx(exact, rel=0.15, abs=2.0**-19)


def test_signs_that_all_agree_give_the_least_possible_p():
    for n in (6, 30):
        p = sign_flip_each(np.ones((n, 1)) * np.arange(1, n + 1)[:, None])
        assert p[0] == pytest.approx(2.0 ** (1 - n))


def test_zeros_are_no_evidence_and_scale_and_sign_do_not_matter():
    column = np.random.default_rng(2).normal(1, 1, size=(20, 1))
    p = sign_flip_each(np.hstack([0 * column, column, -column, 1e-20 * column]))
    assert p[0] == 1
    assert p[1:] == pytest.approx(p[1])


@pytest.mark.parametrize("n", [10, 40])
def test_under_the_null_p_values_are_uniform(n):
    p = sign_flip_each(np.random.default_rng(3).standard_t(3, size=(n, 4000)))
    for level in (0.01, 0.05, 0.2, 0.5):
        assert np.mean(p <= level) <= level + 3 * np.sqrt(level * (1 - level) / 4000)
    assert np.mean(p <= 0.05) > 0.035


def test_two_sides_are_twice_one():
    sample = np.random.default_rng(4).normal(0.6, 1, size=(11, 1))
    assert sign_flip_each(sample)[0] == pytest.approx(2 * sign_flip_p(sample))


@pytest.mark.parametrize("n", [1, 5, 12])
def test_one_side_of_few_values_is_counted_exactly(n):
    column = np.random.default_rng(8).normal(0.3, 1, size=n)
    null = sums_over_all_signs(column)
    assert sign_flip_p(column) == np.mean(null >= column.sum() - 1e-9)
    assert sign_flip_p(np.ones(n)) == 2.0**-n


@pytest.mark.parametrize("n", [6, 14])
def test_one_side_knows_no_unit_and_no_order(n):
    column = np.repeat([0.1, 0.7, -0.3], [n - 4, 2, 2])
    p = sign_flip_p(column)
    assert sign_flip_p(column * 1e-14) == p
    assert sign_flip_p(column * 1e9) == p
    if n == 6:  # every pattern is counted
        exact = np.array([1, 1, 7, 7, -3, -3])
        assert p == np.mean(sums_over_all_signs(exact) >= exact.sum())
        assert sign_flip_p(column[::-1]) == p


def test_one_side_of_many_values_is_close_to_counting_and_never_zero():
    column = np.random.default_rng(9).normal(0.3, 1, size=14)
    exact = np.mean(sums_over_all_signs(column) >= column.sum() - 1e-9)
    assert sign_flip_p(column) == pytest.approx(exact, abs=4 * np.sqrt(exact / 10_000))
    assert sign_flip_p(np.ones(200)) == 1 / 10_001  # the observed signs are counted in


@pytest.mark.parametrize("change", [[[3.0, 1.0, 0.0, -1.0]], [[3.0, 1.0, 0.0], [0.0, 2.0, 5.0]]])
def test_a_pair_of_tokens_is_held_against_all_pairs(change):
    change = np.array(change)
    tokens = range(change.shape[1])
    pairs = [(a, b) for a in tokens for b in tokens if a != b]
    every = list(product(pairs, repeat=len(change)))
    mean = [np.mean([change[i, a] - change[i, b] for i, (a, b) in enumerate(p)]) for p in every]
    for chosen, observed in zip(every, mean, strict=True):
        answer, foil = (np.array([pair[side] for pair in chosen]) for side in (0, 1))
        exact = np.mean(np.array(mean) >= observed - 1e-9)  # ties count against it
        found = token_pair_p(change, answer, foil)
        assert found == pytest.approx(
            exact, abs=4.5 * np.sqrt(exact * (1 - exact) / 10_000) + 2 / 10_000
        )


def test_what_no_pair_does_has_the_least_p_there_is():
    change = np.zeros((5, 100))
    change[:, 0], change[:, 1] = 1, -1
    assert token_pair_p(change, np.zeros(5, int), np.ones(5, int)) == 1 / 10_001


def test_areas_have_closed_forms():
    x = [0.001, 0.01, 0.1, 1.0]
    assert area(x, [2, 2, 2, 2]) == pytest.approx(2 * 0.999)
    assert log_mean(x, [2, 2, 2, 2]) == pytest.approx(2)
    assert log_mean(x, [0, 1, 2, 3]) == pytest.approx(1.5)  # linear in the logarithm
    assert area(x, x) == pytest.approx((1 - 1e-6) / 2)


def test_tau_b_is_that_of_counting_pairs():
    generator = np.random.default_rng(7)
    x, y = generator.integers(0, 5, 12), generator.integers(0, 5, 12)
    pairs = [(np.sign(x[i] - x[j]), np.sign(y[i] - y[j])) for i, j in combinations(range(12), 2)]
    untied = [sum(pair[side] != 0 for pair in pairs) for side in (0, 1)]
    assert tau_b(x, y) == pytest.approx(sum(a * b for a, b in pairs) / np.sqrt(np.prod(untied)))
    assert tau_b([1, 2, 3], [3, 2, 1]) == -1
    assert np.isnan(tau_b([1, 1, 1], [1, 2, 3]))


@pytest.mark.parametrize(("a", "b", "out_of"), [(2, 3, 6), (4, 4, 6), (0, 2, 5), (3, 3, 3)])
def test_the_overlap_by_chance_is_the_mean_over_all_sets(a, b, out_of):
    fixed = set(range(a))
    every = [jaccard(fixed, drawn) for drawn in combinations(range(out_of), b)]
    assert jaccard_by_chance(a, b, out_of) == pytest.approx(np.mean(every))


def test_empty_sets_have_no_overlap_to_speak_of():
    assert np.isnan(jaccard([], []))
    assert np.isnan(jaccard_by_chance(0, 0, 9))
