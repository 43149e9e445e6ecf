"""Quantised layers: opened and equal to the matrices that they stand for, or refused by name."""

import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

import pellucid
from pellucid import Contrast, UnsupportedArchitectureError
from pellucid.model.linear import linear_weight

pytestmark = pytest.mark.filterwarnings("ignore")  # what these libraries say on being imported

QUESTION = Contrast([3, 7, 11, 2, 9, 4], [3, 7, 5, 2, 9, 4], 6, 8)
CALLS = {
    "attribute": lambda m: pellucid.attribute(m, QUESTION).per_example,
    "eap": lambda m: pellucid.attribute_edges(m, QUESTION, method="eap").per_example,
    "patch": lambda m: pellucid.patch(m, QUESTION, sites="nodes").per_example,
    "composition": lambda m: pellucid.composition(m).score.nan_to_num(),
    "direct": lambda m: pellucid.direct_effects(m, QUESTION).per_example,
    "neurons": lambda m: pellucid.neurons(m, QUESTION, 1).logit_change,
}


def llama(dtype=torch.float32):
    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4}
    config = LlamaConfig(vocab_size=50, num_hidden_layers=2, num_key_value_heads=2, **sizes)
    model = LlamaForCausalLM(config)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model.to(dtype).eval()


def with_layers(model, made):
    """``model`` with every linear layer but the unembedding replaced by what ``made`` makes."""
    for name, layer in list(model.named_modules()):
        if isinstance(layer, nn.Linear) and name != "lm_head":
            owner, _, leaf = name.rpartition(".")
            setattr(model.get_submodule(owner), leaf, made(name, layer))
    return model


def plain(quantised, dtype):
    """The same model with ordinary layers that hold the quantised ones' matrices."""

    def made(name, layer):
        new = nn.Linear(layer.in_features, layer.out_features, bias=False, dtype=dtype)
        new.weight = nn.Parameter(linear_weight(quantised.get_submodule(name)).to(dtype))
        return new

    return with_layers(llama(dtype), made)


def four_bit(dtype, packed=False):
    bnb = pytest.importorskip("bitsandbytes")

    def made(name, layer):
        new = bnb.nn.Linear4bit(
            layer.in_features, layer.out_features, bias=False, compute_dtype=dtype, quant_type="nf4"
        )
        new.weight = bnb.nn.Params4bit(layer.weight, requires_grad=False, quant_type="nf4")
        new.support_avx512bf16_for_cpu = packed and new.support_avx512bf16_for_cpu
        return new.to("cpu")

    return with_layers(llama(dtype), made)


def int8(dtype):
    bnb = pytest.importorskip("bitsandbytes")

    def made(name, layer):
        new = bnb.nn.Linear8bitLt(
            layer.in_features, layer.out_features, bias=False, has_fp16_weights=False
        )
        new.weight = bnb.nn.Int8Params(layer.weight, requires_grad=False, has_fp16_weights=False)
        return new.to("cpu")

    return with_layers(llama(dtype), made)


def torchao(config):
    quantization = pytest.importorskip("torchao.quantization")
    model = llama()
    quantization.quantize_(
        model, getattr(quantization, config)(), lambda layer, name: name.startswith("model.")
        and isinstance(layer, nn.Linear)
    )  # fmt: skip
    return model


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda: four_bit(torch.bfloat16), "bitsandbytes 4-bit in 14 layers"),
        (lambda: torchao("Int8WeightOnlyConfig"), "torchao Int8Tensor in 14 layers"),
        (lambda: torchao("Float8WeightOnlyConfig"), "torchao Float8Tensor in 14 layers"),
    ],
    ids=["bitsandbytes-nf4", "torchao-int8", "torchao-float8"],
)
def test_weights_that_alone_are_quantised_open_and_give_the_numbers_of_their_matrices(made, told):
    hf = made()
    dtype = hf.lm_head.weight.dtype
    wanted = pellucid.load(plain(hf, dtype))
    model = pellucid.load(hf)
    assert model.notes == (f"The model's weights are quantised ({told}).",)
    assert model.slots == wanted.slots
    assert model.selfcheck() == model.check
    assert len(model.weight_hash) == 64
    limit = 1e-5 if dtype == torch.float32 else 1e-2
    for call in CALLS.values():
        found, same = torch.as_tensor(call(model)), torch.as_tensor(call(wanted))
        assert (found - same).abs().max() <= limit * same.abs().max()


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda: int8(torch.float32), "bitsandbytes int8 in 14 layers"),
        (lambda: torchao("Int8DynamicActivationInt8WeightConfig"), "torchao Int8Tensor in 14"),
    ],
    ids=["bitsandbytes-int8", "torchao-dynamic"],
)
def test_layers_that_round_what_they_read_are_refused_as_quantised(made, told):
    with pytest.raises(UnsupportedArchitectureError) as caught:
        pellucid.load(made())
    text = str(caught.value)
    assert f"Its weights are quantised ({told}" in text
    assert "layers that round what they read" in text
    assert "Load the model without quantisation" in text
    assert caught.value.layer == 0
    assert caught.value.error > 1e-3


def test_layers_that_a_cpu_packs_without_a_gradient_are_refused_before_they_are_packed():
    hf = four_bit(torch.bfloat16, packed=True)
    layer = hf.model.layers[0].mlp.up_proj
    before = layer.weight.data_ptr()
    if not layer.support_avx512bf16_for_cpu:
        layer.support_avx512bf16_for_cpu = True  # as it is on a CPU with AVX512-BF16
    with pytest.raises(UnsupportedArchitectureError, match="support_avx512bf16_for_cpu = False"):
        pellucid.load(hf)
    assert layer.weight.data_ptr() == before


class ForInference(nn.Linear):
    """A layer whose kernel knows no gradient."""

    def forward(self, x):
        with torch.no_grad():
            return super().forward(x)


def test_a_layer_that_passes_no_gradient_on_is_named():
    hf = llama()
    layer = hf.model.layers[1].mlp.up_proj
    cutting = ForInference(layer.in_features, layer.out_features, bias=False)
    cutting.weight = layer.weight
    hf.model.layers[1].mlp.up_proj = cutting
    with pytest.raises(UnsupportedArchitectureError) as caught:
        pellucid.load(hf)
    assert "model.layers.1.mlp.up_proj (ForInference) returns numbers" in str(caught.value)


def test_a_quantised_weight_that_is_not_finite_is_named():
    hf = torchao("Int8WeightOnlyConfig")
    hf.model.layers[1].self_attn.q_proj.weight.scale[3] = float("nan")
    with pytest.raises(pellucid.CorruptModelError, match=r"layers\.1\.self_attn\.q_proj\.weight"):
        pellucid.load(hf)
