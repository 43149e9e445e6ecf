"""Whether the fields of a dataclass hold what their annotations say.

Type checkers see what the code writes; what comes from a file has to be looked at. Tensors are held
to their dtype and shape, and an axis named in several fields of one object has one size in all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from jaxtyping import AbstractArray, jaxtyped
from torch import Tensor


def check_fields(value: Any) -> None:
    """**Raises** ``ValueError`` naming the first field of a dataclass that does not fit."""
    with jaxtyped("context"):  # in which an axis keeps the size that it has first
        for field in fields(value):
            found = getattr(value, field.name)
            if not fits(found, field.type):
                raise ValueError(
                    f"{type(value).__name__}.{field.name} should be {_shown(field.type)}, and is "
                    f"{described(found)}"
                )


def fits(value: Any, hint: Any) -> bool:
    """Whether ``value`` is what ``hint`` says; a hint of a kind unknown here fits everything."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(fits(value, part) for part in parts)
    if origin is Literal:
        return any(value == part and type(value) is type(part) for part in parts)
    if origin is tuple and parts[-1:] != (...,):
        return isinstance(value, tuple) and (
            len(value) == len(parts) and all(map(fits, value, parts))
        )
    if origin in (tuple, list, Sequence):  # each is a tuple when it comes from a file
        return isinstance(value, tuple) and all(fits(one, parts[0]) for one in value)
    if origin in (dict, Mapping):
        return isinstance(value, dict) and all(fits(one, parts[1]) for one in value.values())
    if hint is None:
        return value is None
    if hint in (int, float):
        return isinstance(value, int | hint) and not isinstance(value, bool)
    return isinstance(value, hint) if isinstance(hint, type) else True


def _shown(hint: Any) -> str:
    """A hint as one writes it."""
    if isinstance(hint, type) and issubclass(hint, AbstractArray):
        return f"a tensor [{hint.dim_str.strip()}] of {hint.dtype.__name__}"
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")


def described(value: Any) -> str:
    """What was found, in a few words."""
    if isinstance(value, Tensor):
        return f"one of {str(value.dtype).removeprefix('torch.')} and shape {list(value.shape)}"
    return "None" if isinstance(value, NoneType) else f"a {type(value).__name__}: {value!r:.60}"
