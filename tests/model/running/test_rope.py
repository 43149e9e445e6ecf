"""Models whose numbers depend on the batch give each prompt what it gets alone."""

import copy

import pytest
import torch

import pellucid
from pellucid import Contrast, ContrastBatch, Edit, Site
from pellucid.model.running.rope import by_length
from tests.models.every_call import tiny_llama
from tests.models.families import attention_families, tiny_config, tiny_model

ORIGINAL = 8
"""Tokens up to which the scaled models below are as they were trained."""
LONG = {
    "rope_type": "longrope",
    "rope_theta": 1e4,
    "original_max_position_embeddings": ORIGINAL,
    "short_factor": [1.0] * 4,
    "long_factor": [1.0, 2.0, 4.0, 8.0],
    "factor": 8.0,
}
DYNAMIC = {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 1e4}
PHIMOE = {**LONG, "short_mscale": 1.0, "long_mscale": 1.5}


def long_rope():
    return tiny_llama(rope_parameters=LONG)


def dynamic_ntk():
    return tiny_llama(rope_parameters=DYNAMIC, max_position_embeddings=ORIGINAL)


def phi3():
    return _of("phi3", rope_parameters={**LONG, "partial_rotary_factor": 1.0})


def phimoe():
    return _of("phimoe", rope_parameters=PHIMOE)


def layer_types():
    """Dynamic scaling in layers of full attention only."""
    kinds = {
        "full_attention": DYNAMIC,
        "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
    }
    layers = ["sliding_attention", "full_attention", "full_attention"]
    return _of(
        "gemma3_text",
        rope_parameters=kinds,
        layer_types=layers,
        max_position_embeddings=ORIGINAL,
    )


def _of(family, **more):
    import transformers
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as names

    config = tiny_config(family)
    kept = {
        k: v for k, v in config.to_dict().items() if k not in ("rope_parameters", "rope_scaling")
    }
    torch.manual_seed(0)
    return getattr(transformers, names[family])(type(config)(**{**kept, **more})).eval()


MODELS = [long_rope, dynamic_ntk, phi3, phimoe, layer_types]
each_model = pytest.mark.parametrize("make", MODELS)


def question(length, seed):
    drawn = torch.randint(3, 50, (length,), generator=torch.Generator().manual_seed(seed)).tolist()
    other = list(drawn)
    other[length // 2] = 3 + (other[length // 2] - 2) % 47
    return Contrast(drawn, other, 11, 13)


QUESTIONS = [question(length, seed) for seed, length in enumerate((5, 13, 8, 9))]


def alone(fresh, ids, logits=False):
    """The last logits of one prompt in a model that has run nothing before."""
    with torch.no_grad():
        found = copy.deepcopy(fresh)(torch.tensor([ids])).logits[0]
    return found if logits else float(found[-1, 11] - found[-1, 13])


@each_model
def test_such_models_are_found(make):
    assert len(by_length(make())) == 1


def test_no_other_family_is_taken_for_one():
    for family in ("llama", "gpt2", "gemma3_text", "deepseek_v2", "llama4_text", "phi3"):
        assert family in attention_families()
        assert by_length(tiny_model(family)) == ()


@each_model
def test_each_prompt_of_a_batch_gets_what_it_gets_alone(make):
    fresh = make()
    hf = copy.deepcopy(fresh)
    model = pellucid.load(hf)
    trace = pellucid.record(model, ContrastBatch(tuple(QUESTIONS)))
    assert trace.metric_clean.tolist() == pytest.approx(
        [alone(fresh, one.clean) for one in QUESTIONS], abs=1e-4
    )
    assert trace.metric_corrupted.tolist() == pytest.approx(
        [alone(fresh, one.corrupted) for one in QUESTIONS], abs=1e-4
    )
    plain = [alone(fresh, QUESTIONS[1].clean), alone(hf, QUESTIONS[1].clean)]
    assert plain[0] == pytest.approx(plain[1], abs=1e-6), "the model remembers our calls"


@each_model
def test_effects_in_a_batch_are_those_of_each_question_alone(make):
    fresh = make()
    model = pellucid.load(copy.deepcopy(fresh))
    found = pellucid.patch(model, ContrastBatch(tuple(QUESTIONS))).per_example
    other = pellucid.load(copy.deepcopy(fresh))
    for row, one in enumerate(QUESTIONS):
        torch.testing.assert_close(
            found[row], pellucid.patch(other, one).per_example[0], atol=1e-4, rtol=1e-3
        )


@pytest.mark.parametrize("batching", ["padded", "packed"])
@each_model
def test_values_of_a_corpus_are_those_of_each_text_alone(make, batching):
    fresh = make()
    model = pellucid.load(copy.deepcopy(fresh))
    texts = [one.clean for one in QUESTIONS]
    found = pellucid.activations(model, texts, "L2 resid_pre", batching=batching)
    for i, ids in enumerate(texts):
        seen = []
        hf = copy.deepcopy(fresh)
        hf.model.layers[1].register_forward_hook(
            lambda m, a, out, seen=seen: seen.append(out[0] if isinstance(out, tuple) else out)
        )
        with torch.no_grad():
            hf(torch.tensor([ids]))
        wanted = seen[-1].reshape(len(ids), -1)
        torch.testing.assert_close(
            found.text(i)["L2 resid_pre"], wanted, atol=1e-4, rtol=1e-3, check_stride=False
        )


def test_what_a_long_prompt_did_is_not_remembered():
    """Dynamic scaling keeps the longest call's frequencies for later calls of middle length."""
    fresh = dynamic_ntk()
    hf = copy.deepcopy(fresh)
    model = pellucid.load(hf)
    middle, long = QUESTIONS[3].clean, QUESTIONS[1].clean
    pellucid.run_edited(model, long, [])
    found = pellucid.run_edited(
        model, middle, [Edit(site=Site("z", 0), operation="scale", value=1.0)]
    )
    torch.testing.assert_close(found[0], alone(fresh, middle, logits=True), atol=1e-4, rtol=1e-3)
    with torch.no_grad():  # the user's own long prompt is still remembered by the user's model
        hf(torch.tensor([long]))
        own = hf(torch.tensor([middle])).logits
        pellucid.run_edited(model, QUESTIONS[0].clean, [])
        assert torch.equal(hf(torch.tensor([middle])).logits, own)
