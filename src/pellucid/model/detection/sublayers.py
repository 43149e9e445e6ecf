"""Attention and MLP inside one recorded block: which modules they are and what they read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pellucid.errors import UnsupportedArchitectureError
from pellucid.model.anatomy import Projection, Write
from pellucid.model.detection.families import HEADS
from pellucid.model.detection.probe import Call, Record, same_values, text_config
from pellucid.model.detection.writes import behind, is_norm, is_plain
from pellucid.model.linear import is_linear

HEAD_NAMES = ("num_heads", "num_attention_heads", "n_heads", "n_head", "num_query_heads")
KV_HEAD_NAMES = ("num_key_value_heads", "num_kv_heads", "n_kv_heads", "kv_heads")


@dataclass(frozen=True)
class _Reading:
    """How a sublayer reads the stream."""

    norm: nn.Module | None
    point: int | None
    """Which of the given points of the stream it reads; None when it reads something else."""


def find_attention(
    name: str, block: nn.Module, record: Record, d_model: int
) -> tuple[nn.Module | None, nn.Module | None]:
    """The outermost module that calls itself attention, and its output projection.

    **Raises** ``UnsupportedArchitectureError`` when there are two, or no output projection.
    """
    found: list[tuple[nn.Module, nn.Module]] = []
    inner: set[nn.Module] = set()
    bare: Call | None = None
    for call in sorted(record.calls, key=lambda c: c.name.count(".")):
        if call.module is block or call.module in inner or not attends(call):
            continue
        linears = [c for c in record.within(call.module) if is_linear(c.module)]
        giving = [c for c in linears if c.out is not None and c.out.shape[-1] == d_model]
        if len(linears) >= 2 and giving:
            found.append((call.module, giving[-1].module))
            inner |= set(call.module.modules())
        elif linears:
            bare = call
    if len(found) > 1:
        kinds = " and ".join(type(module).__name__ for module, _ in found)
        raise UnsupportedArchitectureError(
            f"{name} has several attention sublayers in one layer ({kinds}). Pellucid names heads "
            "by layer, one attention sublayer each, and refuses to guess which is meant."
        )
    if bare is not None and not found:
        raise UnsupportedArchitectureError(
            f"{name}: {type(bare.module).__name__} has no linear output projection that every "
            "head goes through, so what single heads write cannot be told apart."
        )
    return found[0] if found else (None, None)


def attends(call: Call) -> bool:
    """Whether a module calls itself attention, by its class or else by its own name."""

    def says(label: str) -> bool:
        return "attention" in label or "attn" in label

    if is_plain(call.module):
        return False  # a norm called post_attention_layernorm
    held = call.name.lower().split(".")
    held_as = held[-2] if held[-1].isdigit() and len(held) > 1 else held[-1]
    by_name = says(held_as) and not is_norm(call.module)
    return says(type(call.module).__name__.lower()) or by_name


def head_count(model: nn.Module, module: nn.Module, layer: int) -> int:
    """Number of query heads, from the attention module or else the configuration."""
    config = text_config(model)
    exception = HEADS.get(getattr(config, "model_type", ""))
    return exception(config) if exception else _count(model, module, layer, HEAD_NAMES, 1)


def kv_head_count(model: nn.Module, module: nn.Module, layer: int, default: int) -> int:
    """Number of key/value heads."""
    return _count(model, module, layer, KV_HEAD_NAMES, default)


def _count(
    model: nn.Module, module: nn.Module, layer: int, names: tuple[str, ...], default: int
) -> int:
    for owner in (*module.modules(), getattr(module, "config", None), text_config(model)):
        for name in names:
            value = _attribute(owner, name)
            if isinstance(value, list | tuple) and layer < len(value):
                value = value[layer]
            if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                return value
    return default


def _attribute(owner: Any, name: str) -> Any:
    # Configurations with sizes that differ by layer raise on reading them as if there were one.
    try:
        return getattr(owner, name, None)
    except (AttributeError, ValueError, RuntimeError):
        return None


def reading(record: Record, inside: set[nn.Module], points: list[Tensor]) -> _Reading:
    """The norm whose input is the stream at one of ``points`` and whose output is read inside.

    Both ends are compared by value, so nothing is taken for a norm because of its name.
    """
    norms = [c for c in record.calls if is_norm(c.module) and not holds_attention(c, record)]
    gates = {m for c in norms for m in c.module.modules()}
    readers = [
        c
        for c in record.calls
        if c.module in inside and not is_plain(c.module) and c.module not in gates
    ]
    for call in record.calls:
        whole = is_plain(call.module) or is_norm(call.module)
        if not whole or holds_attention(call, record) or call.out is None:
            continue
        if same_values(call.given, call.out):
            continue
        point = nearest(call.given, points)
        fed = (r for r in readers if r.module is not call.module and same_values(r.given, call.out))
        if point is not None and any(fed):
            return _Reading(call.module, point)
    for call in readers:
        point = nearest(call.given, points)
        if point is not None:
            return _Reading(None, point)
    return _Reading(None, None)


def holds_attention(call: Call, record: Record) -> bool:
    """Whether a module has attention inside it (DBRX puts both norms around it in one module)."""
    inside = set(call.module.modules()) - {call.module}
    return any(c.module in inside and attends(c) for c in record.calls)


def nearest(given: Tensor | None, points: list[Tensor]) -> int | None:
    """Which point of the stream ``given`` is, to rounding; the exact one if there is one."""
    if given is None:
        return None
    exact = [i for i, point in enumerate(points) if same_values(given, point)]
    if exact:
        return exact[0]
    for i, point in enumerate(points):
        if given.numel() != point.numel():
            continue
        gap = float((given.double().flatten() - point.double().flatten()).norm())
        if gap <= 4 * torch.finfo(point.dtype).eps * float(point.double().norm()):
            return i
    return None


def mlp_parts(block: nn.Module, attention: nn.Module | None) -> set[nn.Module]:
    """Every module of the block that is not attention, nor holds it."""
    inside = set(attention.modules()) if attention is not None else set()
    return {m for m in block.modules() if inside.isdisjoint(m.modules()) and m is not block}


def mlp_module(block: nn.Module, parts: set[nn.Module], writes: tuple[Write, ...]) -> nn.Module:
    """The child that holds what is written; the block itself where layers lie flat in it."""
    children = [c for c in block.children() if c in parts and not is_plain(c)]
    holders = [c for c in children if any(w.module in set(c.modules()) for w in writes)]
    if len(children) == 1:
        return children[0]
    return holders[0] if holders and not is_linear(holders[0]) else block


def leads_to(record: Record, module: nn.Module, write: Write) -> bool:
    """Whether what ``module`` returns is what is written, as it is or through norms alone."""
    start, end = record.of(module), record.of(write.module)
    if start is None or end is None:
        return False
    return any(same_values(c.out, end.out) for c in (start, *behind(record, [start])))


def norms_between(record: Record, module: nn.Module, write: Write) -> tuple[nn.Module, ...]:
    """The norms that turn what ``module`` returns into what ``write`` adds, in order.

    **Assumes** that it ``leads_to`` it.
    """
    reached, end = record.of(module), record.of(write.module)
    assert reached is not None
    assert end is not None
    found: list[nn.Module] = []
    while not same_values(reached.out, end.out):
        steps = behind(record, [reached])
        reached = next(
            c
            for c in steps
            if same_values(c.given, reached.out) and not same_values(c.out, c.given)
        )
        found.append(reached.module)
    return tuple(found)


def reads_more(record: Record, attention: nn.Module, found: Sequence[Projection]) -> bool:
    """Whether attention reads the stream with more than the projections ``found``."""
    modules = {p.module for p in found}
    inputs = [record.of(m) for m in modules]
    for call in record.within(attention):
        holds_others = any(call.module.children()) and not is_linear(call.module)
        if call.module in modules or is_plain(call.module) or holds_others:
            continue
        if any(one is not None and same_values(call.given, one.given) for one in inputs):
            return True
    for module, one in zip(modules, inputs, strict=True):
        covered = torch.cat([p.columns.flatten() for p in found if p.module is module])
        if one is None or one.out is None or len(covered.unique()) < one.out.shape[-1]:
            return True
    return False


def find_neurons(
    record: Record, parts: set[nn.Module], writes: tuple[Write, ...]
) -> nn.Module | None:
    """The down-projection of a dense MLP: the last linear, and its result is what is written."""
    linears = [c for c in record.calls if c.module in parts and is_linear(c.module)]
    if len(writes) != 1 or not linears or not leads_to(record, linears[-1].module, writes[0]):
        return None
    return linears[-1].module
