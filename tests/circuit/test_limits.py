"""Limits on forwards: they nest, and end with their block."""

import math

import pytest

from pellucid import BudgetError
from pellucid.circuit.edges.measure import EdgeMeasure
from pellucid.circuit.limits import Limited
from pellucid.circuit.nodes.circuit import replaceable
from pellucid.circuit.nodes.measure import SetMeasure
from pellucid.run.setup import setup_of


def test_without_a_limit_nothing_is_limited():
    one = Limited()
    one.spend(1_000_000)
    assert one.forwards_left == math.inf


def test_a_limit_ends_with_its_block_also_after_an_exception():
    one = Limited()
    with pytest.raises(BudgetError), one.limited_to(3):
        one.spend(4)
    assert one.forwards_left == math.inf


def test_limits_nest_and_what_is_spent_inside_is_spent_outside():
    one = Limited()
    with one.limited_to(10):
        one.spend(3)
        with one.limited_to(5, spent=1):
            assert one.forwards_left == 4
            one.spend(4)
            assert one.forwards_left == 0
        assert one.forwards_left == 3
        with one.limited_to(100):
            assert one.forwards_left == 3


def test_asking_for_too_much_spends_nothing_and_says_what_would_do():
    one = Limited()
    with one.limited_to(10), one.limited_to(4, spent=2):
        with pytest.raises(BudgetError, match=r"3 forwards .* after the 2 .* budget=5 or more"):
            one.spend(3)
        assert one.forwards_left == 2
        one.spend(2)


def test_measures_run_nothing_beyond_their_limit(one_tiny, pair):
    setup = setup_of(one_tiny, pair)
    nodes, edges = SetMeasure(setup, replaceable(one_tiny, "heads")), EdgeMeasure(setup)
    for measure in (nodes, edges):
        with measure.limited_to(0), pytest.raises(BudgetError):
            measure.metric([measure.none])
        assert measure.unknown([measure.none])
        measure.metric([measure.none])
        with measure.limited_to(0):
            measure.metric([measure.none])  # known already
