"""What heads do, typed by behaviour: score, threshold, null, and what breaks without them.

1. Random tokens are said twice (``sequences.py``); every head is scored for every role on them, and
   on IOI prompts for the last (``behaviour.py``).
2. The same scores are taken where the reason for the role is gone: the null.
3. A head holds a role when its score reaches the threshold and exceeds every null score of every
   head. It may hold several.
4. The heads of each role are ablated, beside random heads of the same layers (``knockout.py``).

The loss curve of the same run shows whether the model does induction at all: on the second half it
can only fall by using the repetition (Olsson et al. 2022, "In-context learning and induction
heads").
"""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pellucid.callbacks import expect
from pellucid.errors import TaskError
from pellucid.lens.heads.attention import demand_patterns
from pellucid.lens.heads.behaviour import ROLES, Scores, measure
from pellucid.lens.heads.knockout import CausalCheck, causal_check
from pellucid.lens.heads.sequences import draw_sequences, fitting
from pellucid.model.anatomy import Node
from pellucid.model.model import Model, opened
from pellucid.options import ROLE_CONTROLS, ROLE_LENGTH, ROLE_NULLS, ROLE_SEQUENCES, Role
from pellucid.passes import metering
from pellucid.results.passes import Passes
from pellucid.results.result import Result
from pellucid.results.tables import tabulate
from pellucid.results.views import shown
from pellucid.run.gradient import demand_finite
from pellucid.run.provenance import with_provenance

if TYPE_CHECKING:
    from matplotlib.figure import Figure

THRESHOLDS: dict[Role, float] = {
    "previous": 0.4,
    "duplicate": 0.4,
    "induction": 0.4,
    "sink": 0.5,
    "copying": 0.8,
    "suppressing": 0.8,
    "name_mover": 0.2,
}
"""Least score that counts. Shares of attention; of copying, 0.8 is above 90 % of other tokens."""
SHOWN, ACROSS = 8, 3


@dataclass(frozen=True, kw_only=True)
class HeadRoles(Result):
    """Scores of every head for every role; ``score[h, r]`` is NaN where a role was not measured.

    ``loss[i]`` is the mean loss, in nats, of token i + 1 of the repeated sequences.
    """

    seed: int
    sequences: int
    length: int
    heads: tuple[Node, ...]
    roles: tuple[str, ...]
    thresholds: Float[Tensor, " role"]
    score: Float[Tensor, "node role"]
    null: Float[Tensor, "draw node role"]
    checks: tuple[CausalCheck, ...]
    loss: Float[Tensor, " next"]
    loss_first: float
    loss_second: float
    sampled: int
    """Tokens that copying and suppressing are scored on, a seeded sample of the vocabulary."""
    unmeasured: dict[str, str]
    """Roles that this model could not be asked for, and why."""
    passes: Passes

    @property
    def null_max(self) -> Float[Tensor, " role"]:
        """The highest null score of any head in any draw."""
        return self.null.nan_to_num(-torch.inf).amax((0, 1))

    @property
    def null_holding(self) -> Float[Tensor, " role"]:
        """How many heads reach the threshold in a null draw, on average."""
        return (self.null >= self.thresholds).sum(1).float().mean(0)

    @property
    def p(self) -> Float[Tensor, "node role"]:
        """Share of null scores, of all heads and draws, that reach the score; it counted in."""
        reached = (self.null.flatten(0, 1)[:, None] >= self.score).sum(0)
        p = (1 + reached) / (1 + self.null.shape[0] * self.null.shape[1])
        return p.masked_fill(self.score.isnan(), torch.nan)

    @property
    def holds(self) -> Bool[Tensor, "node role"]:
        """Score at the threshold or above, and above every null score."""
        return (self.score >= self.thresholds) & (self.score > self.null_max)

    def holders(self, role: str) -> tuple[Node, ...]:
        """The heads that hold ``role``, highest score first.

        **Raises** ``TaskError`` for a role that there is not.
        """
        if role not in self.roles:
            raise TaskError(f"{role!r} is no role; there are {', '.join(self.roles)}.")
        column = self.roles.index(role)
        order = self.score[:, column].argsort(descending=True, stable=True).tolist()
        return tuple(self.heads[i] for i in order if self.holds[i, column])

    def to_frame(self) -> pd.DataFrame:
        """One row per head and role.

        ``node kind layer head position example role score threshold null_max p holds``
        """
        frames = []
        for column, role in enumerate(self.roles):
            frame = tabulate(self.heads, self.score[:, column], "score")
            frame.insert(len(frame.columns) - 1, "role", role)
            frame["threshold"] = float(self.thresholds[column])
            frame["null_max"] = float(self.null_max[column])
            frame["p"] = self.p[:, column].tolist()
            frame["holds"] = self.holds[:, column].tolist()
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)

    def plot(self, role: str | None = None) -> "Figure":
        """A map of layers and heads for every role, or for one; heads that hold it are framed.

        **Raises** ``TaskError`` for a role that there is not.
        """
        return shown(self, "figure", role)

    def plot_loss(self) -> "Figure":
        """The loss at every position of the repeated sequences."""
        return shown(self, "loss figure")

    def __str__(self) -> str:
        lines = [
            f"Head roles on {self.sequences} sequences of 2 x {self.length} random tokens "
            f"(seed {self.seed})",
            f"Loss {self.loss_first:.2f} on the first half, {self.loss_second:.2f} on the "
            "repetition.",
            "",
            "role         heads  threshold  null max   strongest",
        ]
        for column, role in enumerate(self.roles):
            lines += _role_lines(self, role, column)
        lines += ["", *_check_lines(self.checks), f"Cost: {self.passes}."]
        return "\n".join(lines)


@with_provenance
def head_roles(
    model: Model,
    *,
    seed: int = 0,
    sequences: int = ROLE_SEQUENCES,
    length: int = ROLE_LENGTH,
    nulls: int = ROLE_NULLS,
    controls: int = ROLE_CONTROLS,
    thresholds: Mapping[Role, float] | None = None,
) -> HeadRoles:
    """Type every head by what it does on ``sequences`` of 2 x ``length`` random tokens.

    The default ``length`` shrinks to what a small vocabulary or context has room for. ``nulls`` are
    null draws, ``controls`` random sets of heads beside each role's in the causal check;
    ``thresholds`` replaces any of ``THRESHOLDS``.

    **Assumes** that a behaviour on random tokens is the head's habit; on text it may differ.
    **Cost** 2 (1 + nulls) forwards, and (1 + controls) more for each role that any head holds.
    **Raises** ``EditError`` for a model whose attention patterns cannot be read, ``TaskError`` and
    ``ContextLengthError`` for sizes that do not fit the model.
    """
    demand_patterns(opened(model))
    least = _thresholds(thresholds)
    if nulls < 1 or controls < 1:
        raise TaskError(f"nulls={nulls}, controls={controls}: at least one of each is needed.")
    length = fitting(model, length) if length == ROLE_LENGTH else length
    drawn = draw_sequences(model, rows=sequences, length=length, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    expect(most_forwards_of_roles(nulls, controls))
    with metering() as meter:
        found = measure(model, drawn, nulls=nulls, generator=generator)
        loss = found.baseline.loss
        demand_finite(loss, "loss on repeated random tokens")
        halves = drawn.halves(loss)
        result = HeadRoles(
            seed=seed,
            sequences=sequences,
            length=length,
            heads=tuple(node for node in model.nodes if node.kind == "head"),
            roles=ROLES,
            thresholds=torch.tensor([least[role] for role in ROLES]),
            score=_stacked(found.scores),
            null=torch.stack([_stacked(null) for null in found.nulls]),
            checks=(),
            loss=loss.mean(0).cpu(),
            loss_first=float(halves[0]),
            loss_second=float(halves[1]),
            sampled=found.sampled,
            unmeasured={str(role): why for role, why in found.unmeasured.items()},
            passes=meter.passes,
        )
        rng = Random(seed)
        checks = [
            causal_check(
                model,
                found.baseline,
                role,
                result.holders(role),
                controls=controls,
                rng=rng,
            )
            for role in ROLES
        ]
    kept = tuple(check for check in checks if check is not None)
    return replace(result, checks=kept, passes=meter.passes)


def most_forwards_of_roles(nulls: int = ROLE_NULLS, controls: int = ROLE_CONTROLS) -> int:
    """What ``head_roles`` costs where every role is held by some head."""
    return 2 * (1 + nulls) + (1 + controls) * len(ROLES)


def _thresholds(given: Mapping[Role, float] | None) -> dict[Role, float]:
    unknown = [role for role in given or () if role not in ROLES]
    if unknown:
        raise TaskError(f"thresholds for {unknown}: the roles are {', '.join(ROLES)}.")
    return {**THRESHOLDS, **(given or {})}


def _stacked(scores: Scores) -> Float[Tensor, "node role"]:
    return torch.stack([scores[role].float() for role in ROLES], dim=-1)


def _role_lines(roles: HeadRoles, role: str, column: int) -> list[str]:
    if role in roles.unmeasured:
        return textwrap.wrap(
            f"{role:11}  not measured: {roles.unmeasured[role]}", 80, subsequent_indent=" " * 13
        )
    holders = roles.holders(role)
    score = dict(zip(roles.heads, roles.score[:, column].tolist(), strict=True))
    named = [f"  {node.name:>6} {score[node]:.2f}" for node in holders[:SHOWN]]
    start = (
        f"{role:11} {len(holders):6} {float(roles.thresholds[column]):10.2f} "
        f"{float(roles.null_max[column]):9.2f}"
    )
    rows = ["".join(named[i : i + ACROSS]) for i in range(0, len(named), ACROSS)] or [""]
    return [start + rows[0], *(" " * len(start) + row for row in rows[1:])]


def _check_lines(checks: tuple[CausalCheck, ...]) -> list[str]:
    if not checks:
        return ["No head holds a role, so none is ablated."]
    lines = [
        "Loss without the heads of a role (each replaced by its mean), in nats a token",
        "                    repetition, beside random      first half, beside random",
        "role         heads  heads of the same layers       heads of the same layers",
    ]
    for c in checks:
        second, first = (
            f"{rise:+7.2f}  ({float(control.min()):+.2f} to {float(control.max()):+.2f})"
            for rise, control in (
                (c.rise_second, c.control_second),
                (c.rise_first, c.control_first),
            )
        )
        lines.append(f"{c.role:11} {len(c.heads):6}  {second:28}{first}")
    return lines
