"""Every attention family of transformers' causal-LM mapping, and a tiny random model of each.

**The rule.** A model type of ``MODEL_FOR_CAUSAL_LM_MAPPING_NAMES`` counts as an attention family
unless one of these holds, asked in this order (``left_out`` gives the answer in words):

1. its configuration wraps a language model in others (images, sound, drafts, bytes); where that
   language model is one of its own, it is in the mapping under its own name;
2. it is an encoder-decoder, or an encoder that was trained on masked words;
3. some of its layers, as the configuration sets them up, mix positions by something other than
   softmax attention.

What the mappings and ``layer_types`` do not show is in ``SAID``, one reason each.
"""

from functools import cache
from typing import Any

import torch
import transformers
from torch import nn
from transformers.models.auto import modeling_auto as auto
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

transformers.logging.set_verbosity_error()

CLASSES: dict[str, str] = auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

ATTENTION = {
    "full_attention",
    "sliding_attention",
    "chunked_attention",
    "indexed_attention",
    "compressed_sparse_attention",
    "heavily_compressed_attention",
}
"""Values of ``layer_types`` that are softmax attention, over all positions or over some."""

SAID = {
    "rwkv": "recurrent layers",
    "xlstm": "recurrent layers",
    "lfm2": "convolution layers",
    "lfm2_moe": "convolution layers",
    "xlnet": "trained on permuted words, not left to right",
    "bert-generation": "an encoder trained on masked words",
    "trocr": "the decoder of an encoder-decoder",
}
"""Families left out for a reason that only their papers and code show."""

SIZES: dict[str, Any] = {
    "vocab_size": 151,
    "hidden_size": 32,
    "n_embd": 32,
    "d_model": 32,
    "num_hidden_layers": 3,
    "n_layer": 3,
    "n_layers": 3,
    "num_layers": 3,
    "num_attention_heads": 4,
    "n_head": 4,
    "n_heads": 4,
    "num_heads": 4,
    "attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "ffn_dim": 48,
    "dff": 48,
    "max_position_embeddings": 64,
    "n_positions": 64,
    "max_seq_len": 64,
    "num_experts": 4,
    "num_local_experts": 4,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 16,
    "shared_expert_intermediate_size": 16,
    "first_k_dense_replace": 1,
    "n_group": 1,
    "topk_group": 1,
    "head_dim": 8,
    "q_lora_rank": 16,
    "kv_lora_rank": 16,
    "qk_rope_head_dim": 4,
    "qk_nope_head_dim": 8,
    "v_head_dim": 8,
    "index_n_heads": 2,
    "index_head_dim": 8,
    "rotary_dim": 4,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
"""Small values for the fields that configurations have in common; each gets those it has."""

LATENT: dict[str, Any] = {"head_dim": 4, "num_key_value_heads": 4}
"""Multi-head latent attention: ``head_dim`` is the rotary part, and every head has its own key."""

EXTRA: dict[str, dict[str, Any]] = {
    "axk1": LATENT,
    "axk2": LATENT,
    "cohere_compass_text": {
        "rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 1e4}}
    },
    "cpmant": {"dim_head": 8, "dim_ff": 48},
    "dbrx": {
        "attn_config": {"kv_n_heads": 2, "clip_qkv": 8.0, "rope_theta": 1e4},
        "ffn_config": {"ffn_hidden_size": 16, "moe_num_experts": 4, "moe_top_k": 2},
    },
    "deepseek_v2": {**LATENT, "num_experts_per_tok": 2},
    "deepseek_v3": LATENT,
    "deepseek_v32": LATENT,
    "deepseek_v4": {"num_key_value_heads": 1, "o_lora_rank": 8, "o_groups": 2},
    "diffllama": {"num_key_value_heads": 2},
    "dots1": {"n_routed_experts": 4, "num_experts_per_tok": 2, "n_shared_experts": 1},
    "dots3_note_text": {
        **LATENT,
        "layer_types": ["indexed_attention", "sliding_attention", "sliding_attention"],
        "head_dim": 12,
        "per_layer_config": {
            layer: {**LATENT, "head_dim": 12, "num_attention_heads": 4, "kv_lora_rank": 24}
            for layer in (1, 2)
        },
        "shared_experts_intermediate_size": 16,
    },
    "falcon": {"head_dim": None},
    "gemma3n_text": {
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "num_hidden_layers": 4,
        "num_kv_shared_layers": 2,
        "vocab_size_per_layer_input": 151,
        "hidden_size_per_layer_input": 8,
        "laurel_rank": 8,
    },
    "gemma4_text": {"vocab_size_per_layer_input": 151, "hidden_size_per_layer_input": 8},
    "glm4_moe_lite": LATENT,
    "glm_moe_dsa": LATENT,
    "gpt_neo": {"attention_types": [[["global", "local"], 2]], "num_layers": 4},
    "hrm_text": {"num_layers_per_stack": 2},
    "hunyuan_v1_dense": {"head_dim": 8},
    "hunyuan_v1_moe": {"head_dim": 8, "moe_topk": 2},
    "hy_v4": LATENT,
    "jetmoe": {"kv_channels": 8},
    "longcat_flash": {
        **LATENT,
        "num_hidden_layers": 6,  # counts both attentions of a layer
        "ffn_hidden_size": 48,
        "expert_ffn_hidden_size": 16,
        "moe_topk": 2,
        "zero_expert_num": 2,
    },
    "minicpm3": LATENT,
    "ministral": {"head_dim": 8},
    "nemotron": {"num_key_value_heads": 2},
    "youtu": LATENT,
}
"""What single families need beside ``SIZES``."""


def left_out(family: str) -> str | None:
    """Why a model type is not counted as an attention family; None if it is."""
    parts = set(CONFIG_MAPPING[family].sub_configs) - {"attn_config", "ffn_config"}
    if parts:
        return f"a wrapper of several models ({', '.join(sorted(parts))})"
    if family in auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES:
        return "an encoder-decoder"
    if family in auto.MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES:
        return "an encoder-decoder"
    if family in auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        return "an encoder trained on masked words"
    others = set(getattr(CONFIG_MAPPING[family](), "layer_types", None) or ()) - ATTENTION
    if others:
        return f"layers other than attention ({', '.join(sorted(others))})"
    return SAID.get(family)


@cache
def attention_families() -> tuple[str, ...]:
    """The model types that count, by the rule above, in the mapping's order."""
    return tuple(family for family in CLASSES if left_out(family) is None)


def tiny_config(family: str) -> Any:
    """The family's configuration with every known size made small."""
    kind = CONFIG_MAPPING[family]
    standard = kind()
    chosen = {
        name: value
        for name, value in SIZES.items()
        if name not in kind.attribute_map
        and (name.endswith("token_id") or readable(standard, name) is not None)
    }
    chosen.update(EXTRA.get(family, {}))
    return kind(**{name: value for name, value in chosen.items() if value is not None})


def readable(config: Any, name: str) -> Any:
    """A field's value, also where it differs by layer and reading it as one raises."""
    try:
        return getattr(config, name, None)
    except (AttributeError, ValueError, RuntimeError):
        return True


def tiny_model(family: str) -> nn.Module:
    """A random model of ``family`` in evaluation mode, the same at every call.

    Scales and biases are moved off one and zero, so that none can hide: a model whose stream is
    multiplied by a learned vector must not pass because the vector starts as ones.
    """
    torch.manual_seed(0)
    model = getattr(transformers, CLASSES[family])(tiny_config(family)).eval()
    learned = [*model.parameters(), *(b for n, b in model.named_buffers() if "scal" in n)]
    with torch.no_grad():
        for tensor in learned:
            if tensor.ndim < 2 and tensor.is_floating_point():
                tensor.add_(0.1 * torch.randn_like(tensor))
    return model
