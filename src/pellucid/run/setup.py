"""What all measurements of one question share: the recording they start from and how they run.

A ``Setup`` is made in one place from a question and whatever is held of it already; everything
that measures is given the value and nothing of it beside.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypedDict, Unpack

from torch import Tensor

from pellucid.errors import TaskError
from pellucid.model.model import Model
from pellucid.model.sites import Site
from pellucid.options import ABLATION, METRIC, SEED, Ablation
from pellucid.run.ablation import replacements
from pellucid.run.identity import demand_trace_of, refuse, weights_differ
from pellucid.run.record import Trace, record
from pellucid.run.sites import node_sites, stream_sites
from pellucid.task.contrast import Contrasts
from pellucid.task.metrics import Metric

MEMORY_BUDGET = 1 << 30
"""Bytes that one batched call may take for activations, unless the caller says otherwise."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Setup:
    """One question, recorded, and how its parts are replaced."""

    model: Model
    trace: Trace
    ablation: Ablation | Mapping[Site, Tensor] = ABLATION
    """What a replaced part gets instead of its own output; or the values themselves, by site."""
    seed: int = SEED
    """For what is drawn: resampled values, random sets."""
    memory_budget: int = MEMORY_BUDGET
    """Bytes that one batched call may take for activations."""

    def __post_init__(self) -> None:
        self.demand_weights()

    def demand_weights(self) -> None:
        """**Raises** ``MismatchError`` when the model's weights are no longer the recorded ones."""
        refuse("trace", weights_differ(self.model, self.trace.weights))

    @property
    def ablation_name(self) -> str:
        """The ablation as results say it."""
        return self.ablation if isinstance(self.ablation, str) else "given"

    def values(self, sites: Iterable[Site] | None = None) -> Mapping[Site, Tensor]:
        """Replacement values at ``sites`` (default: of all nodes).

        **Cost** none.
        **Raises** ``EditError`` when one example, or prompts of several lengths, are resampled.
        """
        if not isinstance(self.ablation, str):
            return self.ablation
        wanted = node_sites(self.model) if sites is None else sites
        return replacements(self.trace, self.ablation, wanted, seed=self.seed)


class RecordKeywords(TypedDict, total=False):
    """The fields of ``RecordOptions`` as keywords, for type checkers and editors."""

    metric: str | Metric
    trace: Trace | None
    seed: int
    memory_budget: int


class MeasureKeywords(RecordKeywords, total=False):
    """The fields of ``MeasureOptions`` as keywords, for type checkers and editors."""

    ablation: Ablation


@dataclass(frozen=True, kw_only=True)
class RecordOptions:
    """What a caller may say of how a question is recorded and run."""

    metric: str | Metric = METRIC
    """What is measured."""
    trace: Trace | None = None
    """A recording of the question and metric at every node, used instead of recording."""
    seed: int = SEED
    """For whatever is drawn."""
    memory_budget: int = MEMORY_BUDGET
    """Bytes that one batched call may take for activations."""

    def setup(
        self,
        model: Model,
        contrast: Contrasts,
        parts: Iterable[Site] = (),
        *,
        mixture: bool = False,
    ) -> Setup:
        """The setup of a question: its nodes and streams recorded, or the trace that is given.

        The sites of ``parts`` beside nodes are recorded too, and the second point if ``mixture``.

        **Cost** 2 forwards and 1 backward, twice that with ``mixture``; none with a trace.
        **Raises** ``MismatchError`` for a recording of other weights, another question or metric,
        ``TaskError`` for one of too few sites, and what ``record`` raises.
        """
        beside = tuple(dict.fromkeys(parts))
        sites = [*node_sites(model), *stream_sites(model), *beside]
        trace = recorded(
            model, contrast, sites, metric=self.metric, trace=self.trace, mixture=mixture
        )
        lacking = [site.name for site in beside if site not in trace.gradient]
        if lacking:
            raise TaskError(
                f"The trace given does not hold {', '.join(lacking)}. Leave it out, or record it "
                "with these sites too."
            )
        made = Setup(model=model, trace=trace, seed=self.seed, memory_budget=self.memory_budget)
        return self._replacing(made)

    def _replacing(self, made: Setup) -> Setup:
        """The setup, with what the caller said of how parts are replaced."""
        return made


@dataclass(frozen=True, kw_only=True)
class MeasureOptions(RecordOptions):
    """That, and what a caller may say of how parts are replaced."""

    ablation: Ablation = ABLATION
    """What a replaced part gets instead of its own output."""

    def _replacing(self, made: Setup) -> Setup:
        return replace(made, ablation=self.ablation)


def setup_of(model: Model, contrast: Contrasts, **given: Unpack[MeasureKeywords]) -> Setup:
    """The setup of a question, as ``MeasureOptions.setup`` makes it of what is ``given``."""
    return MeasureOptions(**given).setup(model, contrast)


def recorded(
    model: Model,
    contrast: Contrasts,
    sites: Iterable[Site] | None = None,
    *,
    metric: str | Metric = METRIC,
    trace: Trace | None = None,
    mixture: bool = False,
) -> Trace:
    """``trace``, if it is given and a recording of the question at every node; else a recording.

    **Cost** 2 forwards and 1 backward, twice that with ``mixture``; none with a ``trace``.
    **Raises** ``MismatchError`` for a recording of other weights, another question or metric,
    ``TaskError`` for one of too few sites, and what ``record`` raises.
    """
    if trace is None:
        return record(model, contrast, metric=metric, sites=sites, mixture=mixture)
    demand_trace_of(model, contrast, trace, metric)
    if not all(site in trace.clean for site in node_sites(model)):
        raise TaskError("The trace given lacks some nodes. Record it without sites=.")
    return trace


def demand_setup_of(
    model: Model, contrast: Contrasts, setup: Setup, given: RecordOptions, ablation: str
) -> None:
    """**Raises** ``MismatchError`` unless a measure's ``setup`` is what is asked for.

    Values of the caller's own (``ablation_name`` "given") have no name to ask for them by: they
    stand where ``ablation`` was left at its default, and for "optimal".
    """
    demand_trace_of(model, contrast, setup.trace, given.metric, "measure")
    own = setup.ablation_name
    if own != ablation and not (own == "given" and ablation in (ABLATION, "optimal")):
        refuse("measure", [("ablation", own, ablation)])
    if own == "resample" and setup.seed != given.seed:
        refuse("measure", [("seed", str(setup.seed), str(given.seed))])
