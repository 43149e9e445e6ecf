"""Constants that hurt a circuit of edges least."""

import pytest
import torch

import pellucid
from pellucid.circuit.edges.measure import EdgeMeasure
from pellucid.circuit.edges.optimal_ablation import optimal_constants
from pellucid.run.ablation import replacements
from pellucid.run.record import record
from pellucid.run.setup import Setup
from pellucid.run.sites import node_sites, stream_sites
from pellucid.task.metrics import KL, Nearness


def some_edges(model, density):
    chance = torch.rand(model.anatomy.edges.shape, generator=torch.Generator().manual_seed(0))
    return (chance < density) & model.anatomy.edges


def setup_of(model, contrast):
    sites = [*node_sites(model), *stream_sites(model)]
    return Setup(model=model, trace=record(model, contrast, sites=sites))


def test_optimal_constants_hurt_least(one_tiny, batch):
    setup = setup_of(one_tiny, batch)
    trace = setup.trace
    kept = some_edges(one_tiny, 0.5)
    nearness = Nearness(KL(trace.logits_clean))

    def distance(ablation):
        measure = EdgeMeasure(
            Setup(model=one_tiny, trace=trace, ablation=ablation), metric=nearness
        )
        return float(-measure.metric([kept]).mean())

    constants = optimal_constants(setup, kept)
    assert distance(constants) < 0.7 * min(distance("mean"), distance("zero"))
    assert all(value.shape[:2] == (1, 1) for value in constants.values())


def test_faithfulness_can_be_asked_for_under_optimal_constants(one_tiny, batch):
    kept = some_edges(one_tiny, 0.5)
    found = pellucid.edge_faithfulness(one_tiny, batch, kept, ablation="optimal")
    assert found.ablation == "optimal"
    assert found.passes.backwards >= 50
    whole = pellucid.edge_faithfulness(one_tiny, batch, one_tiny.anatomy.edges, ablation="optimal")
    assert whole.sufficiency == pytest.approx(1, abs=1e-9)


def test_a_step_moves_a_constant_by_a_share_of_its_typical_size(one_tiny, batch):
    setup = setup_of(one_tiny, batch)
    means = replacements(setup.trace, "mean", node_sites(one_tiny))
    found = optimal_constants(setup, some_edges(one_tiny, 0.5), steps=2)
    moved = {site: (found[site] - means[site]).abs() for site in means}
    assert any(bool(change.any()) for change in moved.values())  # the first step was an improvement
    for site, change in moved.items():
        # Adam's first step is the rate, whatever the gradient; here times the root mean square.
        size = 0.03 * float(means[site].square().mean().sqrt())
        assert float(change.max()) == pytest.approx(size, rel=1e-3) or not change.any()


def test_what_cuts_nothing_keeps_the_means(one_tiny, batch):
    setup = setup_of(one_tiny, batch)
    found = optimal_constants(setup, one_tiny.anatomy.edges)
    means = replacements(setup.trace, "mean", node_sites(one_tiny))
    assert all(torch.equal(found[site], means[site]) for site in means)
