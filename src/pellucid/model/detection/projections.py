"""Where the queries, keys and values of each head lie, in separate and in fused projections.

A fused layout is recognised by value: with a single token every head attends to it alone, so its
output *is* its value vector, and the layout whose value columns show that is the right one.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pellucid.model.anatomy import Projection
from pellucid.model.linear import is_linear

if TYPE_CHECKING:
    from pellucid.model.detection.probe import Record

NAMES = {
    "q": re.compile(r"(?i)^(q|wq|q_proj|query|query_proj|q_lin|to_q|linear_q|q_linear|project_q)$"),
    "k": re.compile(r"(?i)^(k|wk|k_proj|key|key_proj|k_lin|to_k|linear_k|k_linear|project_k)$"),
    "v": re.compile(r"(?i)^(v|wv|v_proj|value|value_proj|v_lin|to_v|linear_v|v_linear|project_v)$"),
}
_Found = tuple[Projection | None, Projection | None, Projection | None, int]


@dataclass(frozen=True)
class HeadSizes:
    """How many heads and key/value heads an attention layer has, and the width of one."""

    n_heads: int
    n_kv_heads: int
    d_head: int


def find_projections(
    record: "Record",
    single: "Record",
    attention: nn.Module,
    out_proj: nn.Module,
    heads: HeadSizes,
) -> _Found:
    """The q, k and v projections and the number of key/value heads; None where there are none.

    Multi-head latent attention, for one, has no per-head key or value that reads the stream.
    """
    linears = {
        name.rpartition(".")[2]: module
        for name, module in attention.named_modules()
        if module is not out_proj and record.of(module) is not None and _width(record, module)
    }
    separate = {
        kind: next((m for leaf, m in linears.items() if pattern.match(leaf)), None)
        for kind, pattern in NAMES.items()
    }
    if all(separate.values()):
        return _separate(record, separate, heads)  # type: ignore[arg-type]
    for module in linears.values():
        fused = _fused(_width(record, module), single, module, out_proj, heads)
        if fused is not None:
            return fused
    return None, None, None, heads.n_kv_heads


def _width(record: "Record", module: nn.Module) -> int:
    call = record.of(module)
    whole = is_linear(module) or not any(True for _ in module.children())
    return call.out.shape[-1] if whole and call is not None and call.out is not None else 0


def _separate(record: "Record", modules: dict[str, nn.Module], heads: HeadSizes) -> _Found:
    n_heads, d_head = heads.n_heads, heads.d_head
    widths = {kind: _width(record, module) for kind, module in modules.items()}
    n_kv = max(1, widths["v"] // d_head)
    d_key = widths["k"] // n_kv
    if widths["k"] % n_kv or n_heads % n_kv or widths["q"] % n_heads:
        return None, None, None, n_heads
    # A query projection of twice the width carries an output gate behind each head's query.
    stride = widths["q"] // n_heads
    query = torch.arange(n_heads)[:, None] * stride + torch.arange(min(d_key, stride))
    return (
        Projection(modules["q"], query),
        Projection(modules["k"], torch.arange(widths["k"]).reshape(n_kv, d_key)),
        Projection(modules["v"], torch.arange(widths["v"]).reshape(n_kv, -1)),
        n_kv,
    )


def _fused(
    width: int, single: "Record", module: nn.Module, out_proj: nn.Module, heads: HeadSizes
) -> _Found | None:
    n_heads, d_head = heads.n_heads, heads.d_head
    for n_kv in dict.fromkeys((heads.n_kv_heads, n_heads, 1)):
        if width != (n_heads + 2 * n_kv) * d_head or n_heads % n_kv:
            continue
        for columns in layouts(n_heads, n_kv, d_head):
            if values_match(single, module, out_proj, columns[2], n_heads):
                q, k, v = (Projection(module, c) for c in columns)
                return q, k, v, n_kv
    return None


def layouts(n_heads: int, n_kv: int, d_head: int) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Column indices ``[head, d_head]`` of q, k and v under each known way to fuse them."""
    group = n_heads // n_kv
    index = torch.arange((n_heads + 2 * n_kv) * d_head)
    split = (n_heads * d_head, n_kv * d_head, n_kv * d_head)
    found = [tuple(part.reshape(-1, d_head) for part in index.split(split))]
    # Per key/value head: its queries, then its key, then its value (GPT-NeoX, BLOOM, Falcon).
    grouped = index.reshape(n_kv, group + 2, d_head)
    found.append((grouped[:, :group].reshape(-1, d_head), grouped[:, group], grouped[:, group + 1]))
    # CodeGen: four model-parallel slices, each query, value, key.
    if n_heads % 4 == 0 and n_kv == n_heads:
        sliced = index.reshape(4, 3, n_heads // 4, d_head)
        found.append(tuple(sliced[:, part].reshape(-1, d_head) for part in (0, 2, 1)))
    return found


def values_match(
    single: "Record", module: nn.Module, out_proj: nn.Module, columns: Tensor, n_heads: int
) -> bool:
    """Whether a lone token's head outputs are the values found at ``columns``."""
    projected, read = single.of(module), single.of(out_proj)
    if projected is None or read is None or projected.out is None or read.given is None:
        return False
    value = projected.out.reshape(-1)[columns.to(projected.out.device)]
    value = value.repeat_interleave(n_heads // value.shape[0], dim=0)
    seen = read.given.reshape(-1)
    return value.numel() == seen.numel() and bool(
        (value.reshape(-1) - seen).norm() <= 1e-2 * seen.norm()
    )
