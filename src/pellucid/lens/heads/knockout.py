"""What a role is for, measured: the loss on repeated tokens without the heads that hold it.

1. The role's strongest heads are taken, at most as many in a layer as there are others to compare
   with, and at most ``MOST``.
2. What they write is replaced by their own mean over all positions of the repeated sequences (mean
   ablation), and the sequences run again.
3. The same is done to sets of other heads, drawn at random, as many in each layer.

A role that repetition needs makes the loss on the second half rise by more than any random set.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.lens.heads.sequences import Sequences, token_losses
from pellucid.model.anatomy import Node
from pellucid.model.model import Model
from pellucid.model.random_sets import random_nodes
from pellucid.model.running.forward import Start
from pellucid.model.sites import Site
from pellucid.results.registry import stored
from pellucid.run.edit import Edit, applying
from pellucid.run.prompts import run_tapped

_MOST = 10
"""Heads of one role that are ablated together."""


@stored
@dataclass(frozen=True, kw_only=True)
class CausalCheck:
    """Rise of the loss, in nats a token, when ``heads`` are replaced by their mean.

    ``control_*`` are the rises for random sets of other heads, as many in each layer.
    """

    role: str
    heads: tuple[str, ...]
    rise_first: float
    rise_second: float
    control_first: Float[Tensor, " control"]
    control_second: Float[Tensor, " control"]

    @property
    def needed(self) -> bool:
        """Whether the second half loses more without these heads than without any random set."""
        return self.rise_second > float(self.control_second.max())


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """The plain run of the sequences: its loss, and what ablated runs start from."""

    sequences: Sequences
    loss: Float[Tensor, "row next"]
    streams: dict[int, Tensor]
    means: dict[int, Float[Tensor, "head d_head"]]


def causal_check(
    model: Model,
    baseline: Baseline,
    role: str,
    holders: Sequence[Node],
    *,
    controls: int,
    rng: Random,
) -> CausalCheck | None:
    """The check of ``holders``, strongest first; None when no head can be compared with others.

    **Cost** 1 + ``controls`` forwards, from the first ablated layer on.
    """
    others = [node for node in model.nodes if node.kind == "head" and node not in holders]
    heads = _comparable(holders, others)
    if not heads:
        return None
    sequences = baseline.sequences
    plain = torch.stack(sequences.halves(baseline.loss))
    drawn = [random_nodes(frozenset(heads), others, rng, matched="layers") for _ in range(controls)]
    losses = (_loss_without(model, baseline, some) for some in [heads, *drawn])
    rises = torch.stack([torch.stack(sequences.halves(loss)) - plain for loss in losses]).cpu()
    return CausalCheck(
        role=role,
        heads=tuple(node.name for node in heads),
        rise_first=float(rises[0, 0]),
        rise_second=float(rises[0, 1]),
        control_first=rises[1:, 0].clone(),
        control_second=rises[1:, 1].clone(),
    )


def _comparable(holders: Sequence[Node], others: Sequence[Node]) -> list[Node]:
    """The first of ``holders``, in each layer at most as many as there are ``others``."""
    kept: list[Node] = []
    left = Counter(node.layer for node in others)
    for node in holders:
        if len(kept) < _MOST and left[node.layer] > 0:
            kept.append(node)
            left[node.layer] -= 1
    return kept


def _loss_without(
    model: Model, baseline: Baseline, heads: Iterable[Node]
) -> Float[Tensor, "row next"]:
    by_layer: dict[int, list[int]] = {}
    for node in heads:
        assert node.layer is not None
        assert node.head is not None
        by_layer.setdefault(node.layer, []).append(node.head)
    taps = {
        Site("z", layer): applying(
            [Edit(site=Site("z", layer), heads=tuple(some), value=baseline.means[layer][some])]
        )
        for layer, some in by_layer.items()
    }
    first = min(by_layer)
    start = Start(first, baseline.streams[first])
    tokens = baseline.sequences.repeated
    return token_losses(run_tapped(model, tokens, taps, start=start), tokens)
