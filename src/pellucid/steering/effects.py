"""What adding a vector did, beside a prompt that asks for it, random directions, and nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
from jaxtyping import Float
from torch import Tensor

from pellucid.results.passes import Passes
from pellucid.results.result import Result
from pellucid.results.views import shown
from pellucid.stats.interval import mean_intervals

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class Steering(Result):
    """The preference for ``toward`` over ``away``, in logits, and side effects, by scale.

    Of the axis ``way``, the first is the vector and the others are random directions of its length.
    """

    toward: str
    away: str
    instruction: str
    layers: tuple[int, ...]
    scales: tuple[float, ...]
    task: str | None
    preference: Float[Tensor, "scale way prompt"]
    plain: Float[Tensor, " prompt"]
    """Without steering."""
    asked: Float[Tensor, " prompt"]
    """Without steering, behind the instruction."""
    kl: Float[Tensor, "scale way"]
    """On neutral texts: mean KL(plain || steered) a token, in nats."""
    perplexity: Float[Tensor, "scale way"]
    accuracy: Float[Tensor, "scale way"]
    """Of the built-in task; NaN without one."""
    plain_perplexity: float
    plain_accuracy: float
    asked_kl: float
    asked_perplexity: float
    passes: Passes

    @property
    def effect(self) -> Float[Tensor, "scale way"]:
        """How much the preference rises, mean over prompts."""
        return (self.preference - self.plain).mean(-1)

    @property
    def asked_effect(self) -> float:
        """How much the instruction alone raises it."""
        return float((self.asked - self.plain).mean())

    @property
    def beats_random(self) -> tuple[bool, ...]:
        """For each scale, whether the vector does more than every random direction does.

        With n of them it would by chance in one of n + 1 cases.
        """
        if self.effect.shape[1] < 2:
            return tuple(False for _ in self.scales)
        return tuple((self.effect[:, 0] > self.effect[:, 1:].amax(1)).tolist())

    def to_frame(self) -> pd.DataFrame:
        """One row a way: ``how scale effect low high kl perplexity accuracy``.

        Of random directions the mean. ``low`` and ``high`` bound a 95 % interval of the effect
        over prompts; empty for fewer than ten.
        """
        return pd.DataFrame(list(self._rows()))

    def _rows(self) -> Iterator[dict[str, object]]:
        yield {
            "how": "nothing",
            "scale": 0.0,
            **_effect(self.plain - self.plain),
            "kl": 0.0,
            "perplexity": self.plain_perplexity,
            "accuracy": self.plain_accuracy,
        }
        yield {
            "how": "instruction",
            "scale": float("nan"),
            **_effect(self.asked - self.plain),
            "kl": self.asked_kl,
            "perplexity": self.asked_perplexity,
            "accuracy": float("nan"),
        }
        for i, scale in enumerate(self.scales):
            for how, ways in (("vector", slice(0, 1)), ("random", slice(1, None))):
                if not self.effect[i, ways].numel():
                    continue
                yield {
                    "how": how,
                    "scale": scale,
                    **_effect((self.preference[i, ways] - self.plain).mean(0)),
                    "kl": float(self.kl[i, ways].mean()),
                    "perplexity": float(self.perplexity[i, ways].mean()),
                    "accuracy": float(self.accuracy[i, ways].mean()),
                }

    def plot(self) -> "Figure":
        """The effect by scale: of the vector, of random directions, and of the instruction."""
        return shown(self, "figure")

    def __str__(self) -> str:
        return str(shown(self, "text"))


def _effect(rises: Float[Tensor, " prompt"]) -> dict[str, float]:
    low, high = mean_intervals(rises[:, None].double().numpy())[0].ends
    return {"effect": float(rises.mean()), "low": low, "high": high}
