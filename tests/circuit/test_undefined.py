"""Where the corrupted prompt changes nothing but roundings, every share is undefined, in words."""

import math

import pytest
import torch

import pellucid
from pellucid.model.tiny import TinyConfig, TinyTransformer
from pellucid.run.record import record

QUESTION = pellucid.Contrast([1, 2, 3, 4, 5, 6], [1, 2, 9, 4, 5, 6], 11, 13)
DTYPES = (torch.float32, torch.bfloat16, torch.float64)


def model_in(dtype, seed, apart):
    """A tiny model in which tokens 3 and 9 differ by ``apart`` of their size."""
    module = TinyTransformer(TinyConfig(num_hidden_layers=3), seed=seed).to(dtype)
    with torch.no_grad():
        weight = module.embed.weight
        drawn = torch.randn(16, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        weight[9] = (weight[3].double() * (1 + apart * drawn)).to(dtype)
    return pellucid.Model.build(module.eval())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", range(3))
def test_shares_of_rounding_are_undefined_everywhere(dtype, seed):
    model = model_in(dtype, seed, torch.finfo(dtype).eps)
    trace = record(model, QUESTION)
    assert abs(float(trace.difference)) <= trace.noise
    found = pellucid.faithfulness(model, QUESTION, ["L0H0", "M1"], random_sets=2)
    assert math.isnan(found.sufficiency)
    assert math.isnan(found.comprehensiveness)
    assert found.category == "undefined"
    assert found.percentile_same_size is None
    assert found.undefined.startswith("undefined: replacing everything changes the metric by")
    assert pellucid.patch(model, QUESTION).normalised.isnan().all()
    edges = pellucid.edge_faithfulness(model, QUESTION, [("embed", "logits")])
    assert edges.category == "undefined"
    assert "undefined: " in str(edges)
    assert "nan" not in str(edges)


@pytest.mark.parametrize("dtype", DTYPES)
def test_small_differences_beyond_rounding_are_kept(dtype):
    model = model_in(dtype, 1, 200 * torch.finfo(dtype).eps)
    trace = record(model, QUESTION)
    assert abs(float(trace.difference)) > trace.noise
    found = pellucid.faithfulness(model, QUESTION, [n.name for n in model.nodes[1:]])
    assert found.sufficiency == pytest.approx(1)
    assert not found.undefined


def test_nothing_is_claimed_of_rounding_not_even_if_insisted():
    model = model_in(torch.float32, 1, torch.finfo(torch.float32).eps)
    difference = float(record(model, QUESTION).difference)
    right = QUESTION if difference > 0 else pellucid.Contrast(
        QUESTION.clean, QUESTION.corrupted, QUESTION.foil, QUESTION.answer
    )  # fmt: skip
    for found in (
        pellucid.discover(model, right, insist=True),
        pellucid.discover(model, right, insist=True, method="mfc"),
        pellucid.discover_edges(model, right, insist=True),
    ):
        assert not len(found)
        assert "rounding" in found.note or found.refusal.code == "metric_not_positive"
    told = str(pellucid.analyze(model, right, insist=True))
    assert "nan" not in told
    assert "rounding" in told


def test_estimates_that_miss_a_difference_of_rounding_are_no_share_of_it():
    model = model_in(torch.float32, 0, torch.finfo(torch.float32).eps)
    found = pellucid.attribute(model, QUESTION, method="ig")
    assert found.converged
    assert found.steps == 4
    assert math.isnan(found.completeness)
    edges = pellucid.attribute_edges(model, QUESTION, method="eap-ig")
    assert math.isnan(edges.completeness)
    tokens = pellucid.token_attribution(model, QUESTION, method="ig")
    assert math.isnan(tokens.completeness)
    assert "nan" not in str(tokens)
