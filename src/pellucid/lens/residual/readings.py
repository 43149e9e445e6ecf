"""What a lens keeps of logits: the likeliest tokens, and where given tokens stand among them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.lens.labels import token_labels
from pellucid.lens.text import column, quoted
from pellucid.model.model import Model
from pellucid.results.registry import stored
from pellucid.results.result import as_tensor
from pellucid.task.metrics import at_least_float32
from pellucid.task.tokens import labels

_SHOWN = 3
"""Likeliest tokens in a line of text."""


@dataclass(frozen=True)
class Digest:
    """Some points' logits, digested; the leading axes are ``[point row position]``."""

    top_ids: Int[Tensor, "point row position top"]
    top_probability: Float[Tensor, "point row position top"]
    logit: Float[Tensor, "point row position target"]
    probability: Float[Tensor, "point row position target"]
    rank: Int[Tensor, "point row position target"]
    kl: Float[Tensor, "point position"]
    """KL(first row || second row); 0 with one row."""


def digest(
    logits: Float[Tensor, "point row position d_vocab"], ids: Sequence[int], top: int
) -> Digest:
    """What a lens shows of ``logits``, one position at a time to bound the memory."""
    parts = [_digest(at_least_float32(logits[:, :, p]), ids, top) for p in range(logits.shape[2])]
    return Digest(
        *(
            as_tensor(torch.stack([part[i] for part in parts], dim=1 if i == 5 else 2))
            for i in range(6)
        )
    )


def _digest(
    logits: Float[Tensor, "point row d_vocab"], ids: Sequence[int], top: int
) -> tuple[Tensor, ...]:
    log_z = logits.logsumexp(-1, keepdim=True)
    best = logits.topk(top)
    logit = logits[..., list(ids)]  # point row target
    rank = torch.zeros_like(logit, dtype=torch.long)
    for k in range(len(ids)):
        rank[..., k] = (logits > logit[..., k, None]).sum(-1) + 1
    kl = divergence(logits[:, 0], logits[:, 1]) if logits.shape[1] > 1 else log_z[:, 0, 0] * 0
    return best.indices, (best.values - log_z).exp(), logit, (logit - log_z).exp(), rank, kl


def divergence(
    one: Float[Tensor, "point d_vocab"], other: Float[Tensor, "point d_vocab"]
) -> Float[Tensor, " point"]:
    """KL(one || other) of the two distributions, in nats."""
    p, q = one.log_softmax(-1), other.log_softmax(-1)
    # Rounding can take it below zero, which no divergence is.
    return torch.where(p.exp() > 0, p.exp() * (p - q), 0.0).sum(-1).clamp_min(0)


@stored
@dataclass(frozen=True, kw_only=True)
class LensReading:
    """One prompt through a lens; points down, positions across."""

    tokens: tuple[str, ...]
    """The prompt's token at each position that was read."""
    top_ids: Int[Tensor, "point position top"]
    top_tokens: tuple[tuple[tuple[str, ...], ...], ...]
    """The tokens of ``top_ids`` as text."""
    top_probability: Float[Tensor, "point position top"]
    target_logit: Float[Tensor, "point position target"]
    target_probability: Float[Tensor, "point position target"]
    target_rank: Int[Tensor, "point position target"]
    """1 for the likeliest token of the vocabulary."""

    @property
    def logit_difference(self) -> Float[Tensor, "point position"] | None:
        """Logit of the first target minus that of the second; None without two targets."""
        if self.target_logit.shape[-1] != 2:
            return None
        return self.target_logit[..., 0] - self.target_logit[..., 1]

    @property
    def target_shift(self) -> Float[Tensor, "point position target"]:
        """What each sublayer adds to each target's logit: the lens behind it less that before it.

        At the first point it is the logit itself, so that all of them sum to the last.
        """
        return self.target_logit.diff(dim=0, prepend=torch.zeros_like(self.target_logit[:1]))

    def to_frame(
        self,
        name: str,
        points: Sequence["_Point"],
        positions: Sequence[int],
        of: Literal["top", "targets"],
        targets: Sequence[str],
    ) -> pd.DataFrame:
        """The rows of ``LogitLens.to_frame`` for this prompt."""
        rows: list[dict[str, Any]] = []
        for i, point in enumerate(points):
            for j, position in enumerate(positions):
                place = {
                    "prompt": name,
                    "layer": point.layer,
                    "sublayer": point.sublayer,
                    "position": position,
                    "token": self.tokens[j],
                }
                shown = self._top(i, j) if of == "top" else self._targets(i, j, targets)
                rows += [{**place, **one} for one in shown]
        return pd.DataFrame(rows)

    def _top(self, i: int, j: int) -> list[dict[str, Any]]:
        found = zip(self.top_tokens[i][j], self.top_probability[i, j].tolist(), strict=True)
        return [
            {"rank": rank, "predicted": token, "probability": probability}
            for rank, (token, probability) in enumerate(found, start=1)
        ]

    def _targets(self, i: int, j: int, targets: Sequence[str]) -> list[dict[str, Any]]:
        shift = self.target_shift
        return [
            {
                "target": target,
                "probability": float(self.target_probability[i, j, k]),
                "rank": int(self.target_rank[i, j, k]),
                "logit": float(self.target_logit[i, j, k]),
                "shift": float(shift[i, j, k]),
            }
            for k, target in enumerate(targets)
        ]

    def first(self, point: int) -> str:
        """The likeliest token at the last position, in 14 cells."""
        return self._likeliest(point, 1)

    def line(self, point: int) -> str:
        """A point at the last position, in at most 73 cells."""
        ranks = [column(f"{int(rank):>9}", 13) for rank in self.target_rank[point, -1, :2]]
        line = column(self._likeliest(point, _SHOWN), 41) + "".join(ranks)
        if self.logit_difference is None:
            return line
        return f"{line}{float(self.logit_difference[point, -1]):+6.2f}"

    def _likeliest(self, point: int, most: int) -> str:
        found = zip(self.top_tokens[point][-1], self.top_probability[point, -1], strict=True)
        return "".join(column(f"{float(p):4.0%} {quoted(t, 8)}", 14) for t, p in list(found)[:most])


class _Point(Protocol):
    """A place on the stream."""

    @property
    def layer(self) -> int | None:
        """Its layer; None for the embedding."""

    @property
    def sublayer(self) -> Any:
        """What was written last."""


def readings_of(
    model: Model, rows: Sequence[Sequence[int]], at: Sequence[int], digests: Sequence[Digest]
) -> list[LensReading]:
    """One reading a prompt, from the digests of all points."""
    found = []
    joined = {
        name: torch.cat([getattr(part, name) for part in digests])
        for name in ("top_ids", "top_probability", "logit", "probability", "rank")
    }
    used = sorted(set(joined["top_ids"].flatten().tolist()))
    text = dict(zip(used, labels(model.tokenizer, used), strict=True))
    for row, ids in enumerate(rows):
        spelled = token_labels(model.tokenizer, ids)
        top_ids = joined["top_ids"][:, row]
        found.append(
            LensReading(
                tokens=tuple(spelled[p] for p in at),
                top_ids=top_ids,
                top_tokens=tuple(
                    tuple(tuple(text[i] for i in ids) for ids in point)
                    for point in top_ids.tolist()
                ),
                top_probability=joined["top_probability"][:, row],
                target_logit=joined["logit"][:, row],
                target_probability=joined["probability"][:, row],
                target_rank=joined["rank"][:, row],
            )
        )
    return found
