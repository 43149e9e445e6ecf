"""Whether arguments are of the kinds that annotations say: one decorator on every public call.

    @checks_kinds
    def attribute(model: Model, *, steps: int | None = None, ...) -> Attribution: ...

    attribute(model, steps=True)
    # ArgumentError: attribute(): steps should be int or None, and is a bool: True.

Only kinds are looked at: names, ranges and what the model has are checked where they are used. What
Python or a library would take silently and mean something else is refused: ``True`` as a number,
bytes as text, NaN, half of a character, a set or a dictionary where an order is needed, an iterator
that can be read only once.
"""

import inspect
import math
import os
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from functools import cache, wraps
from numbers import Integral, Number, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin

from pellucid.errors import ArgumentError

P = ParamSpec("P")
R = TypeVar("R")
_TEXT = (str, bytes, bytearray, memoryview)
"""What Python calls a sequence, and no caller means as a list."""


def checks_kinds(call: Callable[P, R]) -> Callable[P, R]:
    """Function decorator: refuses arguments that are not of the kinds that are annotated.

    **Raises** ``ArgumentError`` that names the argument and says what was found.
    """
    declared = inspect.signature(call)

    @wraps(call)
    def asked(*positional: P.args, **named: P.kwargs) -> R:
        try:
            given = declared.bind(*positional, **named).arguments
        except TypeError:
            return call(*positional, **named)  # Python says best what is missing, or too much
        hints = _hints(call)
        for name, value in given.items():
            parameter = declared.parameters[name]
            if parameter.kind is parameter.VAR_POSITIONAL:
                for one in value:
                    demand_kind(f"{call.__name__}()", name, one, hints[name])
            elif parameter.kind is not parameter.VAR_KEYWORD:
                demand_kind(f"{call.__name__}()", name, value, hints[name])
        return call(*positional, **named)

    return asked


def demand_fields(value: Any) -> None:
    """**Raises** ``ArgumentError`` for the first field of a dataclass that is of another kind."""
    of: Callable[..., Any] = type(value)
    for name, hint in _hints(of).items():
        demand_kind(f"{of.__name__}()", name, getattr(value, name), hint)


def demand_kind(of: str, name: str, value: object, hint: Any) -> None:
    """**Raises** ``ArgumentError`` unless ``value``, argument ``name`` of ``of``, fits ``hint``."""
    if of_kind(value, hint) or set(_either(hint)) >= _TEXT_OR_IDS:
        return
    found, at = value, ""
    while (deeper := next(_unfit(found, hint), None)) is not None:
        place, found, hint = deeper
        at += f"[{place!r:.40}]"
    advice = next(filter(None, (getattr(one, "advice", "") for one in _either(hint))), "")
    if isinstance(found, str) and not is_text(found):
        advice = "It holds half a character (a lone surrogate), which no text can."
    elif isinstance(found, str) and any(get_origin(one) in _LISTS for one in _either(hint)):
        advice = advice or "Give a list."
    should, is_ = hint_in_words(hint), value_in_words(found)
    told = f"{of}: {name}{at} should be {should}, and is {is_}. {advice}".rstrip()
    raise ArgumentError(told, argument=name)


def of_kind(value: object, hint: Any) -> bool:
    """Whether ``value`` is what ``hint`` says; a hint of a kind unknown here fits everything."""
    if plain := _PLAIN.get(hint):
        return plain(value)
    hint = getattr(hint, "array_type", hint)  # of jaxtyping, without its shape
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(of_kind(value, part) for part in parts)
    if origin is Literal:  # names that there are not are refused with those that there are
        return any(of_kind(value, type(part)) for part in parts)
    if origin in _CONTAINERS:
        return _CONTAINERS[origin](value, parts)
    return isinstance(value, hint) if isinstance(hint, type) and not _structural(hint) else True


def hint_in_words(hint: Any) -> str:
    """A hint in words."""
    if hasattr(hint, "array_type"):
        return "a tensor"
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(hint_in_words(part) for part in parts))
    if origin is Literal:
        return f"one of {', '.join(map(repr, parts))}"
    if origin is tuple and parts[-1:] != (...,):
        return f"({', '.join(map(hint_in_words, parts))})"
    if origin in (Sequence, tuple, list):
        return f"a list of {hint_in_words(parts[0])}"
    if origin is Iterable:
        return f"several of {hint_in_words(parts[0])}"
    if origin is Mapping:
        return f"a dictionary from {hint_in_words(parts[0])} to {hint_in_words(parts[1])}"
    if origin is Callable or origin is _CALLABLE:
        return "a function"
    return {NoneType: "None", str: "text", float: "a number", int: "a whole number"}.get(
        hint, getattr(hint, "__name__", str(hint))
    )


def value_in_words(value: object) -> str:
    """What was found, in a few words; nothing of it is run or read to its end."""
    if value is None:
        return "None"
    name = type(value).__name__
    plain = isinstance(value, Number | str | bytes | bytearray | list | tuple | dict | Set)
    return f"a {name}: {reprlib.repr(value)}" if plain else f"of type {name}"


def is_text(value: object) -> bool:
    """Whether it is a string without halves of characters, which UTF-8 cannot write."""
    if not isinstance(value, str):
        return False
    return value.isascii() or not any("\ud800" <= one <= "\udfff" for one in value)


def _is_number(value: object) -> bool:
    real = isinstance(value, Real) and not isinstance(value, bool)
    return real and not math.isnan(value)  # type: ignore[arg-type]


def _is_whole(value: object) -> bool:
    if type(value) is int:
        return -_LARGEST <= value < _LARGEST
    if getattr(value, "ndim", None) == 0:  # of numpy or torch
        value = value.item()  # type: ignore[attr-defined]
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    return whole and -_LARGEST <= value < _LARGEST  # type: ignore[operator]


def _is_path(value: object) -> bool:
    return isinstance(value, os.PathLike) and isinstance(os.fspath(value), str)


def _is_list(value: object, parts: tuple[Any, ...]) -> bool:
    return _in_order(value) and not any(_unfit_in(value, parts[0]))


def _is_tuple(value: object, parts: tuple[Any, ...]) -> bool:
    if parts[-1:] == (...,):
        return _is_list(value, parts)
    if not _in_order(value) or len(value) != len(parts):  # type: ignore[arg-type]
        return False
    return all(map(of_kind, value, parts))  # type: ignore[call-overload]


def _is_several(value: object, parts: tuple[Any, ...]) -> bool:
    if isinstance(value, str):  # one name alone
        return is_text(value) and of_kind("", parts[0])
    if isinstance(value, Set):
        return all(of_kind(one, parts[0]) for one in value)
    listed = isinstance(value, Sequence) or _is_array(value)
    if listed or not isinstance(value, Iterable):
        return _is_list(value, parts)
    return not isinstance(value, Mapping)  # what can be read only once is looked at where it is


def _is_mapping(value: object, parts: tuple[Any, ...]) -> bool:
    if not isinstance(value, Mapping):
        return False
    return all(of_kind(key, parts[0]) and of_kind(one, parts[1]) for key, one in value.items())


def _in_order(value: object) -> bool:
    return (isinstance(value, Sequence) and not isinstance(value, _TEXT)) or _is_array(value)


def _is_array(value: object) -> bool:
    """Whether it is a tensor or an array of at least one axis."""
    return hasattr(value, "tolist") and getattr(value, "ndim", 0) > 0


def _unfit_in(value: Any, hint: Any) -> Iterator[tuple[object, object, Any]]:
    items = value.tolist() if _is_array(value) else value
    return ((n, one, hint) for n, one in enumerate(items) if not of_kind(one, hint))


def _unfit(value: Any, hint: Any) -> Iterator[tuple[object, object, Any]]:
    """The parts of a list or dictionary that do not fit, where only one kind of it is asked for."""
    kinds = [one for one in _either(hint) if get_origin(one) in (*_LISTS, Mapping)]
    if len(kinds) != 1:
        return
    origin, parts = get_origin(kinds[0]), get_args(kinds[0])
    if origin is Mapping and isinstance(value, Mapping):
        yield from (
            (key, one, parts[1]) for key, one in value.items() if not of_kind(one, parts[1])
        )
    elif origin is tuple and parts[-1:] != (...,):
        return  # as a whole: a pair, say
    elif origin in _LISTS and _in_order(value):
        yield from _unfit_in(value, parts[0])


def _either(hint: Any) -> tuple[Any, ...]:
    """The hints of which one is enough."""
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _structural(hint: type) -> bool:
    return bool(getattr(hint, "_is_protocol", False))


_TEXT_OR_IDS = {str, Sequence[int]}
"""Prompts and answers: what is wrong with them says best who makes tokens of them."""
_LARGEST = 2**63
"""Numbers that torch counts with end below it."""
_LISTS = (Sequence, list, tuple, Iterable)
_CALLABLE = get_origin(Callable[..., Any])
_CONTAINERS: dict[Any, Callable[[Any, tuple[Any, ...]], bool]] = {
    Sequence: _is_list,
    list: _is_list,
    tuple: _is_tuple,
    Iterable: _is_several,
    Mapping: _is_mapping,
    _CALLABLE: lambda value, _: callable(value),
}
_PLAIN: dict[Any, Callable[[object], bool]] = {
    str: is_text,
    float: _is_number,
    int: _is_whole,
    Path: _is_path,
    Any: lambda value: True,
    NoneType: lambda value: value is None,
    None: lambda value: value is None,
}


@cache
def _hints(of: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of a function's parameters or a dataclass's fields."""
    space = vars(inspect.getmodule(inspect.unwrap(of)))
    found = {}
    for name, parameter in inspect.signature(of).parameters.items():
        hint = parameter.annotation
        if isinstance(hint, str):
            try:
                hint = eval(hint, dict(space))
            except NameError:  # a name for type checkers alone
                hint = Any
        found[name] = Any if hint is parameter.empty else hint
    return found
