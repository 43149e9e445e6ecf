"""One setup of a question: made from a recording or by recording."""

import pytest
import torch

import pellucid
from pellucid import MismatchError, TaskError
from pellucid.circuit.nodes.circuit import replaceable
from pellucid.circuit.nodes.measure import SetMeasure
from pellucid.run.record import record
from pellucid.run.setup import Setup, setup_of
from pellucid.run.sites import node_sites, stream_sites
from tests.models.questions import VARIETIES, tiny_model


def test_a_setup_records_nodes_and_streams_once(one_tiny, pair):
    with pellucid.passes.metering() as meter:
        setup = setup_of(one_tiny, pair, ablation="mean", seed=3)
    assert {*node_sites(one_tiny), *stream_sites(one_tiny)} <= set(setup.trace.clean)
    assert (meter.passes.forwards, meter.passes.backwards) == (2, 1)
    assert (setup.ablation, setup.seed) == ("mean", 3)


def test_a_trace_that_is_given_is_used_as_it_is(one_tiny, pair):
    trace = record(one_tiny, pair)
    with pellucid.passes.metering() as meter:
        assert setup_of(one_tiny, pair, trace=trace).trace is trace
    assert meter.passes.forwards == 0


def test_a_trace_without_the_nodes_is_refused(one_tiny, pair):
    with pytest.raises(TaskError, match="lacks some nodes"):
        setup_of(one_tiny, pair, trace=record(one_tiny, pair, sites=stream_sites(one_tiny)))


def test_values_follow_the_ablation(one_tiny, pair):
    setup = setup_of(one_tiny, pair)
    (site, *_) = node_sites(one_tiny)
    assert setup.values()[site] is setup.trace.corrupted[site]
    zero = Setup(model=one_tiny, trace=setup.trace, ablation="zero").values([site])
    assert list(zero) == [site]
    assert not bool(zero[site].any())
    own = {site: torch.ones(1, 1, 1)}
    assert Setup(model=one_tiny, trace=setup.trace, ablation=own).values() is own


def test_a_setup_of_other_weights_is_refused_when_it_is_made_and_when_it_is_measured(pair):
    model = tiny_model(VARIETIES["grouped"])
    setup = setup_of(model, pair)
    measure = SetMeasure(setup, replaceable(model, "heads"))
    before = measure.metric([measure.none])
    model.module.layers[0].attention.o_proj.weight.data.mul_(0.5)
    with pytest.raises(MismatchError, match="weights: found"):
        Setup(model=model, trace=setup.trace)
    with pytest.raises(MismatchError, match="weights: found"):
        measure.metric([measure.all - {measure.over[0]}])
    assert torch.equal(measure.metric([measure.none]), before)  # known, and of the old weights
