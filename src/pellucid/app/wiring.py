"""What joins the parts of a circuit: its edges, and groups of its nodes, measured when asked for.

Edges are those from the given nodes and the embedding to the slots that feed these nodes, and to
the logits. Each is cut alone (``patch_edges``). Where there are more than ``MOST`` of them, those
with the largest ``eap`` estimates are measured, and the others stay unmeasured.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from pellucid.app.jobs import FieldError
from pellucid.app.pairs import contrast_of
from pellucid.app.replies import blaming
from pellucid.app.requests import Asked
from pellucid.attribution.edges.attribute import attribute_edges
from pellucid.attribution.edges.path_patching import patch_edges
from pellucid.circuit.nodes.circuit import replaceable, resolve_nodes
from pellucid.circuit.nodes.measure import SetMeasure
from pellucid.model.anatomy import Node
from pellucid.model.model import Model
from pellucid.run.setup import setup_of
from pellucid.task.contrast import Contrast

MOST_EDGES = 150
"""Edges that are measured for one circuit."""


def _edges(model: Model, asked: Asked) -> dict[str, Any]:
    """The measured effect of the edges among ``nodes``, the embedding and the logits.

    **Cost** 2 forwards + 1 backward and 1 forward for each edge; 2 forwards + 1 backward more where
    an estimate has to choose.
    """
    contrast, _ = contrast_of(model, asked)
    with blaming("nodes"):
        nodes = resolve_nodes(model, asked.nodes)
    there = between(model, nodes)
    chosen = strongest(model, contrast, there) if int(there.sum()) > MOST_EDGES else there
    senders, slots, feeds = model.nodes, model.anatomy.slots, model.anatomy.feeds
    pairs = [(senders[i], slots[j]) for i, j in chosen.nonzero().tolist()]
    effect = patch_edges(model, contrast, edges=pairs).matrix[chosen].tolist()
    readers = [
        [node.name for node in nodes if feeds[j, senders.index(node)]]
        for _, j in chosen.nonzero().tolist()
    ]
    found = [
        {"sender": u.name, "slot": v.name, "into": into or ["logits"], "effect": value}
        for (u, v), into, value in zip(pairs, readers, effect, strict=True)
    ]
    return {"edges": found, "among": int(there.sum())}


def between(model: Model, nodes: Sequence[Node]) -> Bool[Tensor, "sender slot"]:
    """The edges from ``nodes`` and the embedding to what feeds ``nodes``, and to the logits."""
    anatomy = model.anatomy
    inside = torch.tensor([node in nodes for node in anatomy.nodes])
    sends = inside | torch.tensor([node.kind == "embed" for node in anatomy.nodes])
    reads = anatomy.feeds[:, inside].any(1)
    reads |= torch.tensor([slot.kind == "logits" for slot in anatomy.slots])
    return anatomy.edges & sends[:, None] & reads


def strongest(
    model: Model, contrast: Contrast, there: Bool[Tensor, "sender slot"]
) -> Bool[Tensor, "sender slot"]:
    """The ``MOST`` of these edges with the largest estimates."""
    size = attribute_edges(model, contrast, method="eap").matrix.abs().masked_fill(~there, -1)
    kept = size.flatten().argsort(descending=True, stable=True)[:MOST_EDGES]
    chosen = torch.zeros_like(there)
    chosen.view(-1)[kept] = True
    return chosen


def _together(model: Model, asked: Asked) -> dict[str, Any]:
    """The measured effect of each of ``groups``: all its nodes replaced at once.

    **Cost** 2 forwards + 1 backward, and 1 forward for each group.
    """
    contrast, _ = contrast_of(model, asked)
    parts = replaceable(model, "heads+mlps")
    with blaming("groups"):
        groups = [frozenset(resolve_nodes(model, group)) for group in asked.groups]
    if any(not group <= set(parts) for group in groups):
        raise FieldError("groups", "Only heads and MLPs are replaced together.")
    setup = setup_of(model, contrast)
    measure = SetMeasure(setup, parts)
    metric = measure.metric([measure.all - group for group in groups])
    return {"effect": (setup.trace.metric_clean.cpu() - metric).mean(1).tolist()}


def measured_edges(model: Model, asked: Asked) -> int:
    """How many forwards ``edges`` takes; 0 for nodes that the model does not have."""
    known = {node.name: node for node in model.nodes}
    nodes = [known[name] for name in asked.nodes if name in known]
    count = int(between(model, nodes).sum())
    return count + 2 if count <= MOST_EDGES else MOST_EDGES + 4
