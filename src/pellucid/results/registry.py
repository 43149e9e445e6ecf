"""The types that may stand in a saved result, each once, under its full name.

A class of Pellucid's is ``pellucid.Circuit``, wherever its module is; files say ``Circuit``, as a
name without a dot is Pellucid's own. A class of somebody else's is called by its module and name,
``thesis.probes.Probe``, or as it declares: a declared name stays when the module moves.
"""

import sys
from collections.abc import Callable
from typing import TypeVar, overload

_OWN = "pellucid."
T = TypeVar("T", bound=type)
_TYPES: dict[str, type] = {}
_NAMES: dict[type, str] = {}


@overload
def stored(cls: T) -> T: ...
@overload
def stored(*, name: str) -> Callable[[T], T]: ...
def stored(cls: T | None = None, *, name: str | None = None) -> T | Callable[[T], T]:
    """Class decorator: a dataclass that may appear inside a saved result.

    ``name`` is the full name under which it is written, with a dot in it.

    **Raises** ``TypeError`` as ``register`` does.
    """
    if cls is not None:
        register(cls)
        return cls

    def decorate(one: T) -> T:
        register(one, name)
        return one

    return decorate


def register(cls: type, name: str | None = None) -> None:
    """Take ``cls`` up under ``name``, else under the name that follows from its place.

    **Raises** ``TypeError`` when another class has the name, or it is not one to declare.
    """
    own = cls.__module__.startswith(_OWN)
    usual = f"{_OWN}{cls.__name__}" if own else f"{cls.__module__}.{cls.__qualname__}"
    if name is not None and not own and ("." not in name or name.startswith(_OWN)):
        raise TypeError(
            f"{usual} declares the name {name!r}. Give one with a dot in it that does not begin "
            f"with {_OWN!r}, such as 'mylab.{cls.__name__}'."
        )
    full = name or _name_before_slots(cls) or usual
    earlier = _TYPES.get(full)
    if earlier is not None and not _made_anew(cls, earlier):
        raise TypeError(
            f"{cls.__module__}.{cls.__qualname__} would be saved as {full!r}, and so is "
            f"{earlier.__module__}.{earlier.__qualname__}: files of one could not be told from "
            f"files of the other. Rename it, or declare a name: class {cls.__name__}(Result, "
            "name='mylab.Other')."
        )
    _TYPES[full] = cls
    _NAMES[cls] = full


def _made_anew(cls: type, earlier: type) -> bool:
    """Whether ``cls`` is the class ``earlier`` once more, and not a second one.

    So are what ``dataclass(slots=True)`` makes of a class, a cell of a notebook that is run again,
    and a class inside a function that is called again.
    """
    if _name_before_slots(cls) is not None:  # its qualified name is given to it later
        return True
    if (cls.__module__, cls.__qualname__) != (earlier.__module__, earlier.__qualname__):
        return False
    interactive = cls.__module__ == "__main__" and hasattr(sys, "ps1")
    return interactive or "<locals>" in cls.__qualname__


def _name_before_slots(cls: type) -> str | None:
    """The name of the class of which ``dataclass(slots=True)`` made ``cls``, which has its fields.

    It makes the second class without the keywords of the first, so without a declared name.
    """
    fields = cls.__dict__.get("__dataclass_fields__")
    if fields is None:
        return None
    same = (n for n, one in _TYPES.items() if one.__dict__.get("__dataclass_fields__") is fields)
    return next(same, None)


def full_name(cls: type) -> str:
    """The name under which ``cls`` was taken up.

    **Raises** ``TypeError`` for a class that may not stand in a saved result.
    """
    if cls not in _NAMES:
        raise TypeError(f"{cls.__name__} is not marked with @stored")
    return _NAMES[cls]


def written_name(cls: type) -> str:
    """The name in files: Pellucid's own types without ``pellucid.``."""
    return full_name(cls).removeprefix(_OWN)


def registered(name: str) -> type | None:
    """The class behind a name in a file, among those that are imported; None if there is none.

    Files of earlier versions name a class of somebody else's without its module: it is found where
    only one is called so.
    """
    if "." in name:
        return _TYPES.get(name)
    if _OWN + name in _TYPES:
        return _TYPES[_OWN + name]
    alike = [one for one in _TYPES.values() if one.__name__ == name]
    return alike[0] if len(alike) == 1 else None


def own_types() -> dict[str, type]:
    """Pellucid's own types that are imported, by the name in files."""
    own = {name: one for name, one in _TYPES.items() if name.startswith(_OWN)}
    return {name.removeprefix(_OWN): one for name, one in sorted(own.items())}
