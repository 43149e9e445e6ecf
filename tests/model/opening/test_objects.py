"""Objects of other libraries, read without changing them. Run with those libraries installed."""

from importlib import metadata

import pytest
import torch

from pellucid.errors import ModelError
from pellucid.model.opening.load import resolve

transformers = pytest.importorskip("transformers")
pytestmark = [
    pytest.mark.optional,
    # The other libraries' own warnings are theirs.
    pytest.mark.filterwarnings("ignore"),
]
TOKENS = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6]])


def gpt2():
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=64,
        n_positions=32,
        n_embd=16,
        n_layer=2,
        n_head=4,
        initializer_range=0.3,
        bos_token_id=0,
        eos_token_id=0,
    )
    return transformers.GPT2LMHeadModel(config).eval()


def llama(**changes):
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=64,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.3,
        max_position_embeddings=64,
        **changes,
    )
    return transformers.LlamaForCausalLM(config).eval()


def logits(model):
    with torch.no_grad():
        return model(TOKENS).logits


@pytest.fixture
def tokenizer(tmp_path_factory):
    from tokenizers import Tokenizer, models

    words = {f"w{index}": index for index in range(64)}
    backend = Tokenizer(models.WordLevel(words, unk_token="w0"))
    folder = tmp_path_factory.mktemp("tokenizer")
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="w0", eos_token="w0", pad_token="w0"
    ).save_pretrained(folder)
    return transformers.AutoTokenizer.from_pretrained(folder)  # TransformerLens wants it from files


@pytest.fixture(params=[gpt2, llama, lambda: llama(tie_word_embeddings=True)])
def made(request):
    return request.param()


def bridge_of(hf, tokenizer):
    bridges = pytest.importorskip("transformer_lens.model_bridge")
    name = "gpt2" if type(hf).__name__ == "GPT2LMHeadModel" else "meta-llama/Llama-3.2-1B"
    return bridges.TransformerBridge.boot_transformers(name, hf_model=hf, tokenizer=tokenizer)


def test_bridge_is_unwrapped_to_the_same_logits(made, tokenizer):
    before = logits(made)
    bridge = bridge_of(made, tokenizer)
    modules = [(name, type(module)) for name, module in bridge.named_modules()]
    opened = resolve(bridge)
    assert opened.origin.kind == "bridge"
    assert opened.tokenizer is bridge.tokenizer
    assert (logits(opened.hf) - before).abs().max() == 0.0
    assert not any("transformer_lens" in type(m).__module__ for m in opened.hf.modules())
    assert [(name, type(module)) for name, module in bridge.named_modules()] == modules
    shared = opened.hf.get_input_embeddings().weight
    assert shared.data_ptr() == bridge.original_model.get_input_embeddings().weight.data_ptr()
    assert opened.hf.config._attn_implementation == "sdpa"
    assert not any(value.is_meta for value in [*opened.hf.parameters(), *opened.hf.buffers()])


def test_processed_bridge_is_refused(tokenizer):
    bridge = bridge_of(gpt2(), tokenizer)
    bridge.enable_compatibility_mode()
    with pytest.raises(ModelError, match="no_processing=True"):
        resolve(bridge)


def test_bridge_with_hooks_is_refused(tokenizer):
    bridge = bridge_of(gpt2(), tokenizer)
    bridge.add_hook("blocks.0.hook_out", lambda value, hook: value)
    with pytest.raises(ModelError, match="reset_hooks"):
        resolve(bridge)


def hooked_of(hf, tokenizer=None, **processing):
    lens = pytest.importorskip("transformer_lens")
    if int(metadata.version("transformer_lens").split(".")[0]) >= 4:
        pytest.skip("TransformerLens 4 has no HookedTransformer")
    from transformer_lens.pretrained.weight_conversions import (
        convert_gpt2_weights,
        convert_llama_weights,
    )

    config, is_gpt2 = hf.config, type(hf).__name__ == "GPT2LMHeadModel"
    settings = {
        "n_layers": config.num_hidden_layers,
        "d_model": config.hidden_size,
        "n_heads": config.num_attention_heads,
        "d_head": config.hidden_size // config.num_attention_heads,
        "d_mlp": 64 if is_gpt2 else config.intermediate_size,
        "n_ctx": config.max_position_embeddings,
        "d_vocab": config.vocab_size,
        "act_fn": "gelu_new" if is_gpt2 else "silu",
        "eps": 1e-5 if is_gpt2 else config.rms_norm_eps,
        "normalization_type": "LN" if is_gpt2 else "RMS",
        "original_architecture": type(hf).__name__,
    }
    if not is_gpt2:
        settings |= {
            "n_key_value_heads": config.num_key_value_heads,
            "positional_embedding_type": "rotary",
            "rotary_dim": config.hidden_size // config.num_attention_heads,
            "rotary_base": 10000,
            "rotary_adjacent_pairs": False,
            "gated_mlp": True,
            "final_rms": True,
        }
        rope = config.rope_parameters
        if rope["rope_type"] == "llama3":
            settings |= {
                "use_NTK_by_parts_rope": True,
                "NTK_by_parts_factor": rope["factor"],
                "NTK_by_parts_low_freq_factor": rope["low_freq_factor"],
                "NTK_by_parts_high_freq_factor": rope["high_freq_factor"],
                "NTK_original_ctx_len": rope["original_max_position_embeddings"],
            }
    model = lens.HookedTransformer(lens.HookedTransformerConfig(**settings), tokenizer=tokenizer)
    convert = convert_gpt2_weights if is_gpt2 else convert_llama_weights
    untouched = dict.fromkeys(
        ("fold_ln", "center_writing_weights", "center_unembed", "fold_value_biases"), False
    )
    model.load_and_process_state_dict(convert(hf, model.cfg), **(untouched | processing))
    return model


def test_hooked_transformer_is_rebuilt(made):
    hooked = hooked_of(made)
    before = {name: value.clone() for name, value in hooked.state_dict().items()}
    opened = resolve(hooked)
    assert opened.origin.kind == "hooked"
    assert (logits(opened.hf) - logits(made)).abs().max() < 1e-5
    assert all(torch.equal(value, hooked.state_dict()[name]) for name, value in before.items())


def test_scaled_rotary_positions_are_rebuilt():
    rope = {
        "rope_type": "llama3",
        "rope_theta": 10000.0,
        "factor": 4.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16,
    }
    model = llama(rope_parameters=rope)
    opened = resolve(hooked_of(model))
    assert opened.hf.config.rope_parameters["rope_type"] == "llama3"
    assert (logits(opened.hf) - logits(model)).abs().max() < 1e-5
    assert (logits(opened.hf) - logits(llama())).abs().max() > 1e-3


@pytest.mark.parametrize("processing", ["fold_ln", "center_writing_weights", "center_unembed"])
def test_processed_hooked_transformer_is_refused(processing):
    with pytest.raises(ModelError, match="from_pretrained_no_processing"):
        resolve(hooked_of(gpt2(), **{processing: True}))


def test_hooked_transformer_with_hooks_is_refused():
    hooked = hooked_of(gpt2())
    hooked.add_hook("blocks.0.hook_resid_post", lambda value, hook: value)
    with pytest.raises(ModelError, match="reset_hooks"):
        resolve(hooked)


def test_nnsight_models_are_read(made, tokenizer):
    nnsight = pytest.importorskip("nnsight")
    before = logits(made)
    for wrapped in (nnsight.NNsight(made), nnsight.LanguageModel(made, tokenizer=tokenizer)):
        opened = resolve(wrapped)
        assert opened.origin.kind == "nnsight"
        assert (logits(opened.hf) - before).abs().max() == 0.0
        assert not any("forward" in vars(module) for module in opened.hf.modules())
    assert opened.tokenizer is tokenizer


def test_nnsight_model_without_weights_is_refused(tmp_path, tokenizer):
    nnsight = pytest.importorskip("nnsight")
    llama().save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    wrapped = nnsight.LanguageModel(str(tmp_path), tokenizer=tokenizer)
    with pytest.raises(ModelError, match="dispatch"):
        resolve(wrapped)
    wrapped.dispatch()
    assert resolve(wrapped).tokenizer is not None
