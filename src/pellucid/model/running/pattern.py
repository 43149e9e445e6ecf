"""Attention probabilities, read or written through transformers' own attention registry.

The model keeps its fast kernel (sdpa) except inside ``tapped_patterns``, where the layers that
use the registry run the plain formula: softmax(q k^T scale + mask) v, with soft-capping and
attention sinks as transformers passes them.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from pellucid.errors import EditError
from pellucid.model.anatomy import Anatomy
from pellucid.model.running.changes import Changed, own_attribute, wait_under_way
from pellucid.model.sites import Site

_NAME = "pellucid_patterns"
PatternTap: TypeAlias = Callable[[Tensor], Tensor | None]
PatternTaps: TypeAlias = Mapping[Site, PatternTap]

_active: ContextVar[tuple[dict[nn.Module, PatternTap], set[nn.Module]]] = ContextVar("active")


@contextmanager
def tapped_patterns(model: nn.Module, anatomy: Anatomy, taps: PatternTaps) -> Iterator[None]:
    """Run pattern taps during every forward inside the block.

    **Assumes** attention goes through transformers' ``ALL_ATTENTION_FUNCTIONS``.
    **Raises** ``EditError`` if a tapped layer's attention bypasses the registry.
    """
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    owner: dict[nn.Module, PatternTap] = {}
    for site, tap in taps.items():
        if not 0 <= site.layer < anatomy.n_layers:
            raise EditError(f"{site.name}: the model has layers 0 to {anatomy.n_layers - 1}.")
        attention = anatomy.blocks[site.layer].attention
        if attention is None:
            raise EditError(f"{site.name}: layer {site.layer} has no attention.")
        owner |= dict.fromkeys(attention.module.modules(), tap)
    ran: set[nn.Module] = set()
    configs: dict[int, Any] = {
        id(m.config): m.config
        for m in model.modules()
        if hasattr(getattr(m, "config", None), "_attn_implementation_internal")
    }
    ALL_ATTENTION_FUNCTIONS.register(_NAME, attend)
    ALL_MASK_ATTENTION_FUNCTIONS.register(_NAME, ALL_MASK_ATTENTION_FUNCTIONS["eager"])
    token = _active.set((owner, ran))
    try:
        with Changed(
            own_attribute(config, "_attn_implementation_internal", _NAME)
            for config in configs.values()
        ):
            yield
            _demand_all_ran(taps, anatomy, ran)
    finally:
        _active.reset(token)


def attend(module: nn.Module, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """What the registry calls: attention with the tap of ``module``, if it has one.

    In a forward of another thread, it is the model's own kernel.
    """
    if _active.get(None) is None:
        wait_under_way()
        return _usual_attention(module)(module, *args, **kwargs)
    owner, ran = _active.get()
    ran.add(module)
    return attention_with_tap(owner.get(module), *args, **kwargs)


def _usual_attention(module: nn.Module) -> Callable[..., Any]:
    """The kernel that the configuration names; the plain formula where that is none."""
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    kernel = getattr(getattr(module, "config", None), "_attn_implementation", None)
    if kernel in ALL_ATTENTION_FUNCTIONS.valid_keys() and kernel != _NAME:
        return ALL_ATTENTION_FUNCTIONS[kernel]
    return lambda _, *args, **kwargs: attention_with_tap(None, *args, **kwargs)


def _demand_all_ran(taps: PatternTaps, anatomy: Anatomy, ran: set[nn.Module]) -> None:
    for site in taps:
        attention = anatomy.blocks[site.layer].attention
        assert attention is not None
        if ran.isdisjoint(attention.module.modules()):
            raise EditError(
                f"{site.name}: {type(attention.module).__name__} computes attention itself and "
                "does not go through transformers' attention registry, so its pattern cannot be "
                "read. Use z, q, k or v instead."
            )


def attention_with_tap(
    tap: PatternTap | None,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **settings: Any,
) -> tuple[Tensor, Tensor]:
    """The plain attention formula; ``query [row head pos d_head]``, k/v with fewer heads.

    Of the settings that transformers gives by name, ``scaling``, ``softcap`` and the sinks
    (``s_aux``) are part of the formula.
    """
    scaling, softcap, s_aux = (settings.get(name) for name in ("scaling", "softcap", "s_aux"))
    group = query.shape[1] // key.shape[1]
    key = key.repeat_interleave(group, dim=1)
    value = value.repeat_interleave(group, dim=1)
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    scores = query @ key.transpose(2, 3) * scaling  # row head query key
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    if attention_mask is not None:
        scores = scores + attention_mask[..., : key.shape[-2]]
    if s_aux is not None:
        sinks = s_aux.reshape(1, -1, 1, 1).expand(*scores.shape[:-1], 1)
        pattern = torch.cat([scores, sinks], -1).softmax(-1, dtype=torch.float32)[..., :-1]
    else:
        pattern = scores.softmax(-1, dtype=torch.float32)
    pattern = pattern.to(query.dtype)
    new = tap(pattern) if tap is not None else None
    pattern = pattern if new is None else new
    return (pattern @ value).transpose(1, 2).contiguous(), pattern
