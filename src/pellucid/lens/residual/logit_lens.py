"""The logit lens: what the model would say if it stopped after each sublayer.

    lens(x) = unembed(final_norm(x))        nostalgebraist 2020, "interpreting GPT: the logit lens"

1. One forward keeps the stream after the embedding, after each attention and after each MLP, and
   the model's own logits.
2. Each kept stream is put in behind the last block, and the model itself runs on from there:
   projections, scaling and soft-capping are its own.
3. The last stream goes the same way. How far its logits are from those of step 1 is ``error``; the
   last row shown *is* step 1.

That a token can be read off a stream does not say that the model uses it there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.errors import AlignmentError, TaskError
from pellucid.lens.residual.lens_points import LensPoint, demand_exact, streams_at_points, through
from pellucid.lens.residual.readings import LensReading, readings_of
from pellucid.lens.text import column, quoted
from pellucid.model.model import Model, opened
from pellucid.options import LENS_TOP, LensView
from pellucid.passes import metering
from pellucid.results.passes import Passes
from pellucid.results.result import Result
from pellucid.results.views import shown
from pellucid.run.prompts import read_prompt
from pellucid.run.provenance import with_provenance
from pellucid.task.positions import positions_from_start
from pellucid.task.tokens import label, token_id, whole_numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_SHIFTS = 4
"""Shifts that are named in text."""
Prompt: TypeAlias = str | Sequence[int]
Target: TypeAlias = str | int


@dataclass(frozen=True, kw_only=True)
class LogitLens(Result):
    """What one prompt, or two side by side, would say after every sublayer.

    ``prompt`` and ``against`` hold arrays ``[point position ...]``, see ``LensReading``. The last
    point is the model's own output.
    """

    points: tuple[LensPoint, ...]
    positions: tuple[int, ...]
    targets: tuple[str, ...]
    target_ids: tuple[int, ...]
    prompt: LensReading
    against: LensReading | None
    kl: Float[Tensor, "point position"] | None
    """KL(prompt || against) of the two lens distributions, in nats; None with one prompt."""
    error: float
    """Largest difference of the lens' own last row from the model's output, in logits."""
    passes: Passes

    @property
    def logit_difference(self) -> Float[Tensor, "point position"] | None:
        """Logit of the first target minus that of the second; None without two targets."""
        return self.prompt.logit_difference

    @property
    def shift(self) -> Float[Tensor, "point position"] | None:
        """What each sublayer adds to ``logit_difference``; None without two targets.

        The lens behind it less the lens before it; at the first point the difference itself, so
        that all of them sum to the last row. The final norm makes it more than the sublayer's own
        share (``direct_effects``): a longer stream also shrinks what was written before.
        """
        if self.logit_difference is None:
            return None
        both = self.prompt.target_shift
        return both[..., 0] - both[..., 1]

    @property
    def difference(self) -> Float[Tensor, "point position"] | None:
        """``logit_difference`` of the prompt minus that of the other one; None without both."""
        if self.against is None or self.against.logit_difference is None:
            return None
        assert self.prompt.logit_difference is not None
        return self.prompt.logit_difference - self.against.logit_difference

    def parting(
        self, by: Literal["kl", "difference"] = "kl", threshold: float | None = None
    ) -> tuple[LensPoint | None, ...]:
        """For each position, the first point from which on the two prompts say different things.

        Criterion: there and at every later point, ``kl`` is above ``threshold`` (0.1 nats), or the
        size of ``difference`` is above ``threshold`` (0.5) of its size at the end. None where it
        never stays above.

        **Raises** ``TaskError`` with one prompt, and for ``"difference"`` without two targets.
        """
        values = {"kl": self.kl, "difference": self.difference}.get(by)
        if values is None:
            raise TaskError(
                f"by={by!r} compares two prompts: pass against= to the lens, and two targets for "
                "their 'difference'; the other choice is 'kl'."
            )
        if by == "difference":
            limit = (0.5 if threshold is None else threshold) * values[-1].abs()
        else:
            limit = torch.full_like(values[-1], 0.1 if threshold is None else threshold)
        return self._from_the_end((values.abs() > limit).flip(0).int().cumprod(0).sum(0))

    def settling(self, target: int = 0) -> tuple[LensPoint | None, ...]:
        """For each position, the first point from which on ``target`` is the likeliest token.

        Criterion: rank 1 there and at every later point of ``prompt``. None where it is not the
        likeliest at the end.

        **Raises** ``TaskError`` for a target that was not given.
        """
        if not 0 <= target < len(self.targets):
            raise TaskError(
                f"target={target}: {len(self.targets)} targets were given to the lens, counted "
                "from 0. Pass targets= to logit_lens."
            )
        first = self.prompt.target_rank[..., target] == 1
        return self._from_the_end(first.flip(0).int().cumprod(0).sum(0))

    def _from_the_end(self, counts: Int[Tensor, " position"]) -> tuple[LensPoint | None, ...]:
        """The point at which the last ``counts`` points begin; None for no points."""
        return tuple(self.points[len(self.points) - n] if n else None for n in counts.tolist())

    def derived(self) -> dict[str, Any]:
        """Where each target becomes the likeliest token at the last position, and the shifts."""
        places = [self.settling(i)[-1] for i in range(len(self.targets))]
        return {
            "settles": [place.name if place else None for place in places],
            "shift": self.shift,
        }

    def to_frame(self, of: Literal["top", "targets"] = "top") -> pd.DataFrame:
        """A long table, one row per prompt, point, position and token shown.

        Columns ``prompt layer sublayer position token`` and then, for ``"top"``, ``rank
        predicted probability``; for ``"targets"``, ``target probability rank logit shift``.
        ``token`` is the prompt's own at that position; rank 1 is the likeliest.
        """
        if of not in ("top", "targets"):
            raise TaskError(f"of={of!r} is not known; choose 'top' or 'targets'.")
        frames = [self.prompt.to_frame("prompt", self.points, self.positions, of, self.targets)]
        if self.against is not None:
            frames.append(
                self.against.to_frame("against", self.points, self.positions, of, self.targets)
            )
        return pd.concat(frames, ignore_index=True).astype({"layer": "Int64"})

    def plot(self, show: LensView | None = None) -> "Figure":
        """A grid of sublayers and positions with the likeliest tokens, or lines over sublayers.

        ``show`` colours the grid by the ``"probability"`` of the likeliest token, the logit
        ``"difference"`` of two targets (of two prompts, their difference in that), or the ``"kl"``
        of two prompts; without it, the last of probability, kl and difference that is there. Frames
        mark where two prompts part by KL. Of the last position, ``"layers"`` draws the logit
        difference, and ``"shifts"`` what the sublayers that move it most add to it.

        **Raises** ``TaskError`` for what needs two targets or two prompts.
        """
        return shown(self, "figure", show)

    def __str__(self) -> str:
        return "\n".join(_lines(self))


@with_provenance
def logit_lens(
    model: Model,
    prompt: Prompt,
    *,
    targets: Target | Sequence[Target] | None = None,
    against: Prompt | None = None,
    positions: int | Sequence[int] | None = None,
    top: int = LENS_TOP,
) -> LogitLens:
    """Read the stream after the embedding and after every sublayer as if it were the last.

    ``targets`` are single tokens, as text or ids; with two, their logit difference is kept.
    ``against`` is a second prompt of as many tokens. ``positions`` (default all; negative ones from
    the end) are those that are read. The default ``top`` shrinks to a small vocabulary.
    Probabilities are of the model's final logits, capped and scaled as it does.

    **Assumes** that the stream's basis is the same in every layer, as skip connections suggest;
    early rows of many models are for that reason not readable.
    **Cost** 1 forward, and 1 for each point in batched calls that run the last block and the
    unembedding only; nothing is differentiated.
    **Raises** ``TokenError``, ``AlignmentError``, ``ContextLengthError`` for what the model cannot
    read, ``EditError`` for a position outside the prompt, ``UnsupportedArchitectureError`` when the
    last row does not come out as the model's output.
    """
    opened(model)
    prompts = [prompt] if against is None else [prompt, against]
    rows = [read_prompt(model, one) for one in prompts]
    if len({len(row) for row in rows}) > 1:
        raise AlignmentError(
            f"The prompts have {len(rows[0])} and {len(rows[1])} tokens; side by side they must "
            "have equally many. Replace words only by words of as many tokens.",
            lengths=(len(rows[0]), len(rows[1])),
        )
    at = chosen_positions(positions, len(rows[0]))
    ids = ids_of(model, targets)
    top = min(top, model.anatomy.d_vocab) if top == LENS_TOP else top
    if not 1 <= top <= model.anatomy.d_vocab:
        raise TaskError(f"top={top}: give a number from 1 to {model.anatomy.d_vocab}.")
    with torch.inference_mode(False), metering() as meter:
        tokens = torch.tensor(rows, device=model.device)
        points, streams, own = streams_at_points(model, tokens, at)
        digests, error = through(model, tokens[:, list(at)], streams, own, ids, top)
    demand_exact(model, error, own)
    readings = readings_of(model, rows, at, digests)
    return LogitLens(
        points=points,
        positions=at,
        targets=tuple(label(model.tokenizer, i) for i in ids),
        target_ids=ids,
        prompt=readings[0],
        against=readings[1] if against is not None else None,
        kl=torch.cat([part.kl for part in digests]) if against is not None else None,
        error=error,
        passes=meter.passes,
    )


def chosen_positions(positions: int | Sequence[int] | None, length: int) -> tuple[int, ...]:
    """Positions counted from the start.

    **Raises** ``EditError`` for one outside the prompt.
    """
    if positions is None:
        return tuple(range(length))
    listed = whole_numbers([positions] if isinstance(positions, int) else positions, "positions")
    return positions_from_start(listed, length, given=positions)


def ids_of(model: Model, targets: Target | Sequence[Target] | None) -> tuple[int, ...]:
    """Ids of the targets, each a single token."""
    if targets is None:
        return ()
    listed = [targets] if isinstance(targets, str | int) else list(targets)
    return tuple(token_id(model.tokenizer, t, vocab_size=model.anatomy.d_vocab) for t in listed)


def _lines(lens: LogitLens) -> Iterator[str]:
    """The lens at its last position, a line a point, in at most 80 columns."""
    side, other = lens.prompt, lens.against
    diff = lens.logit_difference is not None
    yield f"Logit lens at position {lens.positions[-1]} {quoted(side.tokens[-1], 30)}"
    if diff:
        yield f"diff: logit of {' minus '.join(quoted(t, 30) for t in lens.targets)}"
    yield ""
    if other is None:
        ranks = "".join(column(f"rank {quoted(t, 7)}", 13) for t in lens.targets[:2])
        yield (column("after", 7) + column("likeliest next", 41) + ranks + "  diff" * diff).rstrip()
    else:
        title = column("after", 7) + column("prompt", 14) + column("against", 14) + "     KL"
        yield title + ("   diff against  difference" if diff else "")
    for i, point in enumerate(lens.points):
        line = side.line(i) if other is None else _side_by_side(lens, i)
        yield (column(point.name, 7) + line).rstrip()
    yield ""
    if lens.shift is not None:
        at_end = lens.shift[1:, -1]
        largest = at_end.abs().argsort(descending=True, stable=True)[:_SHIFTS].tolist()
        named = (f"{lens.points[i + 1].name} {float(at_end[i]):+z.2f}" for i in largest)
        yield f"Largest shifts of diff: {', '.join(named)}."
    if other is not None:
        yield f"The two part {_where(lens, 'kl')}: KL stays above 0.1 nats to the end."
        if diff:
            where = _where(lens, "difference")
            yield f"Their diffs part {where}: more than half of the last difference to the end."
    yield f"The last row is the model's output; the lens' own differs by {lens.error:.1e}."
    yield f"Cost: {lens.passes}."


def _side_by_side(lens: LogitLens, point: int) -> str:
    assert lens.against is not None
    assert lens.kl is not None
    line = lens.prompt.first(point) + lens.against.first(point)
    line += f"{float(lens.kl[point, -1]):7.3f}"
    if lens.difference is None:
        return line
    values = (lens.prompt.logit_difference, lens.against.logit_difference, lens.difference)
    return line + "".join(
        f"{float(v[point, -1]):+{w}.2f}"
        for v, w in zip(values, (7, 8, 12), strict=True)
        if v is not None
    )


def _where(lens: LogitLens, by: Literal["kl", "difference"]) -> str:
    point = lens.parting(by)[-1]
    return f"from {point.name} on" if point else "nowhere for good"
