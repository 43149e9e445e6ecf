"""A whole transformer in one page, for reading and for exact tests.

It computes in float64 by default, has no dropout and no cache, and shows its parts under the names
that every Hugging Face decoder uses, so it is opened like any other model.
"""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

ROTARY_BASE = 100.0


@dataclass(frozen=True, kw_only=True)
class TinyConfig:
    """Sizes; ``d_mlp=0`` makes an attention-only model, ``norm="none"`` a nearly linear one."""

    vocab_size: int = 32
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    num_key_value_heads: int = 4
    hidden_size: int = 16
    head_dim: int = 4
    d_mlp: int = 32
    max_position_embeddings: int = 64
    norm: Literal["layer", "rms", "none"] = "rms"
    parallel: bool = False
    mlp: Literal["gelu", "gated"] = "gelu"
    rotary_pairs: int = 0
    """How many pairs of a head's query and key features turn with the position (RoPE)."""


class TinyTransformer(nn.Module):
    """tokens -> embedding + position -> blocks -> norm -> logits."""

    def __init__(self, config: TinyConfig, *, seed: int = 0, dtype: torch.dtype = torch.float64):
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.vocab_size, config.hidden_size, dtype=dtype)
        self.position = nn.Embedding(
            config.max_position_embeddings, config.hidden_size, dtype=dtype
        )
        self.layers = nn.ModuleList(
            TinyBlock(config, dtype) for _ in range(config.num_hidden_layers)
        )
        self.norm = make_norm(config, dtype)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False, dtype=dtype)
        generator = torch.Generator().manual_seed(seed)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5, generator=generator)
            elif name.endswith("_proj.bias"):
                nn.init.normal_(parameter, std=0.1, generator=generator)

    def forward(
        self,
        input_ids: Int[Tensor, "row pos"],
        attention_mask: Int[Tensor, "row pos"] | None = None,
        position_ids: Int[Tensor, "row pos"] | None = None,
    ) -> SimpleNamespace:
        """Logits ``[row pos d_vocab]`` as ``.logits``."""
        if position_ids is None:
            position_ids = torch.arange(input_ids.shape[1], device=input_ids.device)[None]
        mask = causal_mask(input_ids, attention_mask)  # row 1 query key
        stream = self.embed(input_ids) + self.position(position_ids)  # row pos d_model
        for block in self.layers:
            stream = block(stream, mask)
        return SimpleNamespace(logits=self.lm_head(self.norm(stream)))  # row pos d_vocab

    def get_output_embeddings(self) -> nn.Module:
        """The unembedding."""
        return self.lm_head


class TinyBlock(nn.Module):
    """Attention and MLP, each reading the normed stream and adding to it."""

    def __init__(self, config: TinyConfig, dtype: torch.dtype):
        super().__init__()
        self.parallel = config.parallel
        self.attention_norm = make_norm(config, dtype)
        self.attention = TinyAttention(config, dtype)
        self.mlp_norm = make_norm(config, dtype) if config.d_mlp else None
        self.mlp = make_mlp(config, dtype) if config.d_mlp else None

    def forward(
        self, stream: Float[Tensor, "row pos d_model"], mask: Bool[Tensor, "row 1 query key"]
    ) -> Float[Tensor, "row pos d_model"]:
        """The stream with both terms added."""
        after = stream + self.attention(self.attention_norm(stream), mask)
        if self.mlp is None or self.mlp_norm is None:
            return after
        return after + self.mlp(self.mlp_norm(stream if self.parallel else after))


class TinyAttention(nn.Module):
    """Softmax attention with grouped key/value heads, and rotary positions if asked for."""

    def __init__(self, config: TinyConfig, dtype: torch.dtype):
        super().__init__()
        self.num_heads = config.num_attention_heads
        self.num_key_value_heads = config.num_key_value_heads
        self.head_dim = config.head_dim
        self.rotary_pairs = config.rotary_pairs
        width, kv_width = self.num_heads * self.head_dim, self.num_key_value_heads * self.head_dim
        self.q_proj = nn.Linear(config.hidden_size, width, bias=False, dtype=dtype)
        self.k_proj = nn.Linear(config.hidden_size, kv_width, bias=False, dtype=dtype)
        self.v_proj = nn.Linear(config.hidden_size, kv_width, bias=False, dtype=dtype)
        self.o_proj = nn.Linear(width, config.hidden_size, bias=False, dtype=dtype)

    def forward(
        self, normed: Float[Tensor, "row pos d_model"], mask: Bool[Tensor, "row 1 query key"]
    ) -> Float[Tensor, "row pos d_model"]:
        """The sum of all heads' terms."""
        group = self.num_heads // self.num_key_value_heads
        q, k, v = (
            project(normed).unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )  # row head pos d_head
        q, k = rotate(q, self.rotary_pairs), rotate(k, self.rotary_pairs)
        k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
        scores = q @ k.transpose(-1, -2) / self.head_dim**0.5  # row head query key
        pattern = scores.masked_fill(~mask, -torch.inf).softmax(-1)
        z = (pattern @ v).transpose(1, 2)  # row pos head d_head
        return self.o_proj(z.flatten(-2))  # row pos d_model


class TinyMlp(nn.Module):
    """up -> GELU -> down."""

    def __init__(self, config: TinyConfig, dtype: torch.dtype):
        super().__init__()
        self.up_proj = nn.Linear(config.hidden_size, config.d_mlp, dtype=dtype)
        self.act = nn.GELU()
        self.down_proj = nn.Linear(config.d_mlp, config.hidden_size, dtype=dtype)

    def forward(self, normed: Float[Tensor, "row pos d_model"]) -> Float[Tensor, "row pos d_model"]:
        """The MLP's term."""
        return self.down_proj(self.act(self.up_proj(normed)))


class TinyGatedMlp(nn.Module):
    """(SiLU of gate) times up -> down."""

    def __init__(self, config: TinyConfig, dtype: torch.dtype):
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.d_mlp, dtype=dtype)
        self.up_proj = nn.Linear(config.hidden_size, config.d_mlp, dtype=dtype)
        self.down_proj = nn.Linear(config.d_mlp, config.hidden_size, dtype=dtype)

    def forward(self, normed: Float[Tensor, "row pos d_model"]) -> Float[Tensor, "row pos d_model"]:
        """The MLP's term."""
        gate = nn.functional.silu(self.gate_proj(normed))  # row pos d_mlp
        return self.down_proj(gate * self.up_proj(normed))


def rotate(
    x: Float[Tensor, "row head pos d_head"], pairs: int
) -> Float[Tensor, "row head pos d_head"]:
    """Features i and pairs + i turned by  position x ROTARY_BASE^(-i / pairs),  for i < pairs."""
    if not pairs:
        return x
    speed = ROTARY_BASE ** (-torch.arange(pairs, device=x.device, dtype=x.dtype) / pairs)
    angle = torch.arange(x.shape[2], device=x.device, dtype=x.dtype)[:, None] * speed  # pos pair
    one, other, rest = x.split([pairs, pairs, x.shape[-1] - 2 * pairs], dim=-1)
    cos, sin = angle.cos(), angle.sin()
    return torch.cat([one * cos - other * sin, one * sin + other * cos, rest], dim=-1)


def make_mlp(config: TinyConfig, dtype: torch.dtype) -> TinyMlp | TinyGatedMlp:
    """The MLP that the configuration names."""
    return TinyGatedMlp(config, dtype) if config.mlp == "gated" else TinyMlp(config, dtype)


def make_norm(config: TinyConfig, dtype: torch.dtype) -> nn.Module:
    """The norm that the configuration names; an identity for ``none``."""
    if config.norm == "layer":
        return nn.LayerNorm(config.hidden_size, dtype=dtype)
    if config.norm == "rms":
        return nn.RMSNorm(config.hidden_size, eps=1e-6, dtype=dtype)
    return nn.Identity()


def causal_mask(
    input_ids: Int[Tensor, "row pos"], attention_mask: Int[Tensor, "row pos"] | None
) -> Bool[Tensor, "row 1 query key"]:
    """True where a query may look: at itself and at earlier real tokens."""
    length = input_ids.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=input_ids.device).tril()
    if attention_mask is None:
        return causal.expand(len(input_ids), 1, length, length)
    # A padded query has no real key; letting it see itself keeps its softmax finite.
    own = torch.eye(length, dtype=torch.bool, device=input_ids.device)
    return (causal & attention_mask[:, None, None, :].bool()) | own
