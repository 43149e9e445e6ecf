"""Edges cut in part: the run, its gradients, learned rankings and learned constants."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

import pellucid
from pellucid import Contrast, Model, attribute_edges
from pellucid.circuit.edges.matryoshka import (
    drawn_budget,
    learned_ranking,
    quantiles_of_ranks,
    soft_top,
)
from pellucid.run.ablation import replacements
from pellucid.run.edges.cut import run_cut
from pellucid.run.edges.soft_cut import run_partly_cut
from pellucid.run.record import record
from pellucid.run.setup import Setup
from pellucid.run.sites import node_sites, stream_sites
from tests.models.families import tiny_model as of_family
from tests.models.handbuilt import induction_model, induction_questions
from tests.models.questions import VARIETIES, tiny_model

PAIR = Contrast([3, 7, 11, 2, 9, 4], [3, 7, 5, 2, 9, 4], 6, 8)


def traced(model, contrast=PAIR):
    return record(model, contrast, sites=[*node_sites(model), *stream_sites(model)])


def some_edges(model, density=0.3, seed=0):
    chance = torch.rand(model.anatomy.edges.shape, generator=torch.Generator().manual_seed(seed))
    return (chance < density) & model.anatomy.edges


@pytest.mark.parametrize("ablation", ["corrupted", "mean"])
def test_shares_of_nought_and_one_are_the_run_with_those_edges_cut(tiny, batch, ablation):
    trace = traced(tiny, batch)
    values = replacements(trace, ablation, node_sites(tiny))
    kept = some_edges(tiny)
    soft = run_partly_cut(Setup(model=tiny, trace=trace), kept.double(), values)
    assert_close(
        soft,
        run_cut(Setup(model=tiny, trace=trace), ~kept[None], values)[0],
        atol=1e-12,
        rtol=1e-10,
    )


def test_the_slope_at_the_whole_model_is_eap(tiny, pair):
    trace = traced(tiny, pair)
    kept = torch.ones(tiny.anatomy.edges.shape, dtype=torch.float64, requires_grad=True)
    values = replacements(trace, "corrupted", node_sites(tiny))
    setup = Setup(model=tiny, trace=trace)
    (slope,) = torch.autograd.grad(run_partly_cut(setup, kept, values).sum(), kept)
    wanted = attribute_edges(tiny, pair, method="eap").matrix.double()
    assert_close(slope, wanted, atol=1e-12, rtol=1e-9)


OTHER = Contrast([31, 77, 45, 102], [31, 77, 9, 102], 10, 20)


@pytest.mark.parametrize("behind", ["nothing", "norms"])
def test_slopes_in_between_agree_with_finite_differences(behind):
    model, pair, size, error = tiny_model(VARIETIES["layer"]), PAIR, 1e-4, 1e-8
    if behind == "norms":  # which compute in single precision, so steps have to be large
        model, pair, size, error = Model.build(of_family("gemma2").double()), OTHER, 0.05, 2e-5
    trace = traced(model, pair)
    values = replacements(trace, "corrupted", node_sites(model))
    generator = torch.Generator().manual_seed(1)
    kept = torch.rand(model.anatomy.edges.shape, generator=generator).double().requires_grad_()
    setup = Setup(model=model, trace=trace)
    (slope,) = torch.autograd.grad(run_partly_cut(setup, kept, values).sum(), kept)
    every = model.anatomy.edges.nonzero()
    with torch.no_grad():
        for i, j in every[:: len(every) // 7].tolist():
            step = torch.zeros_like(kept)
            step[i, j] = size
            up, down = (run_partly_cut(setup, kept + s * step, values).sum() for s in (1, -1))
            assert_close(slope[i, j], (up - down) / (2 * size), atol=error, rtol=1e-3)


def test_a_learned_ranking_puts_the_known_circuit_first():
    model, questions = Model.build(induction_model()), induction_questions()
    found = pellucid.discover_edges(model, questions, method="nested", insist=True)
    assert set(found.names) == {("embed", "L1KV2.v"), ("L1H2", "logits")}
    assert found.ranked_by == "nested"
    curve = pellucid.edge_curve(model, questions, found)
    assert curve.ranked_by == "nested"


def test_learning_improves_a_poor_ranking(one_tiny, pair):
    """From a random start, small prefixes come nearer to the whole model than before."""
    trace = traced(one_tiny, pair)
    exists = one_tiny.anatomy.edges
    start = torch.rand(exists.shape, generator=torch.Generator().manual_seed(2)) * exists
    setup = Setup(model=one_tiny, trace=trace)
    learned = learned_ranking(setup, start, steps=80)
    assert torch.equal(learned, learned_ranking(setup, start, steps=80))
    before, after = (
        pellucid.edge_curve(one_tiny, pair, circuit_of(one_tiny, matrix))
        for matrix in (start, learned)
    )
    assert after.log_cmd < 0.8 * before.log_cmd


def circuit_of(model, matrix):
    base = pellucid.discover_edges(model, PAIR, method="top", size=1, insist=True)
    return replace(base, scores=matrix.float(), ranked_by="given")


def test_the_mask_of_a_budget_holds_about_as_many_edges():
    scores = torch.randn(500, generator=torch.Generator().manual_seed(3))
    for budget in (1, 20, 499, 500):
        chosen = (soft_top(scores, budget) > 0.5).nonzero()[:, 0].tolist()
        assert len(chosen) == budget
        assert set(chosen) == set(scores.topk(budget).indices.tolist())


def test_budgets_are_spread_over_the_logarithmic_axis():
    generator = torch.Generator().manual_seed(4)
    drawn = torch.tensor([float(drawn_budget(10_000, generator)) for _ in range(2000)])
    assert drawn.min() == 1
    assert drawn.log10().mean() == pytest.approx(2, abs=0.1)


def test_quantiles_keep_the_order_and_are_normal():
    values = torch.randn(2001, generator=torch.Generator().manual_seed(5)).exp()
    found = quantiles_of_ranks(values)
    assert torch.equal(found.argsort(), values.argsort())
    assert float(found.std()) == pytest.approx(1, abs=0.01)


def test_nothing_is_left_on_the_model(one_tiny, pair):
    before = {name: p.requires_grad for name, p in one_tiny.module.named_parameters()}
    pellucid.discover_edges(one_tiny, pair, method="nested", insist=True, budget=500)
    assert before == {name: p.requires_grad for name, p in one_tiny.module.named_parameters()}
    assert all(p.grad is None for p in one_tiny.module.parameters())
