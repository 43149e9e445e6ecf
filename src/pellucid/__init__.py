"""Pellucid opens a causal language model and shows which parts of it produce a decision.

Importing this package loads no model library; each name is fetched when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "load": "pellucid.model.open",
    "Model": "pellucid.model.model",
    "Node": "pellucid.model.anatomy",
    "Slot": "pellucid.model.anatomy",
    "Site": "pellucid.model.sites",
    "Contrast": "pellucid.task.contrast",
    "ContrastBatch": "pellucid.task.contrast",
    "tasks": "pellucid.task.builtin",
    "PellucidError": "pellucid.errors",
}

if TYPE_CHECKING:
    from pellucid.errors import PellucidError as PellucidError
    from pellucid.model.anatomy import Node as Node
    from pellucid.model.anatomy import Slot as Slot
    from pellucid.model.model import Model as Model
    from pellucid.model.open import load as load
    from pellucid.model.sites import Site as Site
    from pellucid.task.builtin import tasks as tasks
    from pellucid.task.contrast import Contrast as Contrast
    from pellucid.task.contrast import ContrastBatch as ContrastBatch

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pellucid' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
