"""One probe, its split and its controls, on values whose truth is known."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pellucid.errors import TaskError
from pellucid.probing.controls import (
    bag_of_words_auroc,
    random_coordinates_auroc,
    shuffled_auroc,
)
from pellucid.probing.fit import balanced_accuracy, best_coordinates, fit_probe, interval
from pellucid.probing.split import Split, group_numbers, split_by_group
from pellucid.stats.ranking import auroc


def drawn(n=60, width=20, apart=2.0, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2 == 0
    values = rng.normal(size=(n, width)) * 3 + 5
    values[:, 4] += apart * 3 * labels
    return values, labels


def test_scores_are_those_of_a_pipeline_of_scikit_learn():
    values, labels = drawn()
    found = fit_probe(values, labels, np.arange(20))
    steps = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
    wanted = steps.fit(values, labels).decision_function(values)
    np.testing.assert_allclose(found.scores(values), wanted, atol=1e-6)
    assert found.converged


def test_a_fit_is_where_the_loss_does_not_change():
    """By finite differences of the penalised loss, with both classes weighed alike."""
    values, labels = drawn(apart=0.5)
    labels[:45] = True
    chosen = np.array([2, 4, 7])
    found = fit_probe(values, labels, chosen)
    scale, side = values[:, chosen].std(0), np.where(labels, 1, -1)
    weigh = np.where(labels, 1 / labels.mean(), 1 / (~labels).mean()) / 2

    def loss(weights, bias):
        scores = values[:, chosen] @ weights + bias
        return (weigh * np.log1p(np.exp(-side * scores))).sum() + ((weights * scale) ** 2).sum() / 2

    step = 1e-4
    for i in range(3):
        there = np.eye(3)[i] * step
        slope = loss(found.weights + there, found.bias) - loss(found.weights - there, found.bias)
        assert abs(slope / (2 * step)) < 0.05
    slope = loss(found.weights, found.bias + step) - loss(found.weights, found.bias - step)
    assert abs(slope / (2 * step)) < 0.05


def test_the_planted_coordinate_is_chosen_and_random_ones_are_not():
    values, labels = drawn(apart=4.0)
    assert list(best_coordinates(values, labels, 1)) == [4]
    parts = Split(np.arange(40), np.arange(40, 60))
    found = fit_probe(values[:40], labels[:40], best_coordinates(values[:40], labels[:40], 1))
    assert auroc(found.scores(values[40:]), labels[40:]) > 0.9
    others = [random_coordinates_auroc(values, labels, parts, 1, seed) for seed in range(10)]
    assert np.median(others) < 0.75
    groups = np.arange(60)
    null = [shuffled_auroc(values, labels, groups, parts, 1, seed) for seed in range(10)]
    assert 0.3 < np.mean(null) < 0.7


def test_choosing_coordinates_sees_the_training_part_alone():
    """Of 2,000 coordinates of noise some tell 20 examples apart, and no others."""
    scores = []
    for seed in range(10):
        values, labels = drawn(40, 2000, 0.0, seed)
        found = fit_probe(values[:20], labels[:20], best_coordinates(values[:20], labels[:20], 1))
        assert auroc(found.scores(values[:20]), labels[:20]) > 0.85
        scores.append(auroc(found.scores(values[20:]), labels[20:]))
    assert 0.35 < np.mean(scores) < 0.65


def test_intervals_are_wider_when_groups_are_larger():
    values, labels = drawn(80, apart=0.7)
    scores = fit_probe(values, labels, np.arange(20)).scores(values)
    single = interval(scores, labels, np.arange(80), "auroc")
    grouped = interval(scores, labels, np.arange(80) // 20, "auroc")
    assert single[0] < auroc(scores, labels) < single[1]
    assert grouped[1] - grouped[0] > 0
    truth = np.array([True, False, False, True])
    assert balanced_accuracy(np.array([1.0, -1, 1, 1]), truth) == 0.75


def test_no_group_and_no_text_is_on_both_sides():
    texts = ["a", "b", "c", "a", "d", "e", "f", "g"] * 3
    groups = [0, 0, 1, 2, 3, 3, 4, 5] * 3
    labels = np.array([True, False] * 12)
    numbers = group_numbers(texts, groups)
    assert numbers[0] == numbers[3]  # the same text, called by two groups
    for seed in range(5):
        parts = split_by_group(labels, numbers, 0.3, seed)
        assert not set(numbers[parts.train]) & set(numbers[parts.test])
        assert sorted([*parts.train, *parts.test]) == list(range(24))


@pytest.mark.parametrize("groups", [[0] * 6, [0, 1] * 3])
def test_groups_that_cannot_be_split_are_refused(groups):
    labels = np.array([True, False] * 3)
    with pytest.raises(TaskError, match=r"One class is in 1 group|Groups and labels go together"):
        split_by_group(labels, np.array(groups), 0.3, 0)


def test_words_are_counted_and_unknown_ones_are_not():
    ids = [(1, 2), (3, 4), (1, 5), (3, 6), (1, 9, 9), (3, 8, 8)]
    labels = np.array([True, False] * 3)
    assert bag_of_words_auroc(ids, labels, Split(np.arange(4), np.arange(4, 6))) == 1.0
