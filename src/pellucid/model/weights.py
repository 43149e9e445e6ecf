"""Which weights a model has now: a look at whether they moved, and their hash.

The hash is SHA-256 over all that is stored, and takes a second for half a billion parameters. It is
computed again when the *state* is another: where tensors lie, how often they were written to, which
adapters act, and sums of what the tensors hold. The sums are there because PyTorch does not count
what is written through ``weight.data``, through a NumPy view, or to tensors made in inference mode.

Inside one public call (``holding_weights``) the sums are not taken again.
"""

import hashlib
from collections.abc import Hashable, Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

ADAPTER_STATE = ("active_adapters", "merged_adapters", "disable_adapters", "scaling")
"""What PEFT's layers say of the adapters in them; switching or scaling one writes no parameter."""
_CHUNK = 127
"""Words of eight bytes that are summed together: fewer than a row has in any model of this size."""
_SMALL = 1 << 16
"""Bytes of a tensor up to which all of it is looked at, without sums."""

_HASHED: MutableMapping[nn.Module, tuple[Hashable, str]] = WeakKeyDictionary()
_HELD: ContextVar[dict[int, tuple[Hashable, str]] | None] = ContextVar("held", default=None)


def weight_hash(module: nn.Module) -> str:
    """``hash_of_weights`` of the weights as they are now.

    **Cost** reading the weights once, as a forward of one token does; the hash where they moved.
    """
    held = _HELD.get()
    place = weight_places(module)
    if held is not None and id(module) in held and held[id(module)][0] == place:
        return held[id(module)][1]
    state = (place, weight_sums(module))
    known = _HASHED.get(module)
    if known is None or known[0] != state:
        known = (state, hash_of_weights(module))
        _HASHED[module] = known
    if held is not None:
        held[id(module)] = (place, known[1])
    return known[1]


@contextmanager
def holding_weights() -> Iterator[None]:
    """Inside the block, sums of a model's weights are taken once, when they are first needed."""
    if _HELD.get() is not None:
        yield
        return
    token = _HELD.set({})
    try:
        yield
    finally:
        _HELD.reset(token)


def stored_tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Every parameter, and every buffer that is saved with the model, by its name.

    Buffers that are not saved are left out: a model computes them itself, some in every forward.
    Of a quantised parameter the tensors are given that it is made of.
    """
    for name, tensor in module.named_parameters():
        yield from _plain(name, tensor)
    for path, part in module.named_modules():
        for own, buffer in part._buffers.items():
            if buffer is not None and own not in part._non_persistent_buffers_set:
                yield from _plain(f"{path}.{own}" if path else own, buffer)


def _plain(name: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    if is_traceable_wrapper_subclass(tensor):
        inner, _ = tensor.__tensor_flatten__()
        for own in inner:
            yield from _plain(f"{name}.{own}", getattr(tensor, own))
        return
    yield name, tensor
    for own, beside in _scales(tensor).items():
        if isinstance(beside, Tensor):
            yield f"{name}.{own}", beside


def _scales(tensor: Tensor) -> dict[str, Any]:
    """What bitsandbytes keeps beside the integers of a quantised parameter."""
    told: Any = getattr(tensor, "quant_state", None)
    own: dict[str, Any] = told.as_dict() if hasattr(told, "as_dict") else {}
    return own | {name: getattr(tensor, name) for name in ("SCB",) if hasattr(tensor, name)}


def weight_places(module: nn.Module) -> Hashable:
    """What is different after a tensor was written to or replaced, or an adapter switched.

    **Cost** a walk over the tensors; none of their values is read.
    """
    tensors = tuple(
        (name, id(tensor), tensor.data_ptr(), _version(tensor))
        for name, tensor in stored_tensors(module)
    )
    return tensors, adapter_state(module)


def weight_sums(module: nn.Module) -> str:
    """A digest of all small tensors, and of sums of every chunk of large ones, as whole numbers.

    **Cost** reading the weights once.
    """
    digest = hashlib.blake2b()
    with torch.no_grad():
        parts = [part for _, tensor in stored_tensors(module) for part in _chunk_sums(tensor)]
    for part in parts:
        digest.update(_bytes(part))
    return digest.hexdigest()


def _chunk_sums(tensor: Tensor) -> tuple[Tensor, Tensor]:
    raw = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
    whole = 0 if len(raw) <= _SMALL else len(raw) // (8 * _CHUNK) * (8 * _CHUNK)
    if whole and raw.data_ptr() % 8:  # a view that does not begin where whole words do
        raw = raw.clone()
    return raw[:whole].view(torch.int64).view(-1, _CHUNK).sum(1), raw[whole:]


def adapter_state(module: nn.Module) -> tuple[tuple[str, ...], ...]:
    """The adapters that are active, merged, off or scaled, for every layer that has some."""
    found = []
    for name, part in module.named_modules():
        if not _has(part, "active_adapters"):
            continue
        told = [getattr(part, attribute, None) for attribute in ADAPTER_STATE]
        # Every model of transformers has methods of these names, with or without adapters.
        state = [None if callable(value) else value for value in told]
        if any(value is not None for value in state):
            found.append((name, *map(repr, state)))
    return tuple(found)


def _has(part: nn.Module, attribute: str) -> bool:
    """Without asking ``nn.Module``, which is slow to say no."""
    return attribute in part.__dict__ or hasattr(type(part), attribute)


def hash_of_weights(module: nn.Module) -> str:
    """SHA-256 over every stored tensor's name, shape and bytes, in name order, and adapters."""
    digest = hashlib.sha256()
    for name, tensor in sorted(stored_tensors(module), key=lambda named: named[0]):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(_bytes(tensor.detach()))
    for told in adapter_state(module):
        digest.update(repr(told).encode())
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> memoryview:
    raw = tensor.cpu().contiguous().reshape(-1)
    return raw.view(torch.uint8).numpy().data


def _version(tensor: Tensor) -> int:
    return -1 if tensor.is_inference() else int(tensor._version)
