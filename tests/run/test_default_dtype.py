"""torch's default dtype is the caller's business: it changes no number and breaks no call."""

import pytest
import torch

import pellucid
from pellucid import Contrast, Model
from pellucid.model.tiny import TinyConfig, TinyTransformer

QUESTION = Contrast([3, 7, 11, 2, 9, 4], [3, 7, 5, 2, 9, 4], 6, 8)
CALLS = {
    "analyze": lambda m: pellucid.analyze(m, QUESTION, insist=True, random_sets=2),
    "attribute": lambda m: pellucid.attribute(m, QUESTION, method="mask-ig"),
    "attribute_edges": lambda m: pellucid.attribute_edges(m, QUESTION),
    "composition": lambda m: pellucid.composition(m),
    "direct_effects": lambda m: pellucid.direct_effects(m, QUESTION),
    "logit_lens": lambda m: pellucid.logit_lens(m, QUESTION.clean),
    "nested": lambda m: pellucid.discover_edges(m, QUESTION, method="nested", insist=True),
    "acdc": lambda m: pellucid.discover_edges(m, QUESTION, method="acdc", tau=0.01, insist=True),
    "patch_edges": lambda m: pellucid.patch_edges(m, QUESTION),
    "token_attribution": lambda m: pellucid.token_attribution(m, QUESTION),
}


@pytest.fixture(scope="module")
def model():
    return Model.build(TinyTransformer(TinyConfig(), dtype=torch.float32).eval())


@pytest.fixture(params=[torch.float64, torch.bfloat16], ids=str)
def default_dtype(request):
    before = torch.get_default_dtype()
    torch.set_default_dtype(request.param)
    yield
    torch.set_default_dtype(before)


def told(result):
    return {name: value for name, value in vars(result).items() if isinstance(value, torch.Tensor)}


@pytest.fixture(scope="module")
def usual(model):
    return {name: told(call(model)) for name, call in CALLS.items()}


@pytest.mark.parametrize("name", CALLS)
def test_no_number_and_no_dtype_changes(name, model, usual, default_dtype):
    found = told(CALLS[name](model))
    for field, wanted in usual[name].items():
        torch.testing.assert_close(found[field], wanted, rtol=0, atol=0, equal_nan=True)


def test_attention_of_a_transformers_model_can_be_read(random_gpt2, default_dtype):
    model = pellucid.load(random_gpt2)
    assert pellucid.attention(model, [1, 2, 3]).pattern.dtype == torch.float32
