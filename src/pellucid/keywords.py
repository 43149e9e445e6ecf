"""Functions with many options that are written once: a typed ``**options`` with the defaults shown.

    @dataclass(frozen=True, kw_only=True)
    class SearchOptions:                            # defaults, and checks in __post_init__
        budget: int = BUDGET

    class SearchKeywords(TypedDict, total=False):   # for type checkers and editors
        budget: int

    @keywords_of(SearchOptions)
    def search(model: Model, **options: Unpack[SearchKeywords]) -> Circuit:
        chosen = SearchOptions(**options)

``inspect.signature``, ``help()`` and notebooks then show ``search(model, *, budget=150)``. A
keyword that there is not is a ``TypeError`` that names the nearest.
"""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from difflib import get_close_matches
from functools import wraps
from typing import ParamSpec, TypeVar, get_args

P = ParamSpec("P")
R = TypeVar("R")


def keywords_of(*options: type) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Shows each key of a function's ``**options: Unpack[...]`` with its default.

    The default is that of the field of its name in one of the dataclasses ``options``.

    **Raises** ``TypeError``, when the function is defined, for a key without a default or of
    another type than the field, and for a field with a default that is no key.
    """

    def front(function: Callable[P, R]) -> Callable[P, R]:
        written = inspect.signature(function)
        *named, caught = written.parameters.values()
        shown = [*named, *_parameters(caught, options)]
        known = [parameter.name for parameter in shown]

        @wraps(function)
        def checked(*args: P.args, **keywords: P.kwargs) -> R:
            for name in keywords:
                if name not in known:
                    raise TypeError(_unknown(function.__name__, name, known))
            return function(*args, **keywords)

        checked.__signature__ = written.replace(parameters=shown)  # type: ignore[attr-defined]
        return checked

    return front


def _parameters(caught: inspect.Parameter, options: tuple[type, ...]) -> list[inspect.Parameter]:
    (keys,) = get_args(caught.annotation)
    defaults: dict[str, Field[object]] = {
        field.name: field
        for one in options
        for field in fields(one)
        if field.default is not MISSING
    }
    if set(keys.__annotations__) != set(defaults):
        odd = sorted(set(keys.__annotations__) ^ set(defaults))
        raise TypeError(f"{keys.__name__}: {', '.join(odd)} should be a key, and have a default.")
    for name, hint in keys.__annotations__.items():
        if getattr(hint, "__forward_arg__", hint) != defaults[name].type:
            raise TypeError(f"{keys.__name__}: {name} is {hint}, its field {defaults[name].type}.")
    return [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type
        )
        for name, field in defaults.items()
    ]


def _unknown(function: str, name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"It takes {', '.join(known)}."
    return f"{function}() got an unexpected keyword argument {name!r}. {hint}"
