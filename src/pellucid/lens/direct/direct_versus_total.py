"""Shares beside measured effects: which heads act on the logits themselves, and which through
others."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.errors import TaskError
from pellucid.lens.text import column, wrapped
from pellucid.options import AgainstView
from pellucid.results.result import Result
from pellucid.results.views import shown
from pellucid.stats.agreement import Agreement, rank_agreement

if TYPE_CHECKING:
    from matplotlib.figure import Figure


LARGE = 0.1
"""Part of the largest measured effect from which on an effect is called large."""
_SMALL = 0.25
"""Part of its own effect below which a head's direct part is called small."""
_SHOWN = 10


class Measured(Protocol):
    """Effects as ``patch`` returns them."""

    def to_frame(self) -> pd.DataFrame:
        """A table with columns ``node`` and ``effect``."""


@dataclass(frozen=True, kw_only=True)
class ShareAgainstEffect(Result):
    """For each component: its shares and its measured effect, ready for a scatter plot."""

    nodes: tuple[str, ...]
    share: Float[Tensor, " node"]
    change: Float[Tensor, " node"]
    """Share on the clean minus share on the corrupted prompt: the direct part of a patch."""
    effect: Float[Tensor, " node"]
    share_agreement: Agreement
    change_agreement: Agreement
    indirect: tuple[str, ...]
    """Components that act through others, largest effect first; see ``criterion``."""
    criterion: str

    def to_frame(self) -> pd.DataFrame:
        """Columns ``node share change effect indirect``."""
        return pd.DataFrame(
            {
                "node": self.nodes,
                "share": self.share.numpy(),
                "change": self.change.numpy(),
                "effect": self.effect.numpy(),
                "indirect": [node in self.indirect for node in self.nodes],
            }
        )

    def plot(self, show: AgainstView = "change") -> "Figure":
        """Points: the direct part across, the measured effect up; far from the line is indirect."""
        return shown(self, "figure", show)

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def share_against_effect(shares: pd.DataFrame, effects: Measured) -> ShareAgainstEffect:
    """Join a table of shares with one of measured effects, component by component.

    **Raises** ``TaskError`` for effects that were measured position by position, and when the two
    have no component in common.
    """
    measured = effects.to_frame()
    if not {"node", "effect"} <= set(measured) or measured["node"].duplicated().any():
        raise TaskError(
            "Shares are compared with one effect per component. Give the result of patch() with "
            "sites='heads', 'mlps' or 'nodes' and all positions together."
        )
    joined = shares.merge(measured[["node", "effect"]], on="node", how="inner")
    if joined.empty:
        raise TaskError(
            f"No component is in both tables: shares have {', '.join(shares['node'][:3])}, ...; "
            f"effects have {', '.join(measured['node'][:3])}, .... Patch sites='heads'."
        )
    size = joined["effect"].abs()
    far = joined[(size >= LARGE * size.max()) & (joined["change"].abs() < _SMALL * size)]
    far = far.reindex(far["effect"].abs().sort_values(ascending=False).index)
    return ShareAgainstEffect(
        nodes=tuple(joined["node"]),
        share=_column(joined, "share"),
        change=_column(joined, "change"),
        effect=_column(joined, "effect"),
        share_agreement=rank_agreement(joined["share"], joined["effect"]),
        change_agreement=rank_agreement(joined["change"], joined["effect"]),
        indirect=tuple(far["node"]),
        criterion=(
            f"effect at least {LARGE:.0%} of the largest, and less than {_SMALL:.0%} of it direct "
            "(change of share)"
        ),
    )


def _column(frame: pd.DataFrame, name: str) -> Float[Tensor, " node"]:
    return torch.from_numpy(frame[name].to_numpy(np.float64, copy=True))


def _lines(found: ShareAgainstEffect) -> Iterator[str]:
    yield f"Shares against measured effects of {len(found.nodes)} components"
    yield ""
    yield "                        Pearson  Spearman"
    for name, a in (("share", found.share_agreement), ("change", found.change_agreement)):
        yield f"  {column(f'{name} with effect', 21)} {a.pearson:7.2f}  {a.spearman:8.2f}"
    yield ""
    yield from wrapped(f"Act through others ({found.criterion}):")
    frame = found.to_frame().set_index("node")
    for node in found.indirect[:_SHOWN]:
        row = frame.loc[node]
        yield (
            f"  {column(node, 8)} effect {row['effect']:+7.3f}, share {row['share']:+7.3f}, "
            f"change {row['change']:+7.3f}"
        )
    more = len(found.indirect) - _SHOWN
    if more > 0 or not found.indirect:
        yield f"  and {more} more" if found.indirect else "  none"
