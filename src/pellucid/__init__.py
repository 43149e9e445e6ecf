"""Pellucid opens a causal language model and shows which parts of it produce a decision.

Importing this package loads no model library; each name is fetched when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "load": "pellucid.model.opening.load",
    "Model": "pellucid.model.model",
    "Node": "pellucid.model.anatomy",
    "Slot": "pellucid.model.anatomy",
    "PartKind": "pellucid.model.parts",
    "register_part": "pellucid.model.parts",
    "Site": "pellucid.model.sites",
    "Contrast": "pellucid.task.contrast",
    "ContrastBatch": "pellucid.task.contrast",
    "chat_prompt": "pellucid.task.chat",
    "read_prompts": "pellucid.task.prompt_file",
    "tasks": "pellucid.task.builtin",
    "Trace": "pellucid.run.record",
    "record": "pellucid.run.record",
    "Edit": "pellucid.run.edit",
    "Subspace": "pellucid.run.subspace",
    "run_edited": "pellucid.run.edit",
    "Generation": "pellucid.run.generation.generation",
    "generate": "pellucid.run.generation.generate",
    "Interchange": "pellucid.causal.result",
    "interchange": "pellucid.causal.interchange",
    "AlignedSubspace": "pellucid.causal.result",
    "das": "pellucid.causal.das",
    "Probe": "pellucid.probing.result",
    "probe": "pellucid.probing.probe",
    "ProbeEffect": "pellucid.probing.effect",
    "probe_effect": "pellucid.probing.effect",
    "SteeringVector": "pellucid.steering.vector",
    "steering_vector": "pellucid.steering.steering_vector",
    "Steering": "pellucid.steering.effects",
    "steer": "pellucid.steering.steer",
    "Attribution": "pellucid.attribution.nodes",
    "ablate": "pellucid.attribution.ablate",
    "attribute": "pellucid.attribution.nodes",
    "EdgeScores": "pellucid.attribution.edges.scores",
    "attribute_edges": "pellucid.attribution.edges.attribute",
    "patch_edges": "pellucid.attribution.edges.path_patching",
    "PatchEffects": "pellucid.attribution.patch",
    "patch": "pellucid.attribution.patch",
    "AttentionPatterns": "pellucid.lens.heads.attention",
    "attention": "pellucid.lens.heads.attention",
    "Composition": "pellucid.lens.composition.composition",
    "composition": "pellucid.lens.composition.composition",
    "HeadRoles": "pellucid.lens.heads.roles",
    "head_roles": "pellucid.lens.heads.roles",
    "DirectEffects": "pellucid.lens.direct.direct_effects",
    "direct_effects": "pellucid.lens.direct.direct_effects",
    "LogitLens": "pellucid.lens.residual.logit_lens",
    "logit_lens": "pellucid.lens.residual.logit_lens",
    "Neurons": "pellucid.lens.direct.neurons",
    "neurons": "pellucid.lens.direct.neurons",
    "TokenAttribution": "pellucid.lens.tokens.token_attribution",
    "token_attribution": "pellucid.lens.tokens.token_attribution",
    "Circuit": "pellucid.circuit.nodes.circuit",
    "EdgeCircuit": "pellucid.circuit.edges.circuit",
    "EdgeCurve": "pellucid.circuit.edges.curve",
    "EdgeFaithfulness": "pellucid.circuit.edges.faithfulness",
    "discover_edges": "pellucid.circuit.edges.discover",
    "edge_curve": "pellucid.circuit.edges.curve",
    "edge_faithfulness": "pellucid.circuit.edges.faithfulness",
    "read_circuit": "pellucid.circuit.exchange.export",
    "Backups": "pellucid.circuit.self_repair.result",
    "backups": "pellucid.circuit.self_repair.backups",
    "discover": "pellucid.circuit.nodes.discover",
    "Faithfulness": "pellucid.circuit.nodes.faithfulness",
    "faithfulness": "pellucid.circuit.nodes.faithfulness",
    "Analysis": "pellucid.analysis.result",
    "AnalysisOptions": "pellucid.analysis.options",
    "analyze": "pellucid.analysis.analyze",
    "read_decisions": "pellucid.analysis.decisions",
    "most_forwards": "pellucid.analysis.forwards",
    "Study": "pellucid.studies.result",
    "study": "pellucid.studies.study",
    "Activations": "pellucid.run.corpus.container",
    "activations": "pellucid.run.corpus.activations",
    "Callback": "pellucid.callbacks",
    "Progress": "pellucid.callbacks",
    "showing_progress": "pellucid.progress_bar",
    "watching": "pellucid.callbacks",
    "read_table": "pellucid.results.disk.csv_table",
    "Passes": "pellucid.results.passes",
    "Refusal": "pellucid.results.refusal",
    "Result": "pellucid.results.result",
    "Dictionary": "pellucid.dictionary.dictionary",
    "LatentTable": "pellucid.features.table",
    "describe_latents": "pellucid.features.table",
    "FeatureAttribution": "pellucid.features.result",
    "attribute_features": "pellucid.features.attribute",
    "DictionaryEvaluation": "pellucid.features.evaluate",
    "evaluate_dictionary": "pellucid.features.evaluate",
    "with_dictionaries": "pellucid.dictionary.attach",
    "fit_dictionary": "pellucid.dictionary.training.fit",
    "export_dictionaries": "pellucid.dictionary.export",
    "read_dictionary": "pellucid.dictionary.read",
    "AlignmentError": "pellucid.errors",
    "ArgumentError": "pellucid.errors",
    "BehaviourError": "pellucid.errors",
    "BudgetError": "pellucid.errors",
    "ContextLengthError": "pellucid.errors",
    "CorruptModelError": "pellucid.errors",
    "CorruptionError": "pellucid.errors",
    "DictionaryError": "pellucid.errors",
    "EditError": "pellucid.errors",
    "FigureError": "pellucid.errors",
    "HookError": "pellucid.errors",
    "MismatchError": "pellucid.errors",
    "MissingDependencyError": "pellucid.errors",
    "ModelError": "pellucid.errors",
    "ModelNotFoundError": "pellucid.errors",
    "NonFiniteError": "pellucid.errors",
    "PellucidError": "pellucid.errors",
    "ResultFileError": "pellucid.errors",
    "TaskError": "pellucid.errors",
    "TokenError": "pellucid.errors",
    "UnsupportedArchitectureError": "pellucid.errors",
}

if TYPE_CHECKING:
    from pellucid.analysis.analyze import analyze as analyze
    from pellucid.analysis.decisions import read_decisions as read_decisions
    from pellucid.analysis.forwards import most_forwards as most_forwards
    from pellucid.analysis.options import AnalysisOptions as AnalysisOptions
    from pellucid.analysis.result import Analysis as Analysis
    from pellucid.attribution.ablate import ablate as ablate
    from pellucid.attribution.edges.attribute import attribute_edges as attribute_edges
    from pellucid.attribution.edges.path_patching import patch_edges as patch_edges
    from pellucid.attribution.edges.scores import EdgeScores as EdgeScores
    from pellucid.attribution.nodes import Attribution as Attribution
    from pellucid.attribution.nodes import attribute as attribute
    from pellucid.attribution.patch import PatchEffects as PatchEffects
    from pellucid.attribution.patch import patch as patch
    from pellucid.callbacks import Callback as Callback
    from pellucid.callbacks import Progress as Progress
    from pellucid.callbacks import watching as watching
    from pellucid.causal.das import das as das
    from pellucid.causal.interchange import interchange as interchange
    from pellucid.causal.result import AlignedSubspace as AlignedSubspace
    from pellucid.causal.result import Interchange as Interchange
    from pellucid.circuit.edges.circuit import EdgeCircuit as EdgeCircuit
    from pellucid.circuit.edges.curve import EdgeCurve as EdgeCurve
    from pellucid.circuit.edges.curve import edge_curve as edge_curve
    from pellucid.circuit.edges.discover import discover_edges as discover_edges
    from pellucid.circuit.edges.faithfulness import EdgeFaithfulness as EdgeFaithfulness
    from pellucid.circuit.edges.faithfulness import edge_faithfulness as edge_faithfulness
    from pellucid.circuit.exchange.export import read_circuit as read_circuit
    from pellucid.circuit.nodes.circuit import Circuit as Circuit
    from pellucid.circuit.nodes.discover import discover as discover
    from pellucid.circuit.nodes.faithfulness import Faithfulness as Faithfulness
    from pellucid.circuit.nodes.faithfulness import faithfulness as faithfulness
    from pellucid.circuit.self_repair.backups import backups as backups
    from pellucid.circuit.self_repair.result import Backups as Backups
    from pellucid.dictionary.attach import with_dictionaries as with_dictionaries
    from pellucid.dictionary.dictionary import Dictionary as Dictionary
    from pellucid.dictionary.export import export_dictionaries as export_dictionaries
    from pellucid.dictionary.read import read_dictionary as read_dictionary
    from pellucid.dictionary.training.fit import fit_dictionary as fit_dictionary
    from pellucid.errors import AlignmentError as AlignmentError
    from pellucid.errors import ArgumentError as ArgumentError
    from pellucid.errors import BehaviourError as BehaviourError
    from pellucid.errors import BudgetError as BudgetError
    from pellucid.errors import ContextLengthError as ContextLengthError
    from pellucid.errors import CorruptionError as CorruptionError
    from pellucid.errors import CorruptModelError as CorruptModelError
    from pellucid.errors import DictionaryError as DictionaryError
    from pellucid.errors import EditError as EditError
    from pellucid.errors import FigureError as FigureError
    from pellucid.errors import HookError as HookError
    from pellucid.errors import MismatchError as MismatchError
    from pellucid.errors import MissingDependencyError as MissingDependencyError
    from pellucid.errors import ModelError as ModelError
    from pellucid.errors import ModelNotFoundError as ModelNotFoundError
    from pellucid.errors import NonFiniteError as NonFiniteError
    from pellucid.errors import PellucidError as PellucidError
    from pellucid.errors import ResultFileError as ResultFileError
    from pellucid.errors import TaskError as TaskError
    from pellucid.errors import TokenError as TokenError
    from pellucid.errors import UnsupportedArchitectureError as UnsupportedArchitectureError
    from pellucid.features.attribute import attribute_features as attribute_features
    from pellucid.features.evaluate import DictionaryEvaluation as DictionaryEvaluation
    from pellucid.features.evaluate import evaluate_dictionary as evaluate_dictionary
    from pellucid.features.result import FeatureAttribution as FeatureAttribution
    from pellucid.features.table import LatentTable as LatentTable
    from pellucid.features.table import describe_latents as describe_latents
    from pellucid.lens.composition.composition import Composition as Composition
    from pellucid.lens.composition.composition import composition as composition
    from pellucid.lens.direct.direct_effects import DirectEffects as DirectEffects
    from pellucid.lens.direct.direct_effects import direct_effects as direct_effects
    from pellucid.lens.direct.neurons import Neurons as Neurons
    from pellucid.lens.direct.neurons import neurons as neurons
    from pellucid.lens.heads.attention import AttentionPatterns as AttentionPatterns
    from pellucid.lens.heads.attention import attention as attention
    from pellucid.lens.heads.roles import HeadRoles as HeadRoles
    from pellucid.lens.heads.roles import head_roles as head_roles
    from pellucid.lens.residual.logit_lens import LogitLens as LogitLens
    from pellucid.lens.residual.logit_lens import logit_lens as logit_lens
    from pellucid.lens.tokens.token_attribution import TokenAttribution as TokenAttribution
    from pellucid.lens.tokens.token_attribution import token_attribution as token_attribution
    from pellucid.model.anatomy import Node as Node
    from pellucid.model.anatomy import Slot as Slot
    from pellucid.model.model import Model as Model
    from pellucid.model.opening.load import load as load
    from pellucid.model.parts import PartKind as PartKind
    from pellucid.model.parts import register_part as register_part
    from pellucid.model.sites import Site as Site
    from pellucid.probing.effect import ProbeEffect as ProbeEffect
    from pellucid.probing.effect import probe_effect as probe_effect
    from pellucid.probing.probe import probe as probe
    from pellucid.probing.result import Probe as Probe
    from pellucid.progress_bar import showing_progress as showing_progress
    from pellucid.results.disk.csv_table import read_table as read_table
    from pellucid.results.passes import Passes as Passes
    from pellucid.results.refusal import Refusal as Refusal
    from pellucid.results.result import Result as Result
    from pellucid.run.corpus.activations import activations as activations
    from pellucid.run.corpus.container import Activations as Activations
    from pellucid.run.edit import Edit as Edit
    from pellucid.run.edit import run_edited as run_edited
    from pellucid.run.generation.generate import generate as generate
    from pellucid.run.generation.generation import Generation as Generation
    from pellucid.run.record import Trace as Trace
    from pellucid.run.record import record as record
    from pellucid.run.subspace import Subspace as Subspace
    from pellucid.steering.effects import Steering as Steering
    from pellucid.steering.steer import steer as steer
    from pellucid.steering.steering_vector import steering_vector as steering_vector
    from pellucid.steering.vector import SteeringVector as SteeringVector
    from pellucid.studies.result import Study as Study
    from pellucid.studies.study import study as study
    from pellucid.task.builtin import tasks as tasks
    from pellucid.task.chat import chat_prompt as chat_prompt
    from pellucid.task.contrast import Contrast as Contrast
    from pellucid.task.contrast import ContrastBatch as ContrastBatch
    from pellucid.task.prompt_file import read_prompts as read_prompts

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name == "zoo":  # a room of its own: pellucid.zoo.run
        return import_module("pellucid.zoo")
    if name not in _HOMES:
        raise AttributeError(f"module 'pellucid' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
