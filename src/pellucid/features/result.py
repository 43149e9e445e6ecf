"""``FeatureAttribution``: shares, estimates and effects of latents, each under its own name."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.features.shares import Account
from pellucid.lens.text import wrapped
from pellucid.model.anatomy import Node
from pellucid.options import FeatureAblation, FeatureError
from pellucid.results.passes import Passes
from pellucid.results.registry import stored
from pellucid.results.result import Result
from pellucid.stats.agreement import rank_agreement


@stored
@dataclass(frozen=True, kw_only=True)
class AgainstEffects:
    """How one way to score latents stands to what was measured of them."""

    score: str
    slope: float
    """Of the effects on the scores, through zero; 1 is right."""
    pearson: float
    spearman: float
    sign: float
    """Share of latents whose score has the sign of their effect."""
    n: int


@dataclass(frozen=True, kw_only=True)
class FeatureAttribution(Result):
    """What latents do for a decision; positive supports the answer.

    ``share`` is an additive decomposition of the metric, ``estimate`` a gradient's word, ``effect``
    what was measured by replacing the latent.
    """

    nodes: tuple[Node, ...]
    """Latents that are active on a clean prompt, of all dictionaries."""
    activation: Float[Tensor, " node"]
    """The largest over positions, mean over examples."""
    share: Float[Tensor, "example node"]
    """NaN where the shares of its dictionary do not add up (``accounts``)."""
    estimate: Float[Tensor, "example node"]
    measured: Int[Tensor, " chosen"]
    """Which of ``nodes`` were measured: the largest estimates, then as many drawn."""
    n_top: int
    """How many of them are the largest estimates."""
    effect: Float[Tensor, "example chosen"]
    path: Float[Tensor, "example chosen"] | None
    """Estimates on each latent's own path, where they were asked for."""
    sizes: tuple[int, ...]
    joint_top: Float[Tensor, " size"]
    """Effect of replacing that many of the largest estimates together, mean over examples."""
    joint_random: Float[Tensor, " size"]
    """That of as many of those drawn."""
    accounts: tuple[Account, ...]
    """What the metric is the sum of, at each dictionary."""
    ablation: FeatureAblation
    error: FeatureError
    metric_clean: Float[Tensor, " example"]
    caveats: tuple[str, ...]
    passes: Passes
    noise: float = 0.0
    """Largest difference of the metric's mean that rounding explains."""

    def against(self) -> tuple[AgainstEffects, ...]:
        """Shares, estimates and, where there are any, path estimates against effects."""
        effect = self.effect.mean(0).double().numpy()
        scores = {
            "share": self.share[:, self.measured],
            "estimate": self.estimate[:, self.measured],
        }
        if self.path is not None:
            scores["path"] = self.path
        return tuple(_against(name, one.mean(0).double().numpy(), effect)
                     for name, one in scores.items())  # fmt: skip

    def to_frame(self) -> pd.DataFrame:
        """Columns ``latent activation share estimate effect path drawn``; measured ones first."""
        chosen = self.measured.tolist()
        rest = torch.ones(len(self.nodes), dtype=torch.bool)
        rest[self.measured] = False
        order = [*chosen, *rest.nonzero()[:, 0].tolist()]
        effect = torch.full((len(self.nodes),), torch.nan, dtype=torch.float64)
        path = effect.clone()
        effect[self.measured] = self.effect.mean(0).double()
        if self.path is not None:
            path[self.measured] = self.path.mean(0).double()
        drawn = set(chosen[self.n_top :])
        return pd.DataFrame(
            {
                "latent": [self.nodes[i].name for i in order],
                "activation": self.activation[order].double().numpy(),
                "share": self.share.mean(0)[order].double().numpy(),
                "estimate": self.estimate.mean(0)[order].double().numpy(),
                "effect": effect[order].numpy(),
                "path": path[order].numpy(),
                "drawn": [i in drawn for i in order],
            }
        )

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def _against(name: str, score: np.ndarray, effect: np.ndarray) -> AgainstEffects:
    agreed = rank_agreement(score, effect)
    norm = float(score @ score)
    return AgainstEffects(
        score=name,
        slope=float(score @ effect) / norm if norm > 0 else float("nan"),
        pearson=agreed.pearson,
        spearman=agreed.spearman,
        sign=float((np.sign(score) == np.sign(effect)).mean()),
        n=len(score),
    )


def _lines(found: FeatureAttribution) -> Iterator[str]:
    """The top latents, the account and the agreement, in at most 80 columns."""
    how = f"replaced by {found.ablation}, the dictionary's error {found.error}"
    yield f"{len(found.nodes)} active latents; metric {float(found.metric_clean.mean()):+.3f}"
    yield f"Effects: {how}"
    yield ""
    yield "  latent        activation     share  estimate    effect"
    for row in found.to_frame().head(found.n_top).to_dict("records"):
        numbers = f"{row['share']:+9.3f} {row['estimate']:+9.3f} {row['effect']:+9.3f}"
        yield f"  {row['latent']:<12} {row['activation']:11.3f} {numbers}"
    yield ""
    for one in found.accounts:
        beside = f"beside {one.beside:+.3f}  " if one.beside else ""
        yield (
            f"  Layer {one.layer}: features {one.features:+.3f}  error {one.error:+.3f}  bias "
            f"{one.bias:+.3f}"
        )
        yield (
            f"    {beside}constant {one.constant:+.3f}  = {one.metric:+.3f} (residual "
            f"{one.residual:.0e})"
        )
    yield ""
    yield "  against effects    slope  Pearson  Spearman  same sign"
    for two in found.against():
        yield (
            f"  {two.score:<15} {two.slope:8.2f} {two.pearson:8.2f} {two.spearman:9.2f} "
            f"{two.sign:9.0%}"
        )
    last = found.sizes[-1]
    yield (
        f"  Together: the top {last} {float(found.joint_top[-1]):+.3f}, {last} drawn "
        f"{float(found.joint_random[-1]):+.3f}"
    )
    for caveat in found.caveats:
        yield from wrapped(caveat)
    yield f"Cost: {found.passes}."
