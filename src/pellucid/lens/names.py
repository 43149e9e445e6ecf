"""Choosing heads and views by name."""

from typing import TypeAlias

from pellucid.errors import TaskError
from pellucid.model.anatomy import Node
from pellucid.model.model import Model
from pellucid.model.named_parts import PartNames, parts_named
from pellucid.options import demand_choice

Names: TypeAlias = PartNames | None


def chosen_heads(model: Model, names: Names, *, argument: str = "heads") -> tuple[Node, ...]:
    """The heads called ``names`` (see ``parts_named``), in computing order; None is all.

    **Raises** ``EditError`` for a name that is no head of this model.
    """
    every = tuple(node for node in model.nodes if node.kind == "head")
    if names is None:
        return every
    return parts_named(model.anatomy, names, among=every, argument=argument)


def chosen_view(show: str, views: object) -> None:
    """**Raises** ``TaskError`` for a ``show=`` that is none of ``views`` (a ``Literal``)."""
    demand_choice("show", show, views, TaskError)
