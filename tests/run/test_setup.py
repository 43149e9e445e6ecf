"""One setup of a question: made from a recording or by recording; a foreign one is refused."""

import pytest
import torch

import pellucid
from pellucid import Contrast, TaskError
from pellucid.run.record import record
from pellucid.run.setup import Setup, setup_of
from pellucid.run.sites import node_sites, stream_sites

OTHER = Contrast([3, 7, 11, 2, 9, 5], [3, 7, 5, 2, 9, 5], 6, 8)
CALLS = {
    "attribute": lambda m, c, t: pellucid.attribute(m, c, trace=t),
    "patch": lambda m, c, t: pellucid.patch(m, c, trace=t),
    "patch_edges": lambda m, c, t: pellucid.patch_edges(m, c, trace=t),
    "discover": lambda m, c, t: pellucid.discover(m, c, trace=t),
    "faithfulness": lambda m, c, t: pellucid.faithfulness(m, c, ["L0H1"], trace=t),
    "backups": lambda m, c, t: pellucid.backups(m, c, ["L0H1"], trace=t),
}


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


@pytest.mark.parametrize("name", CALLS)
def test_a_foreign_trace_is_refused(one_tiny, pair, name):
    with pytest.raises(TaskError, match="of another contrast"):
        CALLS[name](one_tiny, pair, record(one_tiny, OTHER))


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
