"""What a layer's heads give when their queries, or keys, alone lose one sender: layer by layer.

A variant cuts one sender from the queries (or keys) of all heads of a layer. Heads do not see each
other's queries, so one variant serves all edges from that sender into them. The run ends as soon as
the heads have spoken.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.model.anatomy import Anatomy
from pellucid.model.sites import Site
from pellucid.run.edges.cut import CutRun
from pellucid.run.setup import Setup
from pellucid.run.variants import shared_positions


class Spoken(Exception):
    """Ends a forward once the heads' outputs are there."""


def heads_again(
    setup: Setup,
    layer: int,
    kind: Literal["q", "k"],
) -> Iterator[tuple[slice, Float[Tensor, "sender row pos head d_head"]]]:
    """For senders a few at a time, z of ``layer`` with each cut from its ``kind`` slots.

    Positions are those from the first at which the prompts differ, as far as the model can start
    there.

    **Cost** one layer's attention per sender, counted as that share of a forward, rounded up.
    """
    anatomy, trace, values = setup.model.anatomy, setup.trace, setup.values()
    columns = slots_of(anatomy, layer, kind)
    senders = anatomy.senders_of(anatomy.slots[columns[0]])
    run = CutRun(setup, values, "clean", trace.metric, shared_positions(setup, values))
    size = run.variants_per_call()
    z: list[Tensor] = []

    def keep(value: Tensor) -> None:
        z[:] = [value.detach().clone()]
        raise Spoken

    for chunk in torch.arange(senders).split(size):
        cut = torch.zeros(len(chunk), *anatomy.edges.shape, dtype=torch.bool)
        for i, sender in enumerate(chunk.tolist()):
            cut[i, sender, columns] = True
        # Rounded up over all senders, not over those of each call.
        done, more = (-(-n // anatomy.n_layers) for n in (int(chunk[0]), int(chunk[-1]) + 1))
        with suppress(Spoken):
            run.logits_of(cut, layer, {Site("z", layer): keep}, more - done)
        yield slice(int(chunk[0]), int(chunk[-1]) + 1), z[0].unflatten(0, (len(chunk), -1))


def slots_of(anatomy: Anatomy, layer: int, kind: str) -> list[int]:
    """Where the slots of one kind of one layer stand among all slots."""
    return [j for j, s in enumerate(anatomy.slots) if (s.layer, s.kind) == (layer, kind)]
