"""Edges cut in part, differentiably: what learned masks and learned replacements need.

Slot v reads, of every node u, the share ``kept[u, v]`` of what u computes and the rest of its
replacement. At shares of 0 and 1 this is the run with those edges cut (``cut.py``).
"""

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor

from pellucid.model.sites import Site
from pellucid.run.edges.cut import CutRun
from pellucid.run.setup import Setup
from pellucid.task.metrics import Metric


def run_partly_cut(
    setup: Setup,
    kept: Float[Tensor, "sender slot"],
    values: Mapping[Site, Tensor],
    *,
    metric: Metric | None = None,
) -> Float[Tensor, " example"]:
    """The metric of the clean prompts, differentiable in ``kept`` and ``values``.

    **Cost** 1 forward; its graph holds every node's change for every layer that reads it.
    """
    exists = setup.model.anatomy.edges.to(kept.device)
    share = ((1 - kept) * exists)[None]
    run = CutRun(setup, values, "clean", metric or setup.trace.metric, 0)
    logits = run.logits_of(share.to(setup.model.device), 0)
    return run.metric(logits, setup.trace.encoded)
