"""Writing the weights of a TransformerLens HookedTransformer back into a transformers model.

Read are GPT-2-like and Llama-like models whose weights were left as they were
(`from_pretrained_no_processing`). Folding a norm's weight into the next layer gives that layer
biases that the transformers classes cannot hold, and centring moves weights away from the ones that
published results are about, so both are refused.

Axes: W_Q, W_K, W_V [head d_model d_head], W_O [head d_head d_model], W_in [d_model d_mlp].
"""

from typing import TYPE_CHECKING, Any

from pellucid.errors import ModelError, UnsupportedArchitectureError

if TYPE_CHECKING:
    import torch

    Tensors = dict[str, torch.Tensor]

_INSTEAD = (
    "Pass a model made with HookedTransformer.from_pretrained_no_processing(...), or the model's "
    "hub name or folder."
)


def rebuilt(hooked: Any) -> Any:
    """Return a transformers model with a copy of the weights of `hooked`, in evaluation mode.

    Assumes: the weights decide what the model computes; the caller compares the logits.

    Raises:
        ModelError: the weights were folded or centred.
        UnsupportedArchitectureError: neither GPT-2-like nor Llama-like.
    """
    weights = {name: value.detach() for name, value in hooked.state_dict().items()}
    _refuse_processed(hooked.cfg, weights)
    builders = {"GPT2LMHeadModel": _gpt2, "LlamaForCausalLM": _llama}
    architecture = hooked.cfg.original_architecture
    if architecture not in builders:
        raise UnsupportedArchitectureError(
            f"A HookedTransformer of {architecture} cannot be read back; "
            f"{' and '.join(builders)} can. Pass the model's hub name or folder."
        )
    try:
        return builders[architecture](hooked.cfg, weights)
    except KeyError as error:
        raise UnsupportedArchitectureError(
            f"The HookedTransformer of {architecture} has no weight {error}. {_INSTEAD}"
        ) from error


def _refuse_processed(cfg: Any, weights: "Tensors") -> None:
    if str(cfg.normalization_type).endswith("Pre"):
        raise ModelError(f"The HookedTransformer has its norms folded (fold_ln). {_INSTEAD}")
    if weights["unembed.b_U"].abs().max() > 0 or _is_centred(weights["unembed.W_U"]):
        raise ModelError(f"The HookedTransformer has its unembedding centred. {_INSTEAD}")
    if cfg.normalization_type == "LN" and _is_centred(weights["embed.W_E"]):
        raise ModelError(f"The HookedTransformer has its writing weights centred. {_INSTEAD}")


def _is_centred(weight: "torch.Tensor") -> bool:
    return bool(weight.float().mean(-1).abs().max() < 1e-5 * weight.float().std())


def _gpt2(cfg: Any, weights: "Tensors") -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=cfg.d_vocab,
        n_positions=cfg.n_ctx,
        n_embd=cfg.d_model,
        n_layer=cfg.n_layers,
        n_head=cfg.n_heads,
        n_inner=cfg.d_mlp,
        activation_function=cfg.act_fn,
        layer_norm_epsilon=cfg.eps,
        scale_attn_by_inverse_layer_idx=cfg.scale_attn_by_inverse_layer_idx,
        tie_word_embeddings=_is_tied(weights),
    )
    tensors = {
        "transformer.wte.weight": weights["embed.W_E"],
        "transformer.wpe.weight": weights["pos_embed.W_pos"],
        "transformer.ln_f.weight": weights["ln_final.w"],
        "transformer.ln_f.bias": weights["ln_final.b"],
        "lm_head.weight": weights["unembed.W_U"].T.contiguous(),
    }
    for layer in range(cfg.n_layers):
        tensors |= _gpt2_block(f"blocks.{layer}", f"transformer.h.{layer}", weights)
    return _filled(GPT2LMHeadModel, config, tensors)


def _gpt2_block(source: str, target: str, weights: "Tensors") -> "Tensors":
    import torch
    from einops import rearrange

    attention = {name: weights[f"{source}.attn.{name}"] for name in ("W_Q", "W_K", "W_V")}
    biases = [weights[f"{source}.attn.{name}"].flatten() for name in ("b_Q", "b_K", "b_V")]
    joined = [
        rearrange(w, "head d_model d_head -> d_model (head d_head)") for w in attention.values()
    ]
    return {
        f"{target}.ln_1.weight": weights[f"{source}.ln1.w"],
        f"{target}.ln_1.bias": weights[f"{source}.ln1.b"],
        f"{target}.attn.c_attn.weight": torch.cat(joined, dim=1),
        f"{target}.attn.c_attn.bias": torch.cat(biases),
        f"{target}.attn.c_proj.weight": weights[f"{source}.attn.W_O"].flatten(0, 1),
        f"{target}.attn.c_proj.bias": weights[f"{source}.attn.b_O"],
        f"{target}.ln_2.weight": weights[f"{source}.ln2.w"],
        f"{target}.ln_2.bias": weights[f"{source}.ln2.b"],
        f"{target}.mlp.c_fc.weight": weights[f"{source}.mlp.W_in"],
        f"{target}.mlp.c_fc.bias": weights[f"{source}.mlp.b_in"],
        f"{target}.mlp.c_proj.weight": weights[f"{source}.mlp.W_out"],
        f"{target}.mlp.c_proj.bias": weights[f"{source}.mlp.b_out"],
    }


def _llama(cfg: Any, weights: "Tensors") -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=cfg.d_vocab,
        max_position_embeddings=cfg.n_ctx,
        hidden_size=cfg.d_model,
        intermediate_size=cfg.d_mlp,
        num_hidden_layers=cfg.n_layers,
        num_attention_heads=cfg.n_heads,
        num_key_value_heads=cfg.n_key_value_heads or cfg.n_heads,
        head_dim=cfg.d_head,
        hidden_act=cfg.act_fn,
        rms_norm_eps=cfg.eps,
        rope_parameters=_rotary(cfg),
        tie_word_embeddings=_is_tied(weights),
    )
    tensors = {
        "model.embed_tokens.weight": weights["embed.W_E"],
        "model.norm.weight": weights["ln_final.w"],
        "lm_head.weight": weights["unembed.W_U"].T.contiguous(),
    }
    for layer in range(cfg.n_layers):
        tensors |= _llama_block(f"blocks.{layer}", f"model.layers.{layer}", weights)
    return _filled(LlamaForCausalLM, config, tensors)


def _llama_block(source: str, target: str, weights: "Tensors") -> "Tensors":
    from einops import rearrange

    def projection(letter: str) -> "torch.Tensor":
        # Grouped key and value heads are kept under a name with an underscore.
        grouped = weights.get(f"{source}.attn._W_{letter}")
        weight = weights[f"{source}.attn.W_{letter}"] if grouped is None else grouped
        return rearrange(weight, "head d_model d_head -> (head d_head) d_model")

    return {
        f"{target}.input_layernorm.weight": weights[f"{source}.ln1.w"],
        f"{target}.self_attn.q_proj.weight": projection("Q"),
        f"{target}.self_attn.k_proj.weight": projection("K"),
        f"{target}.self_attn.v_proj.weight": projection("V"),
        f"{target}.self_attn.o_proj.weight": weights[f"{source}.attn.W_O"].flatten(0, 1).T,
        f"{target}.post_attention_layernorm.weight": weights[f"{source}.ln2.w"],
        f"{target}.mlp.gate_proj.weight": weights[f"{source}.mlp.W_gate"].T,
        f"{target}.mlp.up_proj.weight": weights[f"{source}.mlp.W_in"].T,
        f"{target}.mlp.down_proj.weight": weights[f"{source}.mlp.W_out"].T,
    }


def _rotary(cfg: Any) -> dict[str, Any]:
    if not getattr(cfg, "use_NTK_by_parts_rope", False):
        return {"rope_type": "default", "rope_theta": float(cfg.rotary_base)}
    return {
        "rope_type": "llama3",
        "rope_theta": float(cfg.rotary_base),
        "factor": cfg.NTK_by_parts_factor,
        "low_freq_factor": cfg.NTK_by_parts_low_freq_factor,
        "high_freq_factor": cfg.NTK_by_parts_high_freq_factor,
        "original_max_position_embeddings": cfg.NTK_original_ctx_len,
    }


def _is_tied(weights: "Tensors") -> bool:
    import torch

    return torch.equal(weights["embed.W_E"], weights["unembed.W_U"].T)


def _filled(model_class: Any, config: Any, tensors: "Tensors") -> Any:
    import torch

    example = next(iter(tensors.values()))
    with torch.device(example.device):
        hf = model_class(config).to(example.dtype)
    missing, unexpected = hf.load_state_dict(tensors, strict=False)
    if missing or unexpected:
        raise UnsupportedArchitectureError(
            f"The HookedTransformer does not fit {model_class.__name__}: missing {missing}, "
            f"left over {unexpected}. {_INSTEAD}"
        )
    return hf.eval()
