"""What may be chosen of an analysis: checked before anything is run, carried as one value."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, TypedDict

from pellucid.arguments import demand_fields
from pellucid.attribution.nodes import demand_gradient
from pellucid.circuit.nodes.options import demand_search_with
from pellucid.errors import EditError, TaskError
from pellucid.options import (
    ABLATION,
    ANALYSIS_CONTROLS,
    ANALYSIS_RANDOM_SETS,
    BUDGET,
    INCLUDE,
    METRIC,
    NODE_METHOD,
    NODE_SEARCH,
    OPPONENTS,
    OVER,
    SEED,
    TARGET,
    Ablation,
    Include,
    NodeMethod,
    NodeSearch,
    Opponents,
    Over,
    demand_choice,
)
from pellucid.task.metrics import Metric
from pellucid.task.metrics import metric as resolve_metric


class AnalysisKeywords(TypedDict, total=False):
    """The options of ``analyze`` and ``study`` as keywords, for type checkers and editors."""

    method: NodeMethod
    search: NodeSearch
    over: Over
    opponents: Opponents
    target: float
    budget: int
    ablation: Ablation
    metric: str | Metric
    random_sets: int
    controls: int
    seed: int
    insist: bool
    include: Sequence[Include]


@dataclass(frozen=True, kw_only=True)
class AnalysisOptions:
    """Everything that may be chosen of ``analyze`` beside the question.

    **Raises** ``TaskError`` for an unknown method or metric, and for two that do not go together;
    ``EditError`` for any other value that is not one of the choices or outside its range.
    """

    method: NodeMethod = NODE_METHOD
    """How heads and MLPs are ranked."""
    search: NodeSearch = NODE_SEARCH
    """How the circuit is found among them."""
    over: Over = OVER
    """The parts that the circuit is searched in."""
    opponents: Opponents = OPPONENTS
    """Whether parts that oppose the answer strongly are always kept in the circuit."""
    target: float = TARGET
    """Sufficiency to reach, above 0 and up to 1."""
    budget: int = BUDGET
    """Forwards that recording and search may spend."""
    ablation: Ablation = ABLATION
    """What replaced parts give instead."""
    metric: str | Metric = METRIC
    """What is measured: a name, or a function of logits and question."""
    random_sets: int = ANALYSIS_RANDOM_SETS
    """Random circuits of each of two kinds that are measured beside the one found; 0 for none."""
    controls: int = ANALYSIS_CONTROLS
    """Random sets that what steps in is compared with, under every ablation; with 0 growths are
    told and no backup is claimed."""
    seed: int = SEED
    """For whatever is drawn."""
    insist: bool = False
    """Claim a circuit even if the model does not prefer the answer."""
    include: Sequence[Include] = INCLUDE
    """What else the result holds of the question, beside the circuit (``include.py``)."""

    def __post_init__(self) -> None:
        demand_fields(self)
        demand_choice("method", self.method, NodeMethod, TaskError)
        demand_choice("search", self.search, NodeSearch, EditError)
        demand_choice("over", self.over, Over, EditError)
        demand_choice("opponents", self.opponents, Opponents, EditError)
        demand_search_with(self.opponents, self.search)
        demand_choice("ablation", self.ablation, Ablation, EditError)
        for one in self.include:
            demand_choice("include", one, Include, EditError)
        # Once each, and hashable as the other options are.
        object.__setattr__(self, "include", tuple(dict.fromkeys(self.include)))
        if not 0 < self.target <= 1 or min(self.random_sets, self.controls) < 0:
            raise EditError(
                f"target={self.target}, random_sets={self.random_sets}, controls={self.controls}: "
                "give a target above 0 and up to 1, and no fewer than 0 random sets and controls."
            )
        if self.metric != "kl":
            resolve_metric(self.metric)
        demand_gradient(self.method, self.metric)

    @property
    def changed(self) -> dict[str, Any]:
        """Those that differ from the default, by name."""
        return {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if getattr(self, field.name) != field.default
        }
