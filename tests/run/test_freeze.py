"""What is held in the affine run is exactly the norms, patterns, activations and gates."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from pellucid.model.anatomy import Block
from pellucid.model.detection.probe import Call, Record
from pellucid.run.freeze import _activations, _elementwise, _norms, _pattern_apart, freezable
from tests.models.readable import small_gpt2, small_llama

WIDTH = 8
GIVEN = torch.randn(1, 6, WIDTH, generator=torch.Generator().manual_seed(0)).double()


class Centred(nn.Module):
    """Zero at zero, but every number is changed by the others."""

    def forward(self, x):
        return x - x.mean(-1, keepdim=True)


class Broken(nn.Module):
    def forward(self, x):
        raise ValueError("not of this input")


def called(module, given=GIVEN, **changes):
    out = None if given is None or isinstance(module, Broken) else module(given)
    call = Call(name="", module=module, given=given, out=out, carries=0, order=0)
    return replace(call, **changes)


@pytest.mark.parametrize(
    ("call", "is_one"),
    [
        (called(nn.GELU()), True),
        (called(nn.SiLU()), True),
        (called(nn.Sigmoid()), False),
        (called(Centred()), False),
        (called(nn.Softmax(-1)), False),
        (called(nn.GELU(), given=None), False),
        (called(nn.GELU(), out=None), False),
        (called(nn.GELU(), out=GIVEN[..., :4]), False),
        (called(Broken(), out=GIVEN), False),
    ],
    ids=["gelu", "silu", "not 0 at 0", "mixes", "both", "no input", "no output", "cut", "raises"],
)
def test_an_activation_is_zero_at_zero_and_acts_on_each_number_alone(call, is_one):
    assert _elementwise(call) is is_one


def test_activations_have_neither_parts_nor_weights():
    acts = [nn.GELU(), nn.Sequential(nn.ReLU()), nn.PReLU().double(), Centred()]
    mlp = nn.ModuleList(acts)
    outside = nn.GELU()
    record = Record([called(module) for module in (*acts, outside)])
    found = _activations(SimpleNamespace(module=mlp), record)
    assert [call.module for call in found] == [acts[0]]


def test_norms_are_single_modules_of_the_stream_s_width_once_each():
    norm, other = (nn.LayerNorm(size).double() for size in (WIDTH, WIDTH // 2))
    plain, wrapped = nn.Linear(WIDTH, WIDTH).double(), nn.Sequential(norm)
    calls = [
        called(wrapped), called(norm), called(plain), called(other, GIVEN[..., : WIDTH // 2]),
        called(nn.LayerNorm(WIDTH).double(), given=None), called(norm),
    ]  # fmt: skip
    found = _norms([Record(calls[:3]), Record(calls[3:])], torch.zeros(1, WIDTH).double())
    assert [module for module, _ in found] == [norm]


def test_a_pattern_is_held_where_queries_and_keys_are_all_that_makes_it():
    block = small_gpt2().anatomy.blocks[0]
    gated = replace(block, attention=replace(block.attention, reads_more=True))
    assert _pattern_apart(block)
    assert not _pattern_apart(gated)
    assert not _pattern_apart(
        Block(module=block.module, attention=None, mlp=None, parallel=False, carries=0)
    )


def test_everything_of_two_real_families_is_held():
    gpt2, llama = small_gpt2(), small_llama()
    for model, n_norms, gated in ((gpt2, 7, ()), (llama, 7, (0, 1, 2))):
        found = freezable(model)
        assert len(found.norms) == n_norms
        assert found.patterns == (0, 1, 2)
        assert found.gated == gated
        assert "could not" not in found.note
    acts = {block.module.mlp.act for block in gpt2.anatomy.blocks}
    others = set(freezable(gpt2).activations) - acts
    assert acts <= set(freezable(gpt2).activations)
    assert all(isinstance(module, nn.Dropout) for module in others)  # no change outside training
