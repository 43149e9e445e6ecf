"""Running with edges cut: against a transformer written out by hand, and the two ends."""

import pytest
import torch
from torch.testing import assert_close

from pellucid import Contrast, Model
from pellucid.model.tiny import TinyTransformer
from pellucid.run.ablation import replacements
from pellucid.run.edges.cut import run_cut
from pellucid.run.record import record
from pellucid.run.setup import Setup
from pellucid.run.sites import node_sites, stream_sites
from pellucid.run.variants import run_variants, unit_of
from tests.models.by_hand import metric_by_hand
from tests.models.questions import VARIETIES

PAIR = Contrast([3, 7, 11, 2, 9, 4], [3, 7, 5, 2, 9, 4], 6, 8)


def recorded(model: Model, contrast=PAIR):
    return record(model, contrast, sites=[*node_sites(model), *stream_sites(model)])


def test_nothing_cut_is_the_plain_run_to_the_bit(tiny):
    trace = recorded(tiny)
    none = torch.zeros(1, *tiny.anatomy.edges.shape, dtype=torch.bool)
    found = run_cut(
        Setup(model=tiny, trace=trace), none, replacements(trace, "corrupted", node_sites(tiny))
    )
    assert torch.equal(found[0], trace.metric_clean)


def test_everything_cut_is_the_corrupted_run(tiny, batch):
    trace = recorded(tiny, batch)
    found = run_cut(
        Setup(model=tiny, trace=trace),
        tiny.anatomy.edges[None],
        replacements(trace, "corrupted", node_sites(tiny)),
    )
    assert_close(found[0], trace.metric_corrupted, atol=1e-12, rtol=1e-10)


@pytest.mark.parametrize("ablation", ["corrupted", "mean", "zero"])
def test_cutting_all_edges_of_a_node_is_patching_the_node(tiny, batch, ablation):
    trace = recorded(tiny, batch)
    values = replacements(trace, ablation, node_sites(tiny))
    edges = tiny.anatomy.edges
    cut = torch.zeros(len(edges), *edges.shape, dtype=torch.bool)
    for i in range(len(edges)):
        cut[i, i] = edges[i]
    found = run_cut(Setup(model=tiny, trace=trace), cut, values)
    units = [unit_of(node) for node in tiny.nodes]
    patched = run_variants(
        Setup(model=tiny, trace=trace), units, torch.eye(len(units), dtype=torch.bool), values
    )
    assert_close(found, patched, atol=1e-12, rtol=1e-10)


@pytest.mark.parametrize("variety", ["rms", "layer", "grouped", "parallel", "attention-only"])
def test_random_cuts_agree_with_a_transformer_written_by_hand(variety):
    module = TinyTransformer(VARIETIES[variety]).eval()
    model = Model.build(module)
    trace = recorded(model)
    generator = torch.Generator().manual_seed(1)
    chance = torch.rand(40, *model.anatomy.edges.shape, generator=generator)
    density = torch.linspace(0.02, 0.9, 40)[:, None, None]
    cut = (chance < density) & model.anatomy.edges
    values = replacements(trace, "corrupted", node_sites(model))
    found = run_cut(Setup(model=model, trace=trace), cut, values)
    few = run_cut(Setup(model=model, trace=trace, memory_budget=1), cut[:7], values)
    by_hand = torch.stack([metric_by_hand(model, module, PAIR, 1.0 - one.double()) for one in cut])
    assert_close(found[:, 0], by_hand, atol=1e-11, rtol=1e-9)
    assert_close(few, found[:7], atol=1e-12, rtol=1e-10)


def test_the_corrupted_run_can_be_given_clean_terms(tiny):
    trace = recorded(tiny)
    clean = {site: trace.clean[site] for site in node_sites(tiny)}
    found = run_cut(
        Setup(model=tiny, trace=trace), tiny.anatomy.edges[None], clean, base="corrupted"
    )
    assert_close(found[0], trace.metric_clean, atol=1e-12, rtol=1e-10)
