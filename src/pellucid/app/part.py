"""What is known of one head or MLP: its role, what it writes, and the tokens that it reads from."""

import math
from typing import Any
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pellucid.app.jobs import FieldError
from pellucid.app.replies import alone, blaming
from pellucid.app.requests import Asked
from pellucid.circuit.nodes.circuit import resolve_nodes
from pellucid.lens.direct.by_source import layer_by_source, source_views
from pellucid.lens.direct.decision import at_read, decide, one_token_each
from pellucid.lens.direct.promoted_tokens import promoted, sites_of_part
from pellucid.lens.heads.roles import HeadRoles, head_roles, most_forwards_of_roles
from pellucid.lens.labels import token_labels
from pellucid.model.anatomy import Node
from pellucid.model.model import Model
from pellucid.report.document import document
from pellucid.task.tokens import label

_SHOWN = 8
"""Tokens of each kind."""
_TYPED: WeakKeyDictionary[nn.Module, dict[int, HeadRoles]] = WeakKeyDictionary()
"""Roles by seed, which are the same whatever is asked, kept as long as their model."""


def _roles(model: Model, asked: Asked) -> dict[str, Any]:
    """What every head does on random tokens; no prompt is needed. Kept once it is known."""
    kept = _TYPED.setdefault(model.module, {})
    if asked.seed not in kept:
        kept[asked.seed] = head_roles(model, seed=asked.seed)
    return document(kept[asked.seed])


def roles_take(model: Model, asked: Asked) -> int:
    """How many forwards typing every head takes at most; 0 where it was done already."""
    return 0 if asked.seed in _TYPED.get(model.module, {}) else most_forwards_of_roles()


def role(model: Model, asked: Asked) -> dict[str, Any]:
    """One head's scores beside their null, if heads were typed already; no forward."""
    node = _one(model, asked)
    found = _TYPED.get(model.module, {}).get(asked.seed)
    if found is None or node not in found.heads:
        return {"known": False, "roles": []}
    row = found.heads.index(node)
    columns = zip(
        found.roles,
        found.score[row].tolist(),
        found.thresholds.tolist(),
        found.null_max.tolist(),
        found.holds[row].tolist(),
        strict=True,
    )
    return {
        "known": True,
        "roles": [
            {"role": name, "score": score, "threshold": threshold, "null": null, "holds": holds}
            for name, score, threshold, null, holds in columns
            if math.isfinite(score)
        ],
    }


def writes(model: Model, asked: Asked) -> dict[str, Any]:
    """The tokens whose logits a part raises and lowers most, directly, behind the prompt.

    **Cost** 2 forwards.
    """
    node = _one(model, asked)
    with blaming("prompt"):
        encoded = one_token_each(model, alone(model, asked))
    views = dict.fromkeys(sites_of_part(node), at_read(encoded.reads.repeat(2, 1)))
    with torch.inference_mode(False), blaming("nodes"):
        change = promoted(model, decide(model, encoded, views), node)[0]
    return {"promotes": _extremes(model, change, 1), "suppresses": _extremes(model, change, -1)}


def reads(model: Model, asked: Asked) -> dict[str, Any]:
    """A head's share by the token attended to, the largest ones: attention times what is moved.

    **Cost** 2 forwards.
    """
    node = _one(model, asked)
    if node.kind != "head":
        raise FieldError("nodes", f"{node.name} is no head; only heads read other positions.")
    assert node.layer is not None
    contrast = alone(model, asked)
    with blaming("prompt"):
        encoded = one_token_each(model, contrast)
    reading = at_read(encoded.reads.repeat(2, 1))
    views = {
        **source_views(model, reading, (node.layer,)),
        **dict.fromkeys(sites_of_part(node), reading),
    }
    with torch.inference_mode(False), blaming("nodes"):
        split = layer_by_source(model, decide(model, encoded, views), node.layer, 1)
    share = split[0, node.head]
    tokens = token_labels(model.tokenizer, encoded.clean[0].tolist())
    largest = share.abs().topk(min(_SHOWN, len(share))).indices.tolist()
    return {
        "total": float(share.sum()),
        "sources": [
            {"position": place, "token": tokens[place], "share": float(share[place])}
            for place in largest
        ],
    }


def _one(model: Model, asked: Asked) -> Node:
    with blaming("nodes"):
        nodes = resolve_nodes(model, asked.nodes)
    if len(nodes) != 1 or nodes[0].kind == "embed":
        raise FieldError("nodes", "Choose one head or MLP.")
    return nodes[0]


def _extremes(model: Model, change: Float[Tensor, " d_vocab"], sign: int) -> list[dict[str, Any]]:
    ids = (sign * change).topk(min(_SHOWN, len(change))).indices.tolist()
    return [
        {"id": token, "token": label(model.tokenizer, token), "change": float(change[token])}
        for token in ids
    ]
