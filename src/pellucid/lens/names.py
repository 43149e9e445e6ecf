"""Choosing heads and views by name."""

from collections.abc import Sequence
from typing import TypeAlias

from pellucid.errors import EditError, TaskError, unknown_names
from pellucid.model.anatomy import Node
from pellucid.model.model import Model
from pellucid.options import demand_choice

Names: TypeAlias = str | Sequence[str] | None


def chosen_heads(model: Model, names: Names, *, argument: str = "heads") -> tuple[Node, ...]:
    """The heads called ``names`` (``"L9H6"`` or several), in computing order; None is all.

    **Raises** ``EditError`` for a name that is no head of this model.
    """
    every = {node.name: node for node in model.nodes if node.kind == "head"}
    if names is None:
        return tuple(every.values())
    listed = [names] if isinstance(names, str | int) else list(names)
    unknown = [name for name in listed if name not in every]
    if unknown or not listed:
        raise EditError(
            f"{argument}={unknown}: no such head. The names of this model's heads go from "
            f"{next(iter(every), 'none')} to {list(every)[-1] if every else 'none'}; leave "
            f"{argument}= out for all.",
            **unknown_names(unknown, every),
        )
    wanted = set(listed)
    return tuple(node for name, node in every.items() if name in wanted)


def chosen_view(show: str, views: object) -> None:
    """**Raises** ``TaskError`` for a ``show=`` that is none of ``views`` (a ``Literal``)."""
    demand_choice("show", show, views, TaskError)
