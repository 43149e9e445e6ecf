"""What may be chosen of a search for nodes: checked before anything is run."""

from dataclasses import dataclass
from typing import get_args

from pellucid.circuit.nodes.circuit import over_text
from pellucid.errors import EditError
from pellucid.model.named_parts import PartNames
from pellucid.options import (
    BUDGET,
    NODE_SEARCH,
    OPPONENTS,
    OVER,
    TARGET,
    NodeSearch,
    Opponents,
    Over,
    demand_choice,
)
from pellucid.run.setup import MeasureKeywords, MeasureOptions


class NodeSearchKeywords(MeasureKeywords, total=False):
    """The options of ``discover`` as keywords, for type checkers and editors."""

    method: NodeSearch
    over: Over | PartNames
    opponents: Opponents
    target: float
    budget: int
    insist: bool


@dataclass(frozen=True, kw_only=True)
class NodeSearchOptions(MeasureOptions):
    """Everything that may be chosen of ``discover`` beside the question.

    **Raises** ``EditError`` for an unknown method, or a target that is no share.
    """

    method: NodeSearch = NODE_SEARCH
    over: Over | PartNames = OVER
    """The parts that the circuit is searched in; or their names, as in ``M1.neurons+M2``, also in a
    list."""
    opponents: Opponents = OPPONENTS
    """``kept``: parts whose measured effect opposes the answer strongly (``opponents.py``) are
    always in the circuit. ``left``, as published searches have it: only where the ranking takes
    them, so that a set can reach the target by leaving out what works against the answer."""
    target: float = TARGET
    """Sufficiency to reach, above 0 and up to 1."""
    budget: int = BUDGET
    """Forwards that recording and search may spend."""
    insist: bool = False
    """Claim a circuit even if the model does not prefer the answer."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "over", over_text(self.over))
        demand_choice("opponents", self.opponents, Opponents, EditError)
        demand_search_with(self.opponents, self.method)
        if self.method not in get_args(NodeSearch) or not 0 < self.target <= 1:
            raise EditError(
                f"method={self.method!r}, target={self.target}: choose a method from "
                f"{get_args(NodeSearch)} and a target above 0 and up to 1."
            )


def demand_search_with(opponents: Opponents, method: NodeSearch) -> None:
    """**Raises** ``EditError`` where the search cannot keep what opposes."""
    if opponents == "kept" and method != "verified":
        raise EditError(
            f"opponents='kept' with the search {method!r}: only 'verified' keeps what opposes in "
            "every set that it measures."
        )
