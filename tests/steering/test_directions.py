"""Directions against closed forms and numpy, on values whose direction is known."""

import numpy as np
import pytest
import torch

from pellucid.steering.directions import direction, separation

METHODS = ("mean_difference", "pca", "probe")


def planted(pairs=40, width=8, noise=0.3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    along = torch.nn.functional.normalize(torch.randn(width, generator=generator), dim=0)
    base = torch.randn(pairs, width, generator=generator)
    moved = base + 2 * along + noise * torch.randn(pairs, width, generator=generator)
    return moved, base, along


@pytest.mark.parametrize("method", METHODS)
def test_a_planted_direction_is_found_at_the_length_of_the_mean_difference(method):
    positive, negative, along = planted()
    found = direction(positive, negative, method)
    mean = (positive - negative).double().mean(0)
    torch.testing.assert_close(found.norm(), mean.norm())
    assert float(found @ along.double()) / float(found.norm()) > 0.95
    other = direction(negative, positive, method)
    torch.testing.assert_close(other, -found, rtol=1e-3, atol=1e-3)


def test_the_mean_and_the_component_are_those_of_numpy():
    positive, negative, _ = planted()
    differences = (positive - negative).double().numpy()
    mean = direction(positive, negative, "mean_difference").numpy()
    np.testing.assert_allclose(mean, differences.mean(0))
    values, vectors = np.linalg.eigh(differences.T @ differences)
    first = vectors[:, values.argmax()]
    found = direction(positive, negative, "pca").numpy()
    np.testing.assert_allclose(abs(first @ found), np.linalg.norm(found))


@pytest.mark.parametrize("method", METHODS)
def test_examples_without_a_difference_are_not_told_apart(method):
    apart = [
        separation(*torch.randn(2, 40, 8, generator=torch.Generator().manual_seed(n)), method)
        for n in range(8)
    ]
    assert 0.4 < sum(apart) / len(apart) < 0.6
    assert separation(*planted()[:2], method) > 0.8
    assert np.isnan(separation(*planted(pairs=3)[:2], method))


def test_sides_that_do_not_differ_have_no_direction():
    with pytest.raises(ValueError, match="the same"):
        direction(torch.ones(3, 4), torch.ones(3, 4), "pca")
