"""A prompt is too long for a model if, and only if, the model itself cannot read it."""

import pytest
import torch

import pellucid
from pellucid import ContextLengthError, Contrast
from pellucid.model.context_length import longest_prompt, stated_length
from tests.models.every_call import tiny_llama
from tests.models.families import attention_families, tiny_model


@pytest.mark.parametrize("family", attention_families())
def test_a_limit_stands_just_where_reading_fails(family):
    module = tiny_model(family)
    stated = stated_length(module)
    if stated is None:
        return
    ids = (torch.arange(stated + 9) % 140 + 3)[None]
    try:
        with torch.no_grad():
            module(ids)
        reads = True
    except (IndexError, RuntimeError, ValueError):
        reads = False
    if family == "hrm_text" and not reads:
        pytest.skip("it reads nothing of this kind and does not open")
    assert (longest_prompt(module) is None) == reads


def test_a_rotary_model_reads_on_and_says_what_it_was_trained_on():
    hf = tiny_llama()
    model = pellucid.load(hf)
    assert (model.max_positions, model.trained_positions) == (None, 64)
    ids = [3 + i % 40 for i in range(90)]
    other = [*ids[:50], 45, *ids[51:]]
    with torch.no_grad():
        logits = hf(torch.tensor([ids])).logits[0, -1]
    found = pellucid.record(model, Contrast(ids, other, 11, 13)).metric_clean
    assert found.item() == pytest.approx(float(logits[11] - logits[13]), abs=1e-4)


def test_a_table_of_positions_is_a_limit():
    model = pellucid.load(tiny_model("gpt2"))
    assert model.max_positions == 64
    with pytest.raises(ContextLengthError, match="takes 65 positions and the model reads 64"):
        pellucid.record(model, Contrast([3] * 65, [3] * 64 + [4], 11, 13))
