"""Attribution graphs as Neuronpedia and circuit-tracer show them (Neuronpedia's graph-schema.json).

The format was made for features of one prompt, at one position each; a circuit here has nodes, of
all positions and all prompts together. So

- every node stands at the last position of the first prompt, and says so in the description;
- ``feature`` is null, for a head is no feature that could be looked up, and ``feature_type`` says
  what the node is;
- the embedding of all tokens is one node, of type ``token embeddings``: viewers write one token's
  text over the label of an ``embedding``;
- edges through q, k and v between the same nodes are one link, whose weight is their sum; ``slots``
  beside it has the parts;
- the logits are the answer's: ``is_target_logit``, with the probability that the model gives it.
"""

import json
import math
import re
from collections import defaultdict
from typing import Any

import pellucid
from pellucid.circuit.exchange.picture import LOGITS, Box, Picture
from pellucid.circuit.exchange.setting import Setting
from pellucid.errors import ResultFileError

TYPES = {"head": "attention head", "mlp": "mlp", "embed": "token embeddings", "logits": "logit"}
SLUG = 60
"""Characters of a slug at the most."""


def write(picture: Picture, setting: Setting) -> str:
    """The document.

    **Cost** 2 forwards, for the answer's probability.
    **Raises** ``ResultFileError`` for an edge without a score.
    """
    ids = {box.name: node_id(box, setting) for box in picture.boxes}
    linked = links(picture, ids)  # before the model runs: it may refuse
    probability = setting.probability()
    document = {
        "metadata": metadata(picture, setting),
        "qParams": {
            "pinnedIds": list(ids.values()), "supernodes": [], "linkType": "both",
            "clickedId": "", "sg_pos": "",
        },
        "nodes": [node(box, ids[box.name], setting, probability) for box in picture.boxes],
        "links": linked,
    }  # fmt: skip
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)


def metadata(picture: Picture, setting: Setting) -> dict[str, Any]:
    """What the graph is about."""
    words = re.sub("[^a-z0-9]+", "-", f"{setting.model.name} {setting.prompt}".lower())
    where = (
        "Each node stands for all positions of its component, and is drawn at the last one."
        if setting.examples == 1
        else f"Each node stands for all positions of its component in {setting.examples} prompts, "
        "of which the first is shown, and is drawn at its last position."
    )
    return {
        "slug": words.strip("-")[:SLUG].rstrip("-"),
        "scan": setting.model.name,
        "prompt_tokens": list(setting.tokens),
        "prompt": setting.prompt,
        "schema_version": 1,
        "info": {
            "description": f"{picture.title}. {where}",
            "generator": {"name": "pellucid", "version": pellucid.__version__},
        },
        "generation_settings": picture.facts,
    }


def node_id(box: Box, setting: Setting) -> str:
    """``layer_feature_position`` as elsewhere, with the head or ``mlp`` for the feature."""
    last = len(setting.tokens) - 1
    if box.kind == "embed":
        return f"E_all_{last}"
    if box.kind == LOGITS:
        return f"{logit_layer(setting)}_{setting.resolved.answer[0]}_{last}"
    return f"{box.layer}_{'mlp' if box.head is None else box.head}_{last}"


def node(box: Box, name: str, setting: Setting, probability: float) -> dict[str, Any]:
    """One entry of ``nodes``."""
    layer, label = str(box.layer), box.name
    if box.kind == "embed":
        layer, label = "E", "embedding of all tokens"
    if box.kind == LOGITS:
        # Viewers read the probability out of the label, and fail where it lacks.
        answer, foil = (setting.facts[side] for side in ("answer", "foil"))
        layer = logit_layer(setting)
        label = f'Output "{answer}" against "{foil}" (p={probability:.3f})'
    first, _, position = name.rpartition("_")
    return {
        "node_id": name,
        "feature": setting.resolved.answer[0] if box.kind == LOGITS else None,
        "layer": layer,
        "ctx_idx": int(position),
        "feature_type": TYPES[box.kind],
        "token_prob": probability if box.kind == LOGITS else 0.0,
        "is_target_logit": box.kind == LOGITS,
        "run_idx": 0,
        "reverse_ctx_idx": 0,
        "jsNodeId": f"{first}-{position}",
        "clerp": label,
        "influence": None,
        "activation": None,
    }


def logit_layer(setting: Setting) -> str:
    """The layer under which viewers expect the logits."""
    return str(setting.model.anatomy.n_layers + 1)


def links(picture: Picture, ids: dict[str, str]) -> list[dict[str, Any]]:
    """One entry for every pair of nodes with an edge, in the order of their first edges."""
    slots: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for arrow in picture.arrows:
        if not math.isfinite(arrow.estimate):
            raise ResultFileError(
                f"The edge {arrow.sender} -> {arrow.slot} has no score, and a link needs a weight. "
                "Rank the edges by scores of all of them, or write graphml."
            )
        slots[ids[arrow.sender], ids[arrow.receiver]][arrow.slot] = arrow.estimate
    return [
        {"source": source, "target": target, "weight": sum(parts.values()), "slots": parts}
        for (source, target), parts in slots.items()
    ]
