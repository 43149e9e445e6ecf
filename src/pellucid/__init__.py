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
    "Trace": "pellucid.run.record",
    "record": "pellucid.run.record",
    "Edit": "pellucid.run.edit",
    "run_edited": "pellucid.run.edit",
    "Attribution": "pellucid.attribution.nodes",
    "attribute": "pellucid.attribution.nodes",
    "PatchEffects": "pellucid.attribution.patch",
    "patch": "pellucid.attribution.patch",
    "DirectEffects": "pellucid.lens.direct",
    "direct_effects": "pellucid.lens.direct",
    "LogitLens": "pellucid.lens.logit_lens",
    "logit_lens": "pellucid.lens.logit_lens",
    "Neurons": "pellucid.lens.neurons",
    "neurons": "pellucid.lens.neurons",
    "TokenAttribution": "pellucid.lens.tokens",
    "token_attribution": "pellucid.lens.tokens",
    "Circuit": "pellucid.circuit.circuit",
    "discover": "pellucid.circuit.discover",
    "Faithfulness": "pellucid.circuit.faithfulness",
    "faithfulness": "pellucid.circuit.faithfulness",
    "Analysis": "pellucid.analysis.result",
    "analyze": "pellucid.analysis.analyze",
    "BudgetError": "pellucid.errors",
    "EditError": "pellucid.errors",
    "NonFiniteError": "pellucid.errors",
    "PellucidError": "pellucid.errors",
    "TaskError": "pellucid.errors",
}

if TYPE_CHECKING:
    from pellucid.analysis.analyze import analyze as analyze
    from pellucid.analysis.result import Analysis as Analysis
    from pellucid.attribution.nodes import Attribution as Attribution
    from pellucid.attribution.nodes import attribute as attribute
    from pellucid.attribution.patch import PatchEffects as PatchEffects
    from pellucid.attribution.patch import patch as patch
    from pellucid.circuit.circuit import Circuit as Circuit
    from pellucid.circuit.discover import discover as discover
    from pellucid.circuit.faithfulness import Faithfulness as Faithfulness
    from pellucid.circuit.faithfulness import faithfulness as faithfulness
    from pellucid.errors import BudgetError as BudgetError
    from pellucid.errors import EditError as EditError
    from pellucid.errors import NonFiniteError as NonFiniteError
    from pellucid.errors import PellucidError as PellucidError
    from pellucid.errors import TaskError as TaskError
    from pellucid.lens.direct import DirectEffects as DirectEffects
    from pellucid.lens.direct import direct_effects as direct_effects
    from pellucid.lens.logit_lens import LogitLens as LogitLens
    from pellucid.lens.logit_lens import logit_lens as logit_lens
    from pellucid.lens.neurons import Neurons as Neurons
    from pellucid.lens.neurons import neurons as neurons
    from pellucid.lens.tokens import TokenAttribution as TokenAttribution
    from pellucid.lens.tokens import token_attribution as token_attribution
    from pellucid.model.anatomy import Node as Node
    from pellucid.model.anatomy import Slot as Slot
    from pellucid.model.model import Model as Model
    from pellucid.model.open import load as load
    from pellucid.model.sites import Site as Site
    from pellucid.run.edit import Edit as Edit
    from pellucid.run.edit import run_edited as run_edited
    from pellucid.run.record import Trace as Trace
    from pellucid.run.record import record as record
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
