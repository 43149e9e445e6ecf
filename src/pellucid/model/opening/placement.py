"""Which dtype and which device a model is opened with."""

import re
from typing import TYPE_CHECKING, get_args

from pellucid.errors import ModelError
from pellucid.options import DTYPE, DtypeName

if TYPE_CHECKING:
    import torch


def dtype_name(dtype: object) -> str | None:
    """Return the name of a dtype given as a string or a `torch.dtype`, without importing torch.

    Raises:
        ModelError: it is not one of `DtypeName`.
    """
    if dtype is None:
        return None
    name = str(dtype).removeprefix("torch.")
    if name not in get_args(DtypeName):
        raise ModelError(
            f"dtype is {dtype!r}, and should be one of {', '.join(get_args(DtypeName))}."
        )
    return name


def device_name(device: object) -> str | None:
    """Return the name of a device given as a string or a `torch.device`, without importing torch.

    Raises:
        ModelError: it does not read like a device.
    """
    if device is None:
        return None
    name = str(device)
    if not re.fullmatch(r"[a-z]+(:\d+)?", name):
        raise ModelError(f"device is {device!r}, and should be a name such as 'cpu' or 'cuda:0'.")
    return name


def available_devices() -> list[str]:
    """The devices that this machine offers, as torch names them."""
    import torch

    found = ["cpu"]
    found += [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    found += [f"xpu:{index}" for index in range(torch.xpu.device_count())]
    if torch.backends.mps.is_available():
        found.append("mps")
    return found


def device_for(name: str | None) -> "torch.device":
    """Return the device with this name, the CPU for None.

    Raises:
        ModelError: this machine does not have it; names those it has.
    """
    import torch

    if name is None:
        return torch.device("cpu")
    available = available_devices()
    families = {device.split(":")[0] for device in available}
    if name in available or name in families:
        return torch.device(name)
    raise ModelError(f"There is no device {name!r} here. Available: {', '.join(available)}.")


def dtype_for(name: str | None) -> "torch.dtype":
    """Return the torch dtype with this name, float32 for None."""
    import torch

    found = getattr(torch, name or DTYPE)
    assert isinstance(found, torch.dtype)
    return found


def rounding(stored: str | None, dtype: "torch.dtype") -> list[str]:
    """That weights were rounded on opening, as a note; none where the dtype holds each exactly."""
    import torch

    before = getattr(torch, stored or "", None)
    if not isinstance(before, torch.dtype) or not before.is_floating_point:
        return []
    old, new = torch.finfo(before), torch.finfo(dtype)
    if new.eps <= old.eps and new.max >= old.max:
        return []
    name = str(dtype).removeprefix("torch.")
    return [
        f"The weights are {stored} on the disk and were rounded to {name}; dtype={stored!r} keeps "
        "them."
    ]
