"""Options declared once, as dataclasses, and expanded into the parameters of every command.

    @expanded
    def patch(question: QuestionOptions, model: ModelOptions, top: Top = 20) -> None: ...

is to the command line a function of every field of the two, in the order of the parameters and,
in each, of the fields. A field with ``LAST`` in its metadata comes behind all others.
"""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any

import typer

from pellucid.cli.help import readable

LAST = "last"
"""The key of a field's metadata that puts it behind all other options of a command."""
PANEL = "panel"
"""The name of a dataclass's constant: the heading in the help under which its options stand."""


def option(told: str, *names: str, **limits: Any) -> Any:
    """An option with its help first; called as its parameter is, unless ``names`` are given."""
    return typer.Option(*names, help=told, **limits)


def expanded(command: Callable[..., None]) -> Callable[..., None]:
    """``command``, with the fields of its dataclasses as parameters of its own.

    Each dataclass is made before the command begins, and may refuse its values.
    """
    written = inspect.signature(command).parameters.values()
    groups: dict[str, Any] = {p.name: p.annotation for p in written if is_dataclass(p.annotation)}
    shown: list[inspect.Parameter] = []
    last: list[inspect.Parameter] = []
    for parameter in written:
        if parameter.name not in groups:
            annotation = readable(parameter.annotation, None, parameter.name)
            shown.append(
                parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=annotation)
            )
            continue
        group = groups[parameter.name]
        for field in fields(group):
            (last if LAST in field.metadata else shown).append(_parameter(field, group))

    def run(**values: Any) -> None:
        made = {
            name: group(**{field.name: values.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        command(**values, **made)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in [*shown, *last]}
    run.__signature__ = inspect.Signature([*shown, *last])  # type: ignore[attr-defined]
    return run


def _parameter(field: Field[Any], group: type) -> inspect.Parameter:
    default = inspect.Parameter.empty if field.default is MISSING else field.default
    annotation = readable(field.type, _panel_of(field.name, group), field.name)
    return inspect.Parameter(
        field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )


def _panel_of(field: str, group: type) -> str | None:
    """The heading of the class that declares a field."""
    for declaring in group.__mro__:
        if field in inspect.get_annotations(declaring):
            return getattr(declaring, PANEL, None)
    return None
