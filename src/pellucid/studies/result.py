"""Several analyses side by side: what their circuits share, and how far their estimates agree."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import combinations
from statistics import median
from typing import Any

import pandas as pd
import torch

from pellucid.analysis.result import Analysis
from pellucid.errors import TaskError
from pellucid.results.passes import Passes
from pellucid.results.result import Result
from pellucid.results.tables import tabulate
from pellucid.results.views import shown
from pellucid.stats.agreement import tau_b
from pellucid.stats.overlap import jaccard, jaccard_by_chance


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two analyses held against each other."""

    first: str
    second: str
    shared: int
    """Nodes in both circuits, by name."""
    either: int
    jaccard: float
    """Shared over either; NaN where one of the two analyses claims no circuit."""
    by_chance: float
    """Jaccard index of random sets of these sizes; NaN where other parts were searched."""
    tau: float
    """Kendall's tau-b between the estimates of all nodes; NaN for models of different shape."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Lowest, middle and highest of ``n`` numbers."""

    n: int
    low: float
    median: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Occurrence:
    """How many circuits hold a node, and its estimates in all analyses that know it."""

    node: str
    circuits: int
    estimate: float
    """Mean."""
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Study(Result):
    """Analyses under names of their own. Everything else here is computed from them.

    **Raises** ``TaskError`` without an analysis, for names that are not one for each, and for
    results of another kind.
    """

    names: tuple[str, ...]
    analyses: tuple[Analysis, ...]

    def __post_init__(self) -> None:
        if not self.analyses or len(self.names) != len(self.analyses):
            raise TaskError(
                f"A study has a name for every analysis; found {len(self.names)} names and "
                f"{len(self.analyses)} analyses. Give at least one, as {{'name': analysis}}."
            )
        other = [type(one).__name__ for one in self.analyses if not isinstance(one, Analysis)]
        if other:
            raise TaskError(f"A study is made of analyses; found {', '.join(other)}.")
        unfit = [name for name in self.names if not (isinstance(name, str) and fit(name))]
        if unfit:
            raise TaskError(
                f"{unfit[0]!r} is no name for an analysis. Give text that can be seen, on one line."
            )
        if len(set(self.names)) < len(self.names):
            raise TaskError(f"Two analyses have the same name, among {', '.join(self.names)}.")

    @classmethod
    def of(cls, analyses: Mapping[str, Analysis]) -> "Study":
        """A study of analyses that are there already, such as saved ones. **Cost** none.

        **Raises** ``TaskError`` for what is no mapping, and as the class does.
        """
        if not isinstance(analyses, Mapping):
            raise TaskError(
                f"Give the analyses by name, as {{'name': analysis}}; found a "
                f"{type(analyses).__name__}."
            )
        return cls(names=tuple(analyses), analyses=tuple(analyses.values()))

    @property
    def passes(self) -> Passes:
        """What all analyses cost together."""
        return sum((one.passes for one in self.analyses), Passes())

    @property
    def claimed(self) -> int:
        """Analyses in which a circuit is claimed."""
        return sum(bool(one.circuit.nodes) for one in self.analyses)

    @property
    def made_differently(self) -> tuple[str, ...]:
        """In what, other than the question, the analyses were not made in the same way."""
        made: dict[str, list[object]] = {
            "model": [one.provenance.weight_hash for one in self.analyses],
            "dtype": [one.provenance.dtype for one in self.analyses],
            "metric": [one.question.metric for one in self.analyses],
            "method of estimating": [one.attribution.method for one in self.analyses],
            "search": [one.circuit.method for one in self.analyses],
            "parts searched": [one.circuit.over for one in self.analyses],
            "ablation": [one.circuit.ablation for one in self.analyses],
            "target": [one.circuit.target for one in self.analyses],
            "seed": [one.provenance.seed for one in self.analyses],
        }
        return tuple(name for name, values in made.items() if len(set(values)) > 1)

    @property
    def caveats(self) -> tuple[str, ...]:
        """What to keep in mind when reading the numbers side by side."""
        found = []
        if self.made_differently:
            found.append(
                "The analyses differ in more than their question: "
                f"{', '.join(self.made_differently)}. Differences between them come from all of "
                "these together."
            )
        if "model" in self.made_differently:
            found.append(
                "Nodes of different models are matched by name; a name says a place, not what the "
                "part there does."
            )
        if self.claimed > 1:
            found.append(
                "Unrelated questions asked of one model share nodes too. An overlap beyond that of "
                "random sets is no evidence of a common mechanism."
            )
        return tuple(found)

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """Every two analyses."""
        named = zip(self.names, self.analyses, strict=True)
        return tuple(_pair(*one, *other) for one, other in combinations(named, 2))

    @property
    def tau(self) -> Spread | None:
        """Kendall's tau-b over pairs; None if it is known of none."""
        return _spread([pair.tau for pair in self.pairs])

    @property
    def jaccard(self) -> Spread | None:
        """Jaccard index over pairs; None if there is none."""
        return _spread([pair.jaccard for pair in self.pairs])

    @property
    def by_chance(self) -> Spread | None:
        """Jaccard index of random sets over pairs; None if it is known of none."""
        return _spread([pair.by_chance for pair in self.pairs])

    @cached_property
    def occurrences(self) -> tuple[Occurrence, ...]:
        """Every node but the embedding, those in most circuits first, then by mean estimate."""
        inside = Counter(name for one in self.analyses for name in one.circuit.names)
        estimates: dict[str, list[float]] = {}
        for one in self.analyses:
            for node, value in zip(
                one.attribution.nodes, one.attribution.estimate.tolist(), strict=True
            ):
                if node.kind != "embed":
                    estimates.setdefault(node.name, []).append(value)
        found = [
            Occurrence(
                node=name,
                circuits=inside[name],
                estimate=sum(values) / len(values),
                low=min(values),
                high=max(values),
            )
            for name, values in estimates.items()
        ]
        return tuple(sorted(found, key=lambda one: (-one.circuits, -abs(one.estimate))))

    def summary(self) -> pd.DataFrame:
        """One row for each analysis: what was asked, what was measured, what it cost.

        ``sufficiency``, ``comprehensiveness`` and ``f1`` are over the parts that were searched.
        """
        return pd.DataFrame(
            [_row(name, one) for name, one in zip(self.names, self.analyses, strict=True)]
        )

    def agreement(self) -> pd.DataFrame:
        """One row for each pair: ``first second shared either jaccard by_chance tau``."""
        columns = list(Pair.__dataclass_fields__)
        return pd.DataFrame([asdict(pair) for pair in self.pairs], columns=columns)

    def to_frame(self) -> pd.DataFrame:
        """One row for each node: ``node ... estimate``, ``low``, ``high`` and ``circuits``.

        ``estimate`` is the mean over analyses, between ``low`` and ``high``; ``circuits`` says how
        many circuits hold the node.
        """
        nodes = {node.name: node for one in self.analyses for node in one.attribution.nodes}
        means = torch.tensor([one.estimate for one in self.occurrences], dtype=torch.double)
        frame = tabulate([nodes[one.node] for one in self.occurrences], means, "estimate")
        for name in ("low", "high", "circuits"):
            frame[name] = [getattr(one, name) for one in self.occurrences]
        return frame

    def derived(self) -> dict[str, Any]:
        """Pairs and nodes, as the page shows them."""
        return {
            "pairs": [asdict(pair) for pair in self.pairs],
            "occurrences": [asdict(one) for one in self.occurrences],
        }

    def parts(self) -> tuple[Result, ...]:
        """The analyses."""
        return self.analyses

    def __str__(self) -> str:
        return str(shown(self, "text"))


def fit(name: str) -> bool:
    """Whether an analysis can be known by ``name``: it is seen, and stays on its line."""
    return bool(name.strip()) and name.isprintable()


def _pair(first: str, a: Analysis, second: str, b: Analysis) -> Pair:
    in_a, in_b = set(a.circuit.names), set(b.circuit.names)
    alike = a.attribution.nodes == b.attribution.nodes
    searched = alike and a.circuit.over == b.circuit.over and in_a and in_b
    kinds = ("head",) if a.circuit.over == "heads" else ("head", "mlp")
    out_of = sum(node.kind in kinds for node in a.attribution.nodes)
    inside = [i for i, node in enumerate(a.attribution.nodes) if node.kind != "embed"]
    return Pair(
        first=first,
        second=second,
        shared=len(in_a & in_b),
        either=len(in_a | in_b),
        jaccard=jaccard(in_a, in_b) if in_a and in_b else math.nan,
        by_chance=jaccard_by_chance(len(in_a), len(in_b), out_of) if searched else math.nan,
        tau=tau_b(a.attribution.estimate[inside], b.attribution.estimate[inside])
        if alike
        else math.nan,
    )


def _spread(values: list[float]) -> Spread | None:
    known = [value for value in values if value == value]
    if not known:
        return None
    return Spread(n=len(known), low=min(known), median=median(known), high=max(known))


def _row(name: str, one: Analysis) -> dict[str, Any]:
    found = one.faithfulness
    return {
        "analysis": name,
        "model": one.provenance.model,
        "prompts": len(one.question.clean),
        "prompt": one.question.clean[0],
        "answer": one.question.answer[0],
        "foil": one.question.foil[0],
        "metric_clean": one.metric_clean,
        "metric_corrupted": one.metric_corrupted,
        "over": one.circuit.over,
        "nodes": len(one.circuit.nodes),
        "sufficiency": found and found.sufficiency,
        "comprehensiveness": found and found.comprehensiveness,
        "f1": found and found.f1,
        "forwards": one.passes.forwards,
        "backwards": one.passes.backwards,
    }
