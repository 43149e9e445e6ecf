"""How methods did in the zoo, as tables."""

from dataclasses import asdict, dataclass

import pandas as pd

from pellucid.results.passes import Passes
from pellucid.results.registry import stored
from pellucid.results.result import Result
from pellucid.zoo.nulls import Calibration
from pellucid.zoo.registry import SpecimenKind

BLIND = {
    "eap": "The gradient on the clean prompt is zero where attention is saturated, and where "
    "either of two edges suffices (OR, backup): those edges score 0.",
    "clean-corrupted": "Two gradients see the two ends: saturated attention that turns over in "
    "between scores 0, and the corrupted end adds edges that matter only there.",
    "eap-ig": "On the way from corrupted to clean embeddings query and key move together, so a "
    "match that stays a match (induction/all) hides what cutting one of them does.",
    "mask-ig": "Query and key are mixed together, so a match that stays a match (induction/all) "
    "scores near 0; half of each of two streams is short, and a norm blows up what else is there.",
    "atp*": "One softmax at a time is computed anew: what lies upstream of a saturated one, and "
    "edges with a stand-in (OR, backup), score near 0.",
    "verified": "A minimal sufficient set is enough for it: edges that oppose the answer, and all "
    "but one of several alternatives, are left out. Its ranking is that of slot-ig.",
    "automatic": "As verified, and on up to 36 examples: what is beyond chance on two thirds of "
    "them, sized by what it keeps on the others.",
    "exact": "One edge is cut at a time, so an edge with a stand-in (OR, backup) measures 0.",
}
"""What a method cannot see by construction, beside the note that may come with its scores."""
_COLUMNS = ["auprc", "precision", "worst_rank", "auroc", "log_cmd"]


@stored
@dataclass(frozen=True, kw_only=True)
class ZooScore:
    """One method on one model."""

    model: str
    method: str
    kind: SpecimenKind
    n_edges: int
    """Edges that are judged."""
    n_true: int
    auprc: float
    precision: float
    """Among as many edges as are true."""
    worst_rank: int
    """Edges to take until every true one is among them; ``n_true`` is best."""
    auroc: float
    log_cmd: float
    """Mean of |1 - f| over the logarithm of the size of the ranking's prefixes."""
    n_proposed: int | None
    size_error: int | None
    """Edges of a proposed set beyond the nearest right answer; None if none was proposed."""
    forwards: int
    backwards: int

    @property
    def behaviour(self) -> str:
        """The model's name before the variety."""
        return self.model.partition("@")[0]


@dataclass(frozen=True, kw_only=True)
class ZooResult(Result):
    """Every method on every model."""

    scores: tuple[ZooScore, ...]
    calibration: tuple[Calibration, ...]
    notes: dict[str, str]
    """What a method cannot see, in words."""
    passes: Passes

    def to_frame(self) -> pd.DataFrame:
        """One row a model and method."""
        return pd.DataFrame([asdict(score) for score in self.scores])

    def summary(self) -> pd.DataFrame:
        """One row a method: AUPRC over all models and over those of each kind, cost, calibration.

        ``necessary`` is the mean AUPRC where cutting edges one at a time shows the whole truth;
        ``extra`` the mean number of edges to be taken beyond the true ones until all are found.
        """
        frame = self.to_frame()
        frame["extra"] = frame.worst_rank - frame.n_true
        grouped = frame.groupby("method", sort=False)
        table = grouped.agg(
            models=("model", "size"),
            mean=("auprc", "mean"),
            minimum=("auprc", "min"),
            precision=("precision", "mean"),
            extra=("extra", "mean"),
            auroc=("auroc", "mean"),
            log_cmd=("log_cmd", "mean"),
            forwards=("forwards", "mean"),
            backwards=("backwards", "mean"),
        )
        alone = frame[frame.kind == "necessary"].groupby("method")["auprc"].mean()
        table.insert(1, "necessary", alone.reindex(table.index))
        found = {c.method: c.ratio for c in self.calibration}
        table["false_discoveries"] = [found.get(name, float("nan")) for name in table.index]
        proposed = grouped["size_error"].apply(lambda column: column.astype(float).abs().mean())
        table["size_error"] = proposed
        return table.reset_index()

    def by_behaviour(self, method: str) -> pd.DataFrame:
        """One row a behaviour: the method's scores over the varieties it comes in."""
        frame = self.to_frame()
        frame = frame[frame.method == method].copy()
        frame["behaviour"] = frame.model.str.partition("@")[0]
        frame["variety"] = frame.model.str.partition("@")[2]
        frame["extra"] = frame.worst_rank - frame.n_true
        table = frame.groupby("behaviour", sort=False).agg(
            models=("model", "size"),
            mean=("auprc", "mean"),
            minimum=("auprc", "min"),
            precision=("precision", "mean"),
            extra=("extra", "max"),
            auroc=("auroc", "mean"),
            log_cmd=("log_cmd", "mean"),
        )
        lowest = frame.loc[frame.groupby("behaviour", sort=False)["auprc"].idxmin()]
        worst = lowest.set_index("behaviour").variety.where(table.minimum < 1, "")
        return table.assign(at=worst).reset_index()

    def __str__(self) -> str:
        table = self.summary().dropna(axis=1, how="all")
        return f"{table.to_string(index=False, float_format='{:.3f}'.format)}\nCost: {self.passes}."
