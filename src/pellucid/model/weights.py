"""Which weights a model has now: a cheap look at whether they moved, and their hash."""

import hashlib
from collections.abc import Hashable, Iterator
from typing import Any

import torch
from torch import nn

ADAPTER_STATE = ("active_adapters", "merged_adapters", "disable_adapters")
"""What PEFT's layers say of the adapters in them; switching one changes no parameter."""


def weight_state(module: nn.Module) -> Hashable:
    """What is different after any parameter was written to or replaced, or an adapter switched.

    **Cost** a walk over the parameters; none of their values is read.
    """
    parameters = tuple(
        (name, id(p), p.data_ptr(), _version(p)) for name, p in module.named_parameters()
    )
    return parameters, adapter_state(module)


def adapter_state(module: nn.Module) -> tuple[tuple[str, ...], ...]:
    """The adapters that are active, merged or off, and their scales, for every layer with some."""
    found = []
    for name, part in module.named_modules():
        told = [repr(getattr(part, attribute, None)) for attribute in ADAPTER_STATE]
        if any(value != "None" for value in told):
            found.append((name, *told, repr(getattr(part, "scaling", None))))
    return tuple(found)


def hash_of_weights(module: nn.Module) -> str:
    """SHA-256 over every parameter's name, shape and bytes, in name order, and adapters' state."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.named_parameters()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        for stored in _stored(tensor.detach()):
            raw = stored.cpu().contiguous().view(-1)
            digest.update(raw.view(torch.uint8).numpy().data)
    for told in adapter_state(module):
        digest.update(repr(told).encode())
    return digest.hexdigest()


def _stored(tensor: Any) -> Iterator[torch.Tensor]:
    """What a tensor keeps in memory: itself, or the parts of one that is quantised (torchao)."""
    if type(tensor) is torch.Tensor or not hasattr(tensor, "__tensor_flatten__"):
        yield tensor
        return
    for part in tensor.__tensor_flatten__()[0]:
        yield from _stored(getattr(tensor, part))


def _version(parameter: Any) -> int:
    return -1 if parameter.is_inference() else int(parameter._version)
