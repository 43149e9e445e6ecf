"""The one way from a result up to what shows it: figure, story, text, page, file.

What draws a result, tells it or writes it for another tool stands above what makes it, so no result
imports that. Functions are registered by the type of result and what they give::

    @shows(ProbeAccuracy, "figure")
    def draw(found: ProbeAccuracy) -> Figure: ...

and a result's own method asks for them: ``shown(self, "figure")``. Pellucid's are registered when
the room ``pellucid.views`` is imported, by name, when something is first to be shown.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

_ROOM = "pellucid.views"
F = TypeVar("F", bound=Callable[..., Any])
_SHOWN_BY: dict[tuple[type, str], Callable[..., Any]] = {}


def shows(kind: type, what: str) -> Callable[[F], F]:
    """Function decorator: it gives the ``what`` of results of ``kind``, and of types below it.

    Pellucid asks for a ``figure``, a ``loss figure``, a ``story``, a ``text``, a ``page``, a
    ``frame`` of a notebook, ``markdown`` and a ``file``. A later function replaces an earlier one.
    """

    def register(function: F) -> F:
        _SHOWN_BY[kind, what] = function
        return function

    return register


def shown(result: object, what: str, *arguments: Any, **settings: Any) -> Any:
    """What the function registered for the result's type gives; the nearest type counts.

    **Raises** ``TypeError`` where none is registered.
    """
    import_module(_ROOM)
    for kind in type(result).__mro__:
        if (kind, what) in _SHOWN_BY:
            return _SHOWN_BY[kind, what](result, *arguments, **settings)
    raise TypeError(
        f"Nothing gives the {what} of a {type(result).__name__}. Register a function with "
        f"@shows({type(result).__name__}, {what!r}), from pellucid.results.views."
    )
