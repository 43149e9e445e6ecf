"""Tiny models whose attention goes through transformers' registry, so that patterns are readable.

``TinyTransformer`` computes attention itself, as a model of somebody's own may.
"""

from types import SimpleNamespace

import torch
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from pellucid import Model
from pellucid.model.tiny import TinyTransformer


class RegisteredAttention(nn.Module):
    """The attention of a tiny model, its kernel chosen by ``config`` as transformers does it."""

    def __init__(self, plain: nn.Module):
        super().__init__()
        self.plain = plain
        self.num_heads, self.num_key_value_heads = plain.num_heads, plain.num_key_value_heads
        self.q_proj, self.k_proj, self.v_proj = plain.q_proj, plain.k_proj, plain.v_proj
        self.o_proj = plain.o_proj
        self.config = SimpleNamespace(_attn_implementation_internal="plain")

    def forward(self, normed, mask):
        kernel = self.config._attn_implementation_internal
        if kernel == "plain":
            return self.plain(normed, mask)
        q, k, v = (
            project(normed).unflatten(-1, (-1, self.plain.head_dim)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        barred = torch.zeros(mask.shape, dtype=q.dtype).masked_fill(~mask, -torch.inf)
        z, _ = ALL_ATTENTION_FUNCTIONS[kernel](self, q, k, v, barred)
        return self.o_proj(z.flatten(-2))


def readable(model: TinyTransformer, tokenizer=None) -> Model:
    """A proved tiny model whose patterns can be read."""
    for layer in model.layers:
        layer.attention = RegisteredAttention(layer.attention)
    return Model.build(model.eval(), tokenizer)


def small_gpt2(seed: int = 0, tokenizer=None, **changes) -> Model:
    """Three layers of four heads with random weights, biases and gains."""
    sizes = {"vocab_size": 61, "n_positions": 64, "n_embd": 32, "n_layer": 3, "n_head": 4}
    sizes |= {"bos_token_id": 0, "eos_token_id": 0}
    return _random(GPT2LMHeadModel, GPT2Config(**{**sizes, **changes}), seed, tokenizer)


def small_llama(seed: int = 0, tokenizer=None, **changes) -> Model:
    """Three layers of four query and two key/value heads with random weights and gains."""
    sizes = {
        "vocab_size": 61,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
    }
    return _random(LlamaForCausalLM, LlamaConfig(**{**sizes, **changes}), seed, tokenizer)


def _random(kind, config, seed, tokenizer) -> Model:
    torch.manual_seed(seed)
    module = kind(config).double().eval()
    shake(module)
    return Model.build(module, tokenizer)


def shake(module: nn.Module) -> None:
    """Gains and biases that are neither one nor zero, and weights large enough to matter."""
    for parameter in module.parameters():
        parameter.requires_grad_(False)
        parameter.add_(0.2 * torch.randn_like(parameter))
