"""Edge scores as one matrix [sender, slot], with every example's scores kept beside the mean."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import pandas as pd
import torch
from jaxtyping import Bool, Float, Float16, Int
from torch import Tensor

from pellucid.attribution.nodes import CONVERGED
from pellucid.errors import EditError
from pellucid.model.anatomy import Node, Slot
from pellucid.options import EdgeMethod
from pellucid.results.passes import Passes
from pellucid.results.result import Result
from pellucid.results.views import shown
from pellucid.stats.interval import mean_intervals
from pellucid.stats.rounding import account, accounts_for, relative_gap
from pellucid.stats.units import Units

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Edge: TypeAlias = tuple[Node, Slot]


@dataclass(frozen=True, kw_only=True)
class EdgeScores(Result):
    """How much every edge matters, in the metric's units; positive supports the answer.

    An *estimate* by gradient, or with ``method="exact"`` the measured *effect* of cutting it.
    """

    method: EdgeMethod
    senders: tuple[Node, ...]
    slots: tuple[Slot, ...]
    exists: Bool[Tensor, "sender slot"]
    """False where the node is not computed before the slot reads."""
    matrix: Float[Tensor, "sender slot"]
    """Mean over examples; 0 where there is no edge, NaN where an edge was not measured."""
    halves: Float16[Tensor, "example edge"]
    """Each example's scores over ``scale``, for the edges that exist, by sender and then slot."""
    scale: Float[Tensor, " example"]
    by_position: Float[Tensor, "pos sender slot"] | None
    """The mean split by position, if it was asked for; sums to ``matrix``."""
    difference: Float[Tensor, " example"]
    accounted: Float[Tensor, " example"]
    """What the method says the metric difference is."""
    identity_error: float | None
    """Largest |sum over an edge's receivers - node score|, relative to the largest node score or
    metric difference."""
    steps: int
    passes: Passes
    note: str = ""
    """What the method cannot see, in words; empty if nothing is known."""
    noise: float = 0.0
    """Largest difference of the metric's mean that rounding explains."""
    units: Units | None = None
    """What examples share; None where nothing was said."""

    @property
    def column(self) -> str:
        """``effect`` for measured scores, ``estimate`` for the others."""
        return "effect" if self.method == "exact" else "estimate"

    @property
    def per_example(self) -> Float[Tensor, "example sender slot"]:
        """Scores of every example, to half precision of that example's largest."""
        full = torch.zeros(len(self.scale), *self.exists.shape)
        full[:, self.exists] = self.halves.float() * self.scale[:, None]
        return full

    @property
    def completeness(self) -> float:
        """How far ``accounted`` is from the metric difference, relative to it; 0 is exact.

        NaN, for undefined, where that difference is no more than rounding (``noise``).
        """
        return relative_gap(*self._compared, self.noise)

    @property
    def converged(self) -> bool:
        """Whether the completeness residual is below 2 %, or is nothing but rounding."""
        return accounts_for(*self._compared, self.noise, within=CONVERGED)

    @property
    def account(self) -> str:
        """How far ``accounted`` is from the metric difference, in words; empty if measured."""
        if self.method == "exact":
            return ""
        return account(*self._compared, self.noise, within=CONVERGED)

    @property
    def _compared(self) -> tuple[float, float]:
        return float(self.accounted.mean()), float(self.difference.mean())

    def edges(self) -> list[Edge]:
        """Every edge that exists, by sender and then slot."""
        return [(self.senders[i], self.slots[j]) for i, j in self.exists.nonzero().tolist()]

    def ranked(self) -> list[Edge]:
        """The edges, largest absolute score first; edges that were not measured are left out."""
        values = self.matrix[self.exists]
        order = values.abs().nan_to_num(-1).argsort(descending=True, stable=True)
        edges = self.edges()
        return [edges[i] for i in order.tolist() if not bool(values[i].isnan())]

    def node_scores(self) -> Float[Tensor, " sender"]:
        """Each node's score: the sum over all its receivers."""
        return self.matrix.nansum(1)

    def to_frame(self, per: Literal["edge", "example"] = "edge") -> pd.DataFrame:
        """Columns ``sender slot`` and ``estimate`` (``effect`` if measured), and ``example``."""
        if per not in ("edge", "example"):
            raise EditError(f"per={per!r} is not known; choose 'edge' or 'example'.")
        edges = self.edges()
        names = pd.DataFrame(
            {"sender": [u.name for u, _ in edges], "slot": [v.name for _, v in edges]}
        )
        if per == "edge":
            return names.assign(**{self.column: self.matrix[self.exists].double().numpy()})
        values = self.per_example[:, self.exists].double().numpy()
        parts = [names.assign(example=i, **{self.column: row}) for i, row in enumerate(values)]
        return pd.concat(parts, ignore_index=True)

    def intervals(self, *, top: int = 100) -> pd.DataFrame:
        """``to_frame`` of the ``top`` edges by absolute score, with ``low high units``.

        That is the 95 % interval of each mean over prompts; NaN for too few of them, which
        ``units`` then says (``stats/interval.py``).
        """
        frame = self.to_frame().dropna(subset=[self.column])
        order = frame[self.column].abs().sort_values(ascending=False, kind="stable").index[:top]
        values = self.halves[:, order.tolist()].double() * self.scale[:, None].double()
        return mean_intervals(values.numpy(), self.units).beside(frame.loc[order])

    def plot(self, *, top: int = 20) -> "Figure":
        """The ``top`` edges by absolute score, and the parts that they join."""
        return shown(self, "figure", top)

    def __str__(self) -> str:
        frame = self.to_frame().dropna(subset=[self.column])
        best = frame.reindex(frame[self.column].abs().sort_values(ascending=False).index)
        head = f"{len(frame)} of {int(self.exists.sum())} edges by {self.method} ({self.passes})"
        told = f"\n{self.account}" if self.account else ""
        return f"{head}\n{best.head(10).to_string(index=False)}{told}"


def per_example(
    by_row: Float[Tensor, "row ..."], example: Int[Tensor, " row"], n_examples: int
) -> Float[Tensor, "example ..."]:
    """Rows of the same example added up, on the CPU."""
    added = by_row.new_zeros(n_examples, *by_row.shape[1:])
    return added.index_add_(0, example.to(by_row.device), by_row).cpu()


def packed(
    per_example: Float[Tensor, "example sender slot"], exists: Bool[Tensor, "sender slot"]
) -> tuple[Float16[Tensor, "example edge"], Float[Tensor, " example"]]:
    """Scores of the edges that exist as halves of each example's largest, and that largest."""
    values = per_example[:, exists].float()
    scale = values.abs().nan_to_num().amax(1).clamp_min(1e-30)
    return (values / scale[:, None]).half(), scale
