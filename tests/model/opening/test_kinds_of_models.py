"""What people hold that is no plain causal model: opened as what it is, or refused by name."""

import copy

import pytest
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MBartConfig,
    MBartForConditionalGeneration,
    ModernBertConfig,
    ModernBertForMaskedLM,
    RobertaPreLayerNormConfig,
    RobertaPreLayerNormForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

import pellucid
from pellucid import Contrast, ModelError, UnsupportedArchitectureError
from pellucid.model.proof.selfcheck import fingerprint

SIZES = {"vocab_size": 50, "hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 48}
ENCODER_DECODERS = {
    "mbart": lambda: MBartForConditionalGeneration(
        MBartConfig(
            vocab_size=50,
            d_model=32,
            encoder_layers=2,
            decoder_layers=2,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            max_position_embeddings=32,
        )
    ),
    "t5": lambda: T5ForConditionalGeneration(
        T5Config(vocab_size=50, d_model=32, d_kv=8, num_layers=2, num_heads=4, d_ff=48)
    ),
}
QUESTION = Contrast([3, 7, 11, 2, 9, 4], [3, 7, 5, 2, 9, 4], 6, 8)


def spread(model):
    """Weights large enough that every part matters."""
    torch.manual_seed(0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def llama(layers=2):
    config = LlamaConfig(**SIZES, num_hidden_layers=layers, num_key_value_heads=2)
    return spread(LlamaForCausalLM(config))


@pytest.mark.parametrize("name", ENCODER_DECODERS)
def test_an_encoder_decoder_is_refused_by_name_as_an_object_and_as_a_folder(name, tmp_path):
    hf = spread(ENCODER_DECODERS[name]())
    with pytest.raises(UnsupportedArchitectureError, match=f"{type(hf).__name__} is an encoder-d"):
        pellucid.load(hf)
    hf.save_pretrained(tmp_path)
    with pytest.raises(UnsupportedArchitectureError, match=rf"\({name}\) is an encoder-decoder"):
        pellucid.load(tmp_path)


@pytest.mark.parametrize(
    "hf",
    [
        ModernBertForMaskedLM(ModernBertConfig(**SIZES, num_hidden_layers=2, pad_token_id=0)),
        RobertaPreLayerNormForCausalLM(RobertaPreLayerNormConfig(**SIZES, num_hidden_layers=2)),
    ],
    ids=lambda hf: type(hf).__name__,
)
def test_a_model_that_looks_ahead_is_refused_with_the_layer(hf):
    with pytest.raises(UnsupportedArchitectureError, match="layer 0 looks at later tokens"):
        pellucid.load(spread(hf))


def test_weights_made_in_inference_mode_are_refused_and_a_copy_opens():
    with torch.inference_mode():
        hf = GPT2LMHeadModel(GPT2Config(vocab_size=50, n_positions=32, n_embd=24, n_layer=2))
    before = fingerprint(hf)
    with pytest.raises(ModelError, match=r"made inside torch\.inference_mode"):
        pellucid.load(hf)
    assert fingerprint(hf) == before
    assert len(pellucid.load(copy.deepcopy(hf).eval()).nodes) == 1 + 2 * 13


def test_compiled_modules_give_the_numbers_of_the_plain_model_and_stay_compiled():
    wanted = pellucid.patch(pellucid.load(llama()), QUESTION).per_example
    around = torch.compile(llama(), backend="eager")
    inside = llama()
    inside.compile(backend="eager")
    call = inside._compiled_call_impl
    for compiled in (around, inside):
        found = pellucid.patch(pellucid.load(compiled), QUESTION).per_example
        torch.testing.assert_close(found, wanted, rtol=0, atol=0)
    assert inside._compiled_call_impl is call


def test_a_compiled_thing_that_is_no_model_is_refused():
    with pytest.raises(UnsupportedArchitectureError, match="Linear is a plain torch module"):
        pellucid.load(torch.compile(torch.nn.Linear(2, 2), backend="eager"))


@pytest.mark.parametrize("layer", range(3))
@pytest.mark.parametrize("part", ["attn_out", "mlp_out"])
def test_a_sublayer_that_does_nothing_opens_and_is_named(layer, part):
    hf = llama(3)
    block = hf.model.layers[layer]
    projection = block.self_attn.o_proj if part == "attn_out" else block.mlp.down_proj
    torch.nn.init.zeros_(projection.weight)
    model = pellucid.load(hf)
    assert model.describe()["idle"] == [f"blocks.{layer}.hook_{part}"]
    kind = "head" if part == "attn_out" else "mlp"
    dead = [node for node in model.nodes if node.layer == layer and node.kind == kind]
    assert dead
    effects = pellucid.patch(model, QUESTION, sites="nodes").to_frame().set_index("node")["effect"]
    size = effects.abs().max()
    assert all(abs(effects[node.name]) < 1e-5 * size for node in dead)
    assert model.selfcheck() == model.check


def test_a_model_without_a_living_mlp_opens_and_says_so():
    hf = llama()
    for block in hf.model.layers:
        torch.nn.init.zeros_(block.mlp.down_proj.weight)
    model = pellucid.load(hf)
    assert "every such sublayer writes the same" in model.check.missing["neurons"]
    assert "mlp_out" in model.check.writable
