"""What a layout is: how it is told by its content, and how it is read."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from pellucid.dictionary.content import Content
from pellucid.dictionary.dictionary import Dictionary


@dataclass(frozen=True)
class Layout:
    """One layout in which dictionaries are published."""

    name: str
    holds: str
    """What it looks like, for whoever has something else."""
    fits: Callable[[Content], bool]
    read: Callable[[Content], Dictionary]


def places(content: Content, hook: str, *out: str) -> dict[str, Any]:
    """The fields ``hook_in`` and ``hooks_out``; what the caller says counts."""
    asked = content.asked.get("hook_name")
    if asked is not None and not out:
        return {"hook_in": asked, "hooks_out": (asked,)}
    return {"hook_in": asked or hook, "hooks_out": out or (hook,)}


def scaled(weights: dict[str, Tensor], factor: float) -> dict[str, Any]:
    """Weights for inputs as they are, of weights for inputs times ``factor``.

    (x f) W + b is x (f W) + b, and what comes out is divided by f.
    """
    divided = {name: weights[name] / factor for name in ("W_dec", "b_dec")}
    return {**weights, "W_enc": weights["W_enc"] * factor, **divided}


def rms_factor(width: int, mean_norm: float) -> float:
    """What brings vectors of that mean norm to the norm sqrt(width)."""
    return math.sqrt(width) / mean_norm
