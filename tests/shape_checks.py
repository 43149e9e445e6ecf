"""Checking tensors against their annotations while the tests run (PELLUCID_CHECK_SHAPES=1).

Only annotations that name a shape are checked. The others are mypy's, and the tests of bad input
must reach the errors that the package raises itself.

Functions that name no shape are left as they are: jaxtyping's hook would bind the arguments of
every call, which makes calls of small models several times as long and checks nothing.
"""

from inspect import isclass, isfunction
from typing import Any, TypeVar, get_args

import jaxtyping
from beartype import BeartypeConf, BeartypeStrategy, beartype
from jaxtyping import AbstractArray, install_import_hook

F = TypeVar("F")
WHOLE = BeartypeConf(strategy=BeartypeStrategy.On)
jaxtyped = jaxtyping.jaxtyped


def install() -> None:
    """Check all of the package that is imported from now on.

    The hook writes ``@jaxtyping.jaxtyped(...)`` in front of everything, so that name is where to
    choose.
    """
    install_import_hook("pellucid", "tests.shape_checks.tensors_only")
    jaxtyping.jaxtyped = where_shapes_are_named


def where_shapes_are_named(*given: Any, **how: Any) -> Any:
    """jaxtyping's ``jaxtyped``; as a decorator it leaves alone what names no shape."""
    decorate = jaxtyped(*given, **how)
    if given:
        return decorate
    return lambda thing: decorate(thing) if names_shapes(thing) else thing


def names_shapes(thing: Any) -> bool:
    """Whether a function, or a class's ``__init__``, names a shape in its annotations."""
    function = thing.__init__ if isclass(thing) else thing
    if not isfunction(function):
        return not isclass(thing)
    return any(map(may_have_shape, function.__annotations__.values()))


def may_have_shape(hint: Any) -> bool:
    """Whether a shape is named in an annotation, which can still be text."""
    return "Tensor" in hint if isinstance(hint, str) else has_shape(hint)


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
