"""What followed from exchanging values, with the controls that it needs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
from jaxtyping import Float
from torch import Tensor

from pellucid.results.passes import Passes
from pellucid.results.result import Result
from pellucid.results.views import shown
from pellucid.run.subspace import Subspace

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def share_right(metric: Float[Tensor, "*draw example"]) -> float:
    """Share of examples that say the answer rather than the foil."""
    return float((metric > 0).double().mean())


@dataclass(frozen=True, kw_only=True)
class Interchange(Result):
    """Logit differences, answer less foil, of examples that nothing was learned from.

    The share of examples above zero with the exchange is the *interchange accuracy*.
    """

    site: str
    positions: tuple[int, ...]
    k: int
    """Dimensions that were exchanged; all of the site's without a subspace."""
    exchanged: Float[Tensor, " example"]
    base: Float[Tensor, " example"]
    """Without an exchange: the corrupted prompts, which should say the foil."""
    source: Float[Tensor, " example"]
    """The clean prompts, which should say the answer."""
    whole: Float[Tensor, " example"]
    """With the whole value exchanged."""
    random: Float[Tensor, "drawn example"]
    """With as many random dimensions exchanged."""
    placebo: Float[Tensor, "draw example"]
    """With a random change of the same size."""
    passes: Passes

    @property
    def accuracy(self) -> float:
        """Interchange accuracy."""
        return share_right(self.exchanged)

    def to_frame(self) -> pd.DataFrame:
        """One row a way of exchanging: ``exchange accuracy logit_difference``."""
        return pd.DataFrame(
            [
                {
                    "exchange": name,
                    "accuracy": share_right(metric),
                    "logit_difference": float(metric.double().mean()),
                }
                for name, metric in self._ways().items()
            ]
        )

    def _ways(self) -> dict[str, Tensor]:
        found = {
            "none (base prompts)": self.base,
            "this": self.exchanged,
            "the whole value": self.whole,
            "random dimensions": self.random,
            "random change, same size": self.placebo,
            "none (source prompts)": self.source,
        }
        return {name: metric for name, metric in found.items() if metric.numel()}

    def plot(self) -> "Figure":
        """Accuracy of every exchange as bars."""
        return shown(self, "figure")

    def __str__(self) -> str:
        return str(shown(self, "text"))


@dataclass(frozen=True, kw_only=True)
class AlignedSubspace(Result):
    """Directions that were learned to hold a variable, and whether they do.

    ``held_out`` has the examples that were not learned from.
    """

    basis: Float[Tensor, "k d"]
    """Orthonormal directions in the values of the site, heads side by side."""
    held_out: Interchange
    trained: float
    """Interchange accuracy on the examples that were learned from."""
    losses: tuple[float, ...]
    arbitrary_trained: float
    """Accuracy on its own examples of a subspace that learned answers drawn by coin."""
    arbitrary: float
    """On examples that it did not learn, also with answers drawn by coin: by chance a half."""
    random_model: float
    """Held-out accuracy of a subspace learned in a model of random weights; NaN without one."""
    passes: Passes

    def subspace(self, source: Tensor | float) -> Subspace:
        """As the value of an ``Edit`` at the site: its component becomes that of ``source``."""
        return Subspace(self.basis, source)

    def to_frame(self) -> pd.DataFrame:
        """``held_out``'s table, and the controls that were learned too."""
        learned = {
            "this, on what was learned": self.trained,
            "learned arbitrary answers, on those": self.arbitrary_trained,
            "learned arbitrary answers, held out": self.arbitrary,
            "learned in a model of random weights": self.random_model,
        }
        rows = [
            {"exchange": name, "accuracy": value, "logit_difference": float("nan")}
            for name, value in learned.items()
            if value == value
        ]
        return pd.concat([self.held_out.to_frame(), pd.DataFrame(rows)], ignore_index=True)

    def plot(self) -> "Figure":
        """Accuracy of every exchange and control as bars."""
        return shown(self, "figure")

    def __str__(self) -> str:
        return str(shown(self, "text"))
