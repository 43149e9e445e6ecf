"""Checking tensors against their annotations while the tests run (PELLUCID_CHECK_SHAPES=1).

Only annotations that name a shape are checked. The others are mypy's, and the tests of bad input
must reach the errors that the package raises itself.
"""

from inspect import isfunction
from typing import Any, TypeVar, get_args

from beartype import BeartypeConf, BeartypeStrategy, beartype
from jaxtyping import AbstractArray

F = TypeVar("F")
WHOLE = BeartypeConf(strategy=BeartypeStrategy.On)


def tensors_only(function: F) -> F:
    """``function``, checked by beartype where its annotations name shapes."""
    if not isfunction(function):
        return function
    kept = {name: hint for name, hint in function.__annotations__.items() if has_shape(hint)}
    if not kept:
        return function
    every, function.__annotations__ = function.__annotations__, kept
    try:
        return beartype(conf=WHOLE)(function)
    finally:
        function.__annotations__ = every


def has_shape(hint: Any) -> bool:
    """Whether a shape is named anywhere in an annotation."""
    if isinstance(hint, type) and issubclass(hint, AbstractArray):
        return True
    return any(has_shape(part) for part in get_args(hint))
