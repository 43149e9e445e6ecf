"""Fixtures of the exact tests."""

import pytest

from pellucid import Contrast, ContrastBatch, Model
from tests.models.questions import VARIETIES, tiny_model


@pytest.fixture(params=sorted(VARIETIES), scope="session")
def tiny(request) -> Model:
    """Tiny models of every variety."""
    return tiny_model(VARIETIES[request.param])


@pytest.fixture(scope="session")
def one_tiny() -> Model:
    """One tiny model, where the variety does not matter."""
    return tiny_model(VARIETIES["grouped"])


@pytest.fixture(scope="session")
def pair() -> Contrast:
    """A question of ids; the prompts part at the third token."""
    return Contrast([3, 7, 11, 2, 9, 4], [3, 7, 5, 2, 9, 4], 6, 8)


@pytest.fixture(scope="session")
def batch(pair) -> ContrastBatch:
    """Questions of three lengths."""
    longer = Contrast([1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 9, 4, 5, 6, 7, 8], 10, 11)
    shorter = Contrast([12, 13, 14], [15, 13, 14], 1, 2)
    return ContrastBatch((pair, longer, shorter))
