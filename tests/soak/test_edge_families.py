"""Scores of edges by every method in every family; ``make test`` takes eap and one more in each."""

import pytest

from tests.attribution.edges.test_families import OPENED, OTHERS, demand_sums, opened

pytestmark = pytest.mark.soak


@pytest.mark.parametrize("family", OPENED)
def test_every_method_adds_up_in_every_family(family):
    model = opened(family)
    for method in OTHERS:
        demand_sums(model, method)
