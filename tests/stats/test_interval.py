"""Intervals cover what they say: measured by simulation, and held against scipy's."""

import numpy as np
import pytest
from scipy import stats as scipy_stats

from pellucid.stats.interval import (
    FEWEST,
    mean_intervals,
    ratio_interval,
    share_interval,
)
from pellucid.stats.units import Units

SKEWED = {
    "lognormal": (lambda rng, shape: rng.lognormal(0, 0.7, shape) - np.exp(0.245)),
    "gamma": (lambda rng, shape: rng.gamma(2, 1, shape) - 2),
    "mostly small": (lambda rng, shape: rng.normal(0, np.where(rng.random(shape) < 0.15, 3, 0.5))),
}
"""Of mean zero; skew about 2.9, 1.4 and 0, kurtosis up to 9, as effects of SmolLM2 over prompts."""


def clusters(numbers: np.ndarray, way: str) -> dict[str, list[str]]:
    return {way: [f"{way} {number}" for number in numbers]}


@pytest.mark.parametrize("kind", SKEWED)
@pytest.mark.parametrize("n", [20, 50])
def test_intervals_of_means_cover_92_to_98_percent(kind: str, n: int):
    rng = np.random.default_rng([n, len(kind)])
    found = mean_intervals(SKEWED[kind](rng, (n, 2_000)))
    assert 0.92 <= np.mean((found.low <= 0) & (found.high >= 0)) <= 0.98


@pytest.mark.parametrize("n", [20, 50])
def test_intervals_of_clustered_ratios_cover_92_to_98_percent(n: int):
    rng, draw, covered = np.random.default_rng(n), SKEWED["lognormal"], []
    for _ in range(400):
        group = np.repeat(np.arange(n), rng.integers(1, 7, n))
        units = Units.of(group.size, clusters(group, "group"))
        whole = 3 + 0.3 * draw(rng, n)[group] + 0.5 * draw(rng, group.size)
        part = 0.8 * whole + 0.5 * (draw(rng, n)[group] + draw(rng, group.size))
        found = ratio_interval(part, whole, units)
        covered.append(found.low <= 0.8 <= found.high)
    assert 0.92 <= np.mean(covered) <= 0.98


def test_intervals_cover_where_templates_and_names_cross_and_one_way_alone_does_not():
    rng, draw, covered, one_way = np.random.default_rng(4), SKEWED["gamma"], [], []
    for _ in range(400):
        group, name = rng.integers(0, 20, 120), rng.integers(0, 25, 120)
        values = draw(rng, 20)[group] + draw(rng, 25)[name] + draw(rng, 120)
        ways = clusters(group, "group"), clusters(name, "name")
        for hits, labels in ((covered, ways[0] | ways[1]), (one_way, ways[0])):
            found = mean_intervals(values[:, None], Units.of(120, labels))[0]
            hits.append(found.low <= 0 <= found.high)
    assert 0.92 <= np.mean(covered) <= 0.98
    assert np.mean(one_way) < 0.92


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_intervals_of_shares_cover(share: float):
    rng = np.random.default_rng(3)
    found = [share_interval(rng.random(40) < share) for _ in range(1_000)]
    assert 0.92 <= np.mean([one.low <= share <= one.high for one in found]) <= 0.98
    low, high = scipy_stats.binomtest(31, 40).proportion_ci(method="wilson")
    assert share_interval(np.arange(40) < 31).ends == pytest.approx((low, high))


def test_prompts_that_are_copies_of_each_other_count_as_one():
    rng = np.random.default_rng(0)
    values = rng.normal(1, 1, 20)
    four = np.repeat(values, 4)
    units = Units.of(80, clusters(np.repeat(np.arange(20), 4), "group"))
    assert ratio_interval(four, np.ones(80), units).ends == pytest.approx(
        ratio_interval(values, np.ones(20)).ends
    )
    right = share_interval(four > 0.5, units)
    assert right.ends == pytest.approx(share_interval(values > 0.5).ends, abs=0.01)
    assert str(units) == "80 prompts, 20 by group"


def test_many_examples_give_scipys_interval():
    rng = np.random.default_rng(5)
    whole = rng.normal(4, 1, size=400)
    part = 0.7 * whole + rng.normal(0, 1, size=400)
    found = ratio_interval(part, whole)
    other = scipy_stats.bootstrap(
        (part, whole), lambda a, b, axis: a.sum(axis) / b.sum(axis), paired=True,
        vectorized=True, method="BCa", n_resamples=4_000, rng=np.random.default_rng(6),
    ).confidence_interval  # fmt: skip
    assert found.ends == pytest.approx((other.low, other.high), abs=0.003)


def test_an_interval_does_not_depend_on_the_unit_and_turns_with_the_sign():
    values = np.random.default_rng(7).gamma(2, 1, (30, 3))
    found, tiny, turned = (mean_intervals(values * by) for by in (1, 1e-20, -1))
    assert tiny.low * 1e20 == pytest.approx(found.low)
    assert turned.high == pytest.approx(-found.low, rel=0.02)


def test_what_is_the_same_in_every_example_is_sure():
    found = ratio_interval(2 * np.arange(1, 13), np.arange(1, 13))
    assert found.ends == (2, 2)
    assert found.mirrored().ends == (-1, -1)


def test_too_few_units_have_no_interval_and_say_why():
    few = ratio_interval(np.ones(FEWEST - 1), np.ones(FEWEST - 1))
    assert (few.low, few.high, few.known) == (None, None, False)
    assert np.isnan(few.ends).all()
    assert few.mirrored() == few
    assert str(few) == "no interval: 9 prompts, and 10 are needed"
    units = Units.of(40, clusters(np.arange(40) % 4, "group"))
    assert "40 prompts share 4 labels of 'group'" in share_interval(np.ones(40), units).why
    assert np.isnan(mean_intervals(np.ones((40, 2)), units).low).all()


def test_a_ratio_to_what_may_be_nothing_has_no_interval():
    whole = np.random.default_rng(8).normal(0, 1, 30)
    assert "not surely more than nothing" in ratio_interval(whole, whole).why
    assert ratio_interval(whole + 1, whole + 9).known
    assert not ratio_interval(whole + 1, whole + 9, noise=20).known


def test_examples_and_units_of_other_number_are_refused():
    with pytest.raises(ValueError, match="different length"):
        ratio_interval([1, 2, 3], [1, 2])
    with pytest.raises(ValueError, match="3 examples, and units of 4"):
        mean_intervals(np.ones((3, 1)), Units(n=4))
    with pytest.raises(ValueError, match="labels of other number"):
        Units.of(3, {"group": ["a"]})


def test_units_keep_what_is_shared():
    units = Units.of(4, {"group": ["a", "a", "", ""], "name": ["x", "y", "z", ""]})
    assert (units.ways, units.counts) == (("group",), (3,))
    assert str(units.take([1, 2])) == "2 prompts"
    assert str(Units(n=1)) == "1 prompt"
