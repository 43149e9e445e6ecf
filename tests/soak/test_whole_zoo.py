"""Every model of the zoo: what is stated of it, and what finds it.

The short form, on a variety of every behaviour, is in ``tests/zoo``.
"""

import numpy as np
import pytest

from pellucid.zoo import names
from tests.zoo.specimens import demand_as_stated, demand_found, demand_right_sizes, ranked

pytestmark = pytest.mark.soak


@pytest.mark.parametrize("name", names())
def test_a_model_is_what_it_is_said_to_be_and_its_edges_are_found(name):
    demand_as_stated(name)
    demand_found(name)


def test_slot_ig_finds_nearly_everything():
    assert np.mean([ranked("slot-ig", name) for name in names()]) >= 0.97


def test_the_measured_search_ends_with_as_many_edges_as_there_are():
    demand_right_sizes(names("*@gpt"))
