"""The bound on rounding, against runs in double precision; shares of what is only rounding."""

import copy
import math

import pytest
import torch

import pellucid
from pellucid.model.running.forward import Batch, forward, undisturbed
from pellucid.model.tiny import TinyConfig, TinyTransformer
from pellucid.stats.rounding import accounts_for, relative_gap, rounding_noise, share_of


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layers", [1, 6, 12])
def test_the_bound_holds_against_the_next_finer_precision(dtype, layers):
    finer = torch.float64 if dtype == torch.float32 else torch.float32
    module = TinyTransformer(TinyConfig(num_hidden_layers=layers), dtype=torch.float64).to(dtype)
    coarse, fine = (
        pellucid.Model.build(module.eval()),
        pellucid.Model.build(copy.deepcopy(module).to(finer)),
    )
    found = logits_of(coarse, 1)
    error = (found - logits_of(fine, 1))[..., None]
    # Differences of any two logits, in both runs as if their errors were as unlike as can be.
    worst = (error - error.mT).abs().amax((-1, -2))
    typical = (error - error.mT).square().mean((-1, -2)).sqrt()
    noise = rounding_noise(1.0, dtype) * found.abs().amax(-1)
    assert (2**0.5 * typical < noise).all()  # of two runs, on the average of pairs
    assert (worst > noise / 50).all()  # and no real difference is called rounding for nothing


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_the_same_prompts_in_another_batch_differ_by_less(dtype):
    module = TinyTransformer(TinyConfig(num_hidden_layers=6), dtype=torch.float64).to(dtype)
    model = pellucid.Model.build(module.eval())
    alone = logits_of(model, 1)
    for rows in (2, 3, 8):
        moved = (logits_of(model, rows)[0] - alone[0])[..., None]
        noise = rounding_noise(float(alone.abs().max()), dtype)
        assert float((moved - moved.mT).abs().max()) <= noise


def logits_of(model, rows):
    """Of one prompt and others beside it, as double."""
    drawn = torch.randint(0, 32, (8, 9), generator=torch.Generator().manual_seed(0))[:rows]
    with undisturbed(model.module), torch.no_grad():
        batch = Batch(tokens=drawn, real=torch.ones_like(drawn, dtype=torch.bool))
        return forward(model.module, model.anatomy, batch).double()


def test_shares_of_rounding_are_undefined_and_of_more_are_kept():
    assert math.isnan(share_of(3.0, 1e-7, 1e-6))
    assert math.isnan(share_of(0.0, 0.0, 0.0))
    assert share_of(1e-6, -2e-6, 1e-6) == -0.5
    assert math.isnan(relative_gap(1.0, 1e-9, 1e-8))
    assert relative_gap(1.5, -1.0, 1e-8) == 2.5


def test_a_gap_of_rounding_is_none():
    assert accounts_for(2e-8, 1e-9, 1e-7, within=0.02)
    assert not accounts_for(0.9, 1.0, 1e-7, within=0.02)
    assert accounts_for(0.99, 1.0, 1e-7, within=0.02)
