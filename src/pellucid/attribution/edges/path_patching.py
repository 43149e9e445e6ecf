"""Path patching: the effect of cutting one edge, measured by running the model.

Slot v reads the stream with node u's corrupted term in place of the one it computes, everything
downstream is computed again, and

    effect = metric(clean) - metric(cut)

positive for an edge that supports the answer. (Goldowsky-Dill et al. 2023; Wang et al. 2022)
"""

from collections.abc import Sequence
from typing import Unpack

import torch
from jaxtyping import Bool
from torch import Tensor

from pellucid.attribution.edges.scores import EdgeScores, packed
from pellucid.callbacks import expect
from pellucid.errors import EditError
from pellucid.keywords import keywords_of
from pellucid.model.anatomy import Node, Slot
from pellucid.model.model import Model, opened
from pellucid.model.named_parts import edges_named
from pellucid.passes import metering
from pellucid.run.edges.cut import run_cut
from pellucid.run.provenance import with_provenance
from pellucid.run.setup import MeasureKeywords, MeasureOptions, setup_of
from pellucid.task.contrast import Contrasts

Edges = Sequence[tuple[Node | str, Slot | str]]


@with_provenance
@keywords_of(MeasureOptions)
def patch_edges(
    model: Model,
    contrast: Contrasts,
    *,
    edges: Edges | None = None,
    **options: Unpack[MeasureKeywords],
) -> EdgeScores:
    """Measure the effect of cutting each of ``edges`` alone, given as ``("L5H1", "L9H6.q")``.

    A cut edge carries the sender's replaced term to that slot alone, and everything downstream is
    computed again: effect = metric(clean) - metric(cut). (Path patching, Goldowsky-Dill et al.
    2023)

    Without ``edges`` every edge of the model is measured. ``MeasureOptions`` says what the
    other options are.

    **Cost** 2 forwards + 1 backward to record (none with a ``trace`` of nodes and streams), then
    1 forward per edge in batched calls.
    **Raises** ``EditError`` for an edge that the model does not have.
    """
    anatomy = opened(model).anatomy
    chosen = anatomy.edges
    if edges is not None:
        if len(edges) == 0:
            raise EditError("edges=[] leaves nothing to measure; leave edges= out for all.")
        chosen = edges_named(anatomy, edges)
    with metering() as meter:
        setup = setup_of(model, contrast, **options)
        expect(int(chosen.sum()))
        measured = run_cut(setup, one_at_a_time(chosen))
    trace = setup.trace
    effect = trace.metric_clean - measured  # edge example
    per_example = effect.new_full((effect.shape[1], *chosen.shape), float("nan"))
    per_example[:, chosen.to(effect.device)] = effect.T
    per_example = per_example.masked_fill(~anatomy.edges.to(effect.device), 0).cpu()
    halves, scale = packed(per_example, anatomy.edges)
    return EdgeScores(
        method="exact",
        senders=anatomy.nodes,
        slots=anatomy.slots,
        exists=anatomy.edges,
        matrix=per_example.mean(0),
        halves=halves,
        scale=scale,
        by_position=None,
        difference=trace.difference.cpu(),
        accounted=per_example.nansum((1, 2)),
        identity_error=None,
        steps=1,
        passes=meter.passes,
        noise=trace.noise,
        units=trace.encoded.shared,
    )


def one_at_a_time(chosen: Bool[Tensor, "sender slot"]) -> Bool[Tensor, "edge sender slot"]:
    """One variant per chosen edge, in which that edge alone is cut."""
    where = chosen.nonzero()
    cut = torch.zeros(len(where), *chosen.shape, dtype=torch.bool)
    cut[torch.arange(len(where)), where[:, 0], where[:, 1]] = True
    return cut
