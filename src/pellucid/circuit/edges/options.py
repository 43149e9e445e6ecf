"""What may be chosen of a search for edges: checked before anything is run."""

import math
from dataclasses import dataclass
from typing import get_args

from pellucid.errors import EditError
from pellucid.options import EDGE_BUDGET, EDGE_SEARCH, TARGET, EdgeSearch
from pellucid.run.setup import MeasureKeywords, MeasureOptions

SIZED, BY_LOSS = ("top", "greedy"), ("acdc",)
"""Searches that take a size, and those that take a threshold of the loss."""


class EdgeSearchKeywords(MeasureKeywords, total=False):
    """The options of ``discover_edges`` as keywords, for type checkers and editors."""

    method: EdgeSearch
    size: int | None
    target: float
    tau: float | None
    budget: int
    insist: bool


@dataclass(frozen=True, kw_only=True)
class EdgeSearchOptions(MeasureOptions):
    """Everything that may be chosen of ``discover_edges`` beside the question.

    **Raises** ``EditError`` for an unknown method, and for options that do not go together.
    """

    method: EdgeSearch = EDGE_SEARCH
    size: int | None = None
    """How many edges; of top and greedy."""
    target: float = TARGET
    """Sufficiency to reach, above 0 and up to 1; of verified, automatic and nested."""
    tau: float | None = None
    """Rise of the KL divergence in nats that an edge may cost; of acdc."""
    budget: int = EDGE_BUDGET
    """Forwards that the search may spend, beside those of the scores."""
    insist: bool = False
    """Claim a circuit even if the model does not prefer the answer."""

    def __post_init__(self) -> None:
        method = self.method
        if method not in get_args(EdgeSearch) or not 0 < self.target <= 1:
            raise EditError(
                f"method={method!r}, target={self.target}: choose a method from "
                f"{get_args(EdgeSearch)} and a target above 0 and up to 1."
            )
        for name, value, methods in (("size", self.size, SIZED), ("tau", self.tau, BY_LOSS)):
            if (value is None) == (method in methods):
                raise EditError(
                    f"{name}={value} with method={method!r}: {name}= is needed by {methods}, and "
                    "only by them."
                )
        if self.tau is not None and not (math.isfinite(self.tau) and self.tau >= 0):
            raise EditError(f"tau={self.tau}: give a rise of the KL divergence in nats, 0 or more.")
