"""A probe: what could be read where, with every control, and the best one as an estimator."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.errors import TaskError
from pellucid.results.passes import Passes
from pellucid.results.registry import stored
from pellucid.results.result import Result
from pellucid.results.views import shown
from pellucid.stats.ranking import auroc

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@stored
@dataclass(frozen=True, kw_only=True)
class ProbeRow:
    """One probe, on the part of the examples that it has not seen; figures are NaN if it did not
    converge."""

    site: str
    layer: int
    position: str
    """Whose values: ``last``, ``mean``, ``max``, or the number of a token."""
    k: int
    """Coordinates that it reads."""
    auroc: float
    low: float
    high: float
    """A 95 % interval of ``auroc`` when whole groups are drawn anew."""
    balanced_accuracy: float
    accuracy_low: float
    accuracy_high: float
    shuffled: float
    """AUROC with shuffled labels, mean of the draws."""
    shuffled_most: float
    random_coordinates: float
    """AUROC of as many coordinates drawn at random; NaN where all are read."""
    random_model: float
    """AUROC in a model of random weights; NaN where none was made."""
    out_of_distribution: float
    """AUROC on the other set; NaN without one."""
    validation: float
    """AUROC over folds inside the training part, by which the best is chosen; NaN without any."""
    converged: bool


@dataclass(frozen=True, kw_only=True)
class Probe(Result):
    """Probes at several places, and the best of them as an estimator.

    The best is chosen inside the training part, so ``rows[best]`` is a fair figure. It scores
    values of its site and position: ``decision_function(values [example d])``.
    """

    labels: tuple[str, str]
    """The two labels; the second is the one with scores above zero."""
    rows: tuple[ProbeRow, ...]
    best: int
    weights: Float[Tensor, " d"]
    """Of the best, in the values' own units; zero where it reads nothing."""
    bias: float
    mean: Float[Tensor, " d"]
    """Of the values of the training part, both classes counted alike."""
    majority: float
    """Accuracy of always saying the more frequent label."""
    bag_of_words: float
    """AUROC of how often each token stands in a text."""
    few: dict[str, float]
    """AUROC of the best place from few labels, and from one class that is rare."""
    n_train: int
    n_test: int
    passes: Passes

    @property
    def direction(self) -> Float[Tensor, " d"]:
        """The best's normal of length one, towards the second label."""
        return torch.nn.functional.normalize(self.weights.double(), dim=0)

    def decision_function(self, values: Any) -> Float[Tensor, " example"]:
        """Scores of values ``[example d]`` of the best's site; above zero for the second label.

        **Raises** ``TaskError`` for values of another width.
        """
        found = torch.as_tensor(np.asarray(values)).double()
        if found.ndim != 2 or found.shape[1] != len(self.weights):
            raise TaskError(
                f"values have shape {list(found.shape)}; give [example, {len(self.weights)}] of "
                f"{self.rows[self.best].site}."
            )
        return found @ self.weights.double() + self.bias

    def predict(self, values: Any) -> tuple[str, ...]:
        """The label of each example."""
        return tuple(self.labels[int(one > 0)] for one in self.decision_function(values))

    def score(self, values: Any, labels: Sequence[object]) -> float:
        """AUROC on values with their labels. **Raises** ``TaskError`` for a label of neither."""
        named = [str(one) for one in labels]
        if unknown := set(named) - set(self.labels):
            raise TaskError(f"labels hold {sorted(unknown)[0]!r}; the probe knows {self.labels}.")
        return auroc(self.decision_function(values).numpy(), [n == self.labels[1] for n in named])

    def to_frame(self) -> pd.DataFrame:
        """One row a probe: ``site layer position k auroc low high`` and the controls."""
        return pd.DataFrame([asdict(row) for row in self.rows])

    def plot(self) -> "Figure":
        """AUROC over layers, with controls; over layers and positions where there are several."""
        return shown(self, "figure")

    def __str__(self) -> str:
        return str(shown(self, "text"))
