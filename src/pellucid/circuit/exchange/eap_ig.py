"""EAP-IG's graphs as JSON (Hanna et al. 2024, github.com/hannamw/EAP-IG).

    {"cfg": {"n_layers": 12, "n_heads": 12, "parallel_attn_mlp": false, "d_model": 768},
     "nodes": {"input": {"in_graph": true}, "a9.h6": ..., "m3": ..., "logits": ...},
     "edges": {"a0.h1->a1.h0<q>": {"score": 0.1, "in_graph": true}, "a1.h0->m1": ...}}

Every edge of the model is listed, in the graph or not. ``eap-ig-flat``, the older variant, has a
boolean for each node, and null for a score that was not taken; both are read. Node flags follow
from the edges, as EAP-IG's own pruning makes them: a node is in the graph when it sends on an edge
that is, and the logits always are.

Heads there have keys and values of their own. A key/value head that several heads share is written
as an edge into each of them, in the graph together, with equal parts of the score; ``cfg`` gets
``n_key_value_heads``, which EAP-IG ignores. Read back, scores are added up. An edge into the shared
head is in the circuit when it is in the graph for those of its heads that send anything (for all,
if none does); where these disagree, no circuit of shared heads is equal to the graph.

``pellucid`` holds how the circuit was found, which EAP-IG ignores too.
"""

import json
from dataclasses import asdict
from typing import Any, Literal, TypeAlias

import pellucid
from pellucid.circuit.edges.circuit import EdgeCircuit
from pellucid.circuit.exchange.shape import Shape, name
from pellucid.errors import ResultFileError

Variant: TypeAlias = Literal["eap-ig", "eap-ig-flat"]
FOUND = ("method", "ranked_by", "ablation", "target", "sufficiency", "minimal", "note")
"""Fields of a circuit for which EAP-IG has no place."""


def write(circuit: EdgeCircuit, variant: Variant) -> str:
    """The document.

    **Raises** ``ResultFileError`` for a model that EAP-IG's graphs cannot describe.
    """
    shape = Shape.of(circuit.senders, circuit.slots, circuit.exists)
    if shape is None:
        raise ResultFileError(
            "EAP-IG's graphs have the same number of heads and an MLP in every layer, and q, k and "
            "v for every head. This circuit's model is not so; write graphml, or save() it."
        )
    sends = circuit.kept.any(1).tolist()
    flags = {name(node): flag for node, flag in zip(shape.senders, sends, strict=True)}
    flags["logits"] = True
    document = {
        "cfg": config(shape, circuit.d_model),
        "nodes": flags
        if variant == "eap-ig-flat"
        else {n: {"in_graph": f} for n, f in flags.items()},
        "edges": edges(circuit, shape, variant),
        "pellucid": found(circuit),
    }
    return json.dumps(document)


def config(shape: Shape, d_model: int | None) -> dict[str, int | bool]:
    """The model's sizes under TransformerLens' names."""
    sizes: dict[str, int | bool] = {
        "n_layers": shape.n_layers,
        "n_heads": shape.n_heads,
        "parallel_attn_mlp": shape.parallel,
    }
    if d_model is not None:
        sizes["d_model"] = d_model
    if shape.group > 1:
        sizes["n_key_value_heads"] = shape.n_kv_heads
    return sizes


def edges(circuit: EdgeCircuit, shape: Shape, variant: Variant) -> dict[str, Any]:
    """Score and flag of every edge, by EAP-IG's name.

    A score that was not taken is NaN, which is what EAP-IG writes; null in the older variant.
    """
    rows = {node: i for i, node in enumerate(circuit.senders)}
    columns = {slot: j for j, slot in enumerate(circuit.slots)}
    scores, kept = circuit.scores.double().tolist(), circuit.kept.tolist()
    listed = {}
    for edge, sender, slot, _ in shape.edges():
        i, j = rows[sender], columns[slot]
        score = scores[i][j] / (shape.group if slot.kind in ("k", "v") else 1)
        if variant == "eap-ig-flat" and score != score:
            score = None
        listed[edge] = {"score": score, "in_graph": kept[i][j]}
    return listed


def found(circuit: EdgeCircuit) -> dict[str, Any]:
    """How the circuit was found, for reading it back whole."""
    return {
        "version": pellucid.__version__,
        "dtype": str(circuit.scores.dtype).removeprefix("torch."),
        **{field: getattr(circuit, field) for field in FOUND},
        "steps": [asdict(step) for step in circuit.steps],
        "passes": asdict(circuit.passes),
    }
