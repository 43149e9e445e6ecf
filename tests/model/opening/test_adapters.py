"""PEFT adapters: live ones against weights merged by PEFT, folders, and what is refused."""

import copy
import json

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

import pellucid
from pellucid import Contrast, CorruptModelError, ModelError, UnsupportedArchitectureError
from pellucid.model.linear import linear_bias, linear_weight
from tests.models.tokenizers import byte_level

peft = pytest.importorskip("peft")
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")

QUESTION = Contrast([3, 7, 11, 2, 9, 4], [3, 7, 5, 2, 9, 4], 6, 8)
CALLS = {
    "attribute": lambda m: pellucid.attribute(m, QUESTION).per_example,
    "eap": lambda m: pellucid.attribute_edges(m, QUESTION, method="eap").per_example,
    "patch": lambda m: pellucid.patch(m, QUESTION, sites="q").per_example,
    "composition": lambda m: pellucid.composition(m).score.nan_to_num(),
    "direct": lambda m: pellucid.direct_effects(m, QUESTION).per_example,
    "neurons": lambda m: pellucid.neurons(m, QUESTION, 1).per_example,
}
LORA = {
    "all linear": {"target_modules": "all-linear", "lora_dropout": 0.5},
    "magnitudes": {"target_modules": "all-linear", "use_dora": True},
    "vocabulary": {"target_modules": ["q_proj", "v_proj", "lm_head", "embed_tokens"]},
}


def spread(model, std=0.3):
    torch.manual_seed(0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=std)
    return model.eval()


def llama():
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4}
    config = LlamaConfig(vocab_size=50, num_hidden_layers=2, num_key_value_heads=2, **sizes)
    return spread(LlamaForCausalLM(config))


def gpt2():
    config = GPT2Config(vocab_size=50, n_positions=32, n_embd=32, n_layer=2, n_head=4)
    return spread(GPT2LMHeadModel(config))


def adapted(base, config=None, **lora):
    config = config or peft.LoraConfig(task_type="CAUSAL_LM", **lora)
    model = peft.get_peft_model(base, config)
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and "magnitude" not in name:
            torch.nn.init.normal_(parameter, std=0.3)
    return model


@pytest.mark.parametrize("kind", LORA)
def test_a_live_adapter_gives_the_numbers_of_its_merged_weights(kind):
    live = adapted(llama(), **LORA[kind]).double()
    merged = pellucid.load(copy.deepcopy(live).merge_and_unload())
    model = pellucid.load(live.train())  # its dropout must be off while weights are read, too
    assert model.origin.kind == "peft"
    assert model.module is live.get_base_model()
    assert not model.check.missing
    assert model.slots == merged.slots
    assert not merged.notes
    assert model.notes[0].startswith("The model runs with an adapter in place (default in ")
    for call in CALLS.values():
        wanted = torch.as_tensor(call(merged))
        found = torch.as_tensor(call(model))
        torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-8)
    assert live.training


def test_weights_of_an_adapted_layer_are_base_plus_scale_times_b_a():
    live = adapted(gpt2(), target_modules=["c_attn", "c_proj"], r=4, lora_alpha=12)
    model = pellucid.load(live)
    layer = live.get_base_model().transformer.h[1].attn.c_attn
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    wanted = layer.base_layer.weight.T + 12 / 4 * b @ a
    torch.testing.assert_close(linear_weight(layer), wanted.detach(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(linear_bias(layer), layer.base_layer.bias.detach())
    assert len(model.slots) == 2 * (3 * 4 + 1) + 1


def test_the_active_adapter_is_the_one_that_is_read_and_hashed():
    live = adapted(llama(), target_modules=["q_proj", "v_proj"])
    live.add_adapter("other", peft.LoraConfig(target_modules=["k_proj"], init_lora_weights=False))
    base, model = pellucid.load(llama()), pellucid.load(live)
    effects, hashes = {}, set()
    for name in ("default", "other"):
        live.set_adapter(name)
        assert f"({name} in" in " ".join(model.notes)
        effects[name] = pellucid.patch(model, QUESTION, sites="nodes").per_example
        hashes.add(model.weight_hash)
    with live.disable_adapter():
        hashes.add(model.weight_hash)
        assert not model.notes
        plain = pellucid.patch(model, QUESTION, sites="nodes").per_example
    assert len(hashes) == 3
    assert (effects["default"] - effects["other"]).abs().max() > 0.01
    wanted = pellucid.patch(base, QUESTION, sites="nodes").per_example
    torch.testing.assert_close(plain, wanted)


@pytest.mark.parametrize("kind", ["IA3", "LoHa", "LoKr", "OFT"])
def test_adapters_of_other_kinds_keep_their_slots(kind):
    options = {
        "IA3": {"target_modules": ["v_proj", "down_proj"], "feedforward_modules": ["down_proj"]},
        "OFT": {"target_modules": ["q_proj", "o_proj"], "oft_block_size": 8},
    }.get(kind, {"target_modules": ["q_proj", "o_proj"]})
    config = getattr(peft, f"{kind}Config")(task_type="CAUSAL_LM", **options)
    live = adapted(llama(), config)
    merged = pellucid.load(copy.deepcopy(live).merge_and_unload())
    model = pellucid.load(live)
    assert model.slots == merged.slots
    torch.testing.assert_close(CALLS["eap"](model), CALLS["eap"](merged), rtol=1e-3, atol=1e-5)


def test_adapters_that_change_more_than_layers_are_refused_by_name():
    prompts = peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
    with pytest.raises(UnsupportedArchitectureError, match=r"prompt learning.*get_base_model"):
        pellucid.load(peft.get_peft_model(llama(), prompts))
    waiting = adapted(llama(), target_modules=["q_proj"], alora_invocation_tokens=[3, 4])
    with pytest.raises(UnsupportedArchitectureError, match="invocation tokens"):
        pellucid.load(waiting)
    watched = adapted(llama(), target_modules=["q_proj"])
    handle = watched.register_forward_hook(lambda module, args, output: None)
    with pytest.raises(ModelError, match="hook is set on the PeftModelForCausalLM itself"):
        pellucid.load(watched)
    handle.remove()
    assert pellucid.load(watched)


@pytest.fixture
def folders(tmp_path):
    """A folder with a whole model, and one with an adapter on it."""
    base = llama()
    base.save_pretrained(tmp_path / "base")
    byte_level().save_pretrained(tmp_path / "base")
    live = adapted(LlamaForCausalLM.from_pretrained(tmp_path / "base"), target_modules=["q_proj"])
    live.save_pretrained(tmp_path / "adapter")
    return tmp_path / "base", tmp_path / "adapter", live


def test_a_folder_with_an_adapter_opens_on_the_base_that_it_names(folders):
    base, adapter, live = folders
    model = pellucid.load(adapter)
    assert (model.origin.kind, model.origin.name) == ("adapter", "adapter")
    assert model.notes[0] == f"The adapter in {adapter} was put on base."
    assert len(model.tokenizer) == len(byte_level())
    wanted = CALLS["eap"](pellucid.load(live))
    torch.testing.assert_close(CALLS["eap"](model), wanted)
    assert (CALLS["eap"](pellucid.load(base)) - wanted).abs().max() > 1e-3
    byte_level().save_pretrained(adapter)
    assert pellucid.load(adapter, dtype="float64").tokenizer.name_or_path == str(adapter)


def test_an_adapter_that_is_not_whole_is_refused(folders, monkeypatch):
    from safetensors.torch import load_file, save_file

    _, adapter, _ = folders
    config, file = adapter / "adapter_config.json", adapter / "adapter_model.safetensors"
    told, weights = json.loads(config.read_text()), load_file(file)
    name = min(weights)
    save_file({key: value for key, value in weights.items() if key != name}, file)
    with pytest.raises(CorruptModelError, match=f"lacks 1 weights, among them {name}"):
        pellucid.load(adapter)
    save_file({**weights, name.replace("layers.0", "layers.7"): weights[name].clone()}, file)
    with pytest.raises(CorruptModelError, match=r"1 weights that its base has no place for"):
        pellucid.load(adapter)
    save_file(weights, file)
    config.write_text(json.dumps(told | {"base_model_name_or_path": None}))
    with pytest.raises(ModelError, match="does not name its base model"):
        pellucid.load(adapter)
    config.write_text("{}")
    with pytest.raises(CorruptModelError, match="names no peft_type"):
        pellucid.load(adapter)
    config.write_text(json.dumps(told))
    file.unlink()
    with pytest.raises(CorruptModelError, match="none of adapter_model"):
        pellucid.load(adapter)


def test_a_whole_model_beside_an_adapter_is_not_guessed_about(folders):
    base, adapter, _ = folders
    for file in adapter.glob("adapter_*"):
        (base / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ModelError, match=r"holds a whole model and an adapter.*of its own"):
        pellucid.load(base)
