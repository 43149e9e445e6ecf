"""Reading EAP-IG's graphs; ``eap_ig.py`` says what they hold."""

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pellucid.circuit.edges.circuit import EdgeCircuit
from pellucid.circuit.edges.outcome import SizeStep
from pellucid.circuit.exchange.eap_ig import FOUND
from pellucid.circuit.exchange.shape import Shape, name
from pellucid.model.anatomy import Node
from pellucid.model.model import Model
from pellucid.results.fields import check_fields
from pellucid.results.passes import Passes
from pellucid.stats.interval import Interval

PARTS = ("cfg", "nodes", "edges")
DTYPES = {"float32": torch.float32, "float64": torch.float64}
EDGE = "an edge has a score, which is a number or null, and in_graph, which is true or false"


def circuit_of(body: Any, model: Model | None) -> EdgeCircuit:
    """The circuit that a graph describes.

    **Raises** ``ValueError`` naming the field that is not as it should be.
    """
    missing = [part for part in PARTS if not isinstance(body, dict) or part not in body]
    if missing:
        raise ValueError(f"it has no {', '.join(missing)}, as every EAP-IG graph has")
    for part in PARTS:
        mapping(body[part], part)
    shape = shape_of(body["cfg"], model)
    wanted = shape.n_layers * (shape.n_heads + 1) + 2
    if len(body["nodes"]) != wanted:
        raise ValueError(f"nodes has {len(body['nodes'])} entries, and by cfg there are {wanted}")
    flags = dict(node_flags(body["nodes"], shape))
    scores, kept = matrices(body["edges"], shape)
    told = mapping(body.get("pellucid", {}), "pellucid")
    notes = list(notes_on(body["nodes"], flags, kept, shape)) if not told else []
    made = EdgeCircuit(
        senders=shape.senders,
        slots=shape.slots,
        exists=shape.exists,
        kept=kept,
        scores=scores.to(DTYPES.get(told.get("dtype", "float64"), torch.float64)),
        passes=Passes(**mapping(told.get("passes", {}), "pellucid.passes")),
        steps=tuple(size_step(step) for step in told.get("steps", ())),
        d_model=body["cfg"].get("d_model"),
        **{"method": "read", "ranked_by": "", "ablation": "", "target": None, "sufficiency": None,
           "minimal": False, "note": "; ".join(notes)}
        | {field: told[field] for field in FOUND if field in told},
    )  # fmt: skip
    check_fields(made)
    return made


def size_step(value: Any) -> SizeStep:
    """One step of a search, as it was written."""
    told = mapping(value, "pellucid.steps")
    return SizeStep(**{**told, "interval": interval_of(told.get("interval"))})


def interval_of(value: Any) -> Interval:
    """An interval as it was written: an object, in older files both ends or nothing."""
    if value is None or isinstance(value, list):
        low, high = value or (None, None)
        return Interval(low=low, high=high, units="", why="" if value else "none in the file")
    return Interval(**mapping(value, "pellucid.steps.interval"))


def mapping(value: Any, where: str) -> dict[str, Any]:
    """``value``, if it is an object."""
    if not isinstance(value, dict):
        raise ValueError(f"{where} should be an object, and is {value!r:.60}")
    return value


def shape_of(cfg: dict[str, Any], model: Model | None) -> Shape:
    """The model's sizes, from the file; shared key/value heads from the model, if it is given."""
    sizes: dict[str, Any] = {"n_layers": cfg.get("n_layers"), "n_heads": cfg.get("n_heads")}
    sizes["n_key_value_heads"] = cfg.get("n_key_value_heads", sizes["n_heads"])
    for field, value in sizes.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"cfg.{field} should be a number of at least 1, and is {value!r:.60}")
    parallel = cfg.get("parallel_attn_mlp")
    if not isinstance(parallel, bool):
        raise ValueError(f"cfg.parallel_attn_mlp should be true or false, and is {parallel!r:.60}")
    layers, heads, shared = sizes.values()
    if heads % shared:
        raise ValueError(f"cfg has {heads} heads, which cannot share {shared} key/value heads")
    shape = Shape(n_layers=layers, n_heads=heads, n_kv_heads=shared, parallel=parallel)
    if model is None:
        return shape
    anatomy = model.anatomy
    own = Shape.of(anatomy.nodes, anatomy.slots, anatomy.edges)
    given = shape if own is None or "n_key_value_heads" in cfg else shape.sharing(own.n_kv_heads)
    if own is None or given != own:
        raise ValueError(
            f"it is of a model of {shape}, and {model.name} is one of {own or 'another kind'}"
        )
    return own


def node_flags(nodes: dict[str, Any], shape: Shape) -> Iterator[tuple[str, bool]]:
    """Whether each node is in the graph, by EAP-IG's name."""
    names = {*map(name, shape.senders), "logits"}
    for node, value in nodes.items():
        if node not in names:
            raise ValueError(f"nodes has {node!r}, which a model of {shape} has not")
        if isinstance(value, dict) and "neurons" in value:
            raise ValueError(
                f"nodes[{node!r}] has neurons: part of a node is in the graph, and a circuit here "
                "has whole nodes. Write the graph without neuron_level"
            )
        flag = value.get("in_graph") if isinstance(value, dict) else value
        if not isinstance(flag, bool):
            raise ValueError(f"nodes[{node!r}] should say true or false, and says {value!r:.60}")
        yield node, flag


def matrices(
    edges: dict[str, Any], shape: Shape
) -> tuple[Float[Tensor, "sender slot"], Bool[Tensor, "sender slot"]]:
    """Scores and kept edges, with the edges into shared key/value heads put together."""
    listed = list(shape.edges())
    unknown = edges.keys() - {edge for edge, *_ in listed}
    missing = [edge for edge, *_ in listed if edge not in edges]
    if unknown or missing:
        raise ValueError(
            f"edges has {len(unknown)} that a model of {shape} has not "
            f"({', '.join(sorted(unknown)[:3]) or 'none'}), and lacks {len(missing)} that it has "
            f"({', '.join(missing[:3]) or 'none'})"
        )
    parts: dict[tuple[int, int], list[tuple[str, float, bool, Node | None]]] = defaultdict(list)
    rows = {node: i for i, node in enumerate(shape.senders)}
    columns = {slot: j for j, slot in enumerate(shape.slots)}
    for edge, sender, slot, fed in listed:
        parts[rows[sender], columns[slot]].append((edge, *score_and_flag(edge, edges[edge]), fed))
    sending = {edge.split("->")[0] for edge, value in edges.items() if value["in_graph"]}
    scores = torch.zeros(shape.exists.shape, dtype=torch.float64)
    kept = torch.zeros_like(shape.exists)
    for place, found in parts.items():
        scores[place] = math.fsum(score for _, score, _, _ in found)
        kept[place] = together([(edge, flag, fed) for edge, _, flag, fed in found], sending)
    return scores, kept


def score_and_flag(edge: str, value: Any) -> tuple[float, bool]:
    """What a file says of one edge; null is a score that was not taken."""
    value = mapping(value, f"edges[{edge!r}]")
    score, flag = value.get("score", "missing"), value.get("in_graph", "missing")
    number = score is None or (isinstance(score, int | float) and not isinstance(score, bool))
    if not number or not isinstance(flag, bool) or (score is not None and math.isinf(score)):
        raise ValueError(
            f"edges[{edge!r}] has score {score!r:.40} and in_graph {flag!r:.40}; {EDGE}"
        )
    return math.nan if score is None else float(score), flag


def together(heads: list[tuple[str, bool, Node | None]], sending: set[str]) -> bool:
    """Whether an edge into a slot is kept, from the flags of the heads that the slot feeds."""
    alive = [(e, flag) for e, flag, fed in heads if fed is not None and name(fed) in sending]
    flags = alive or [(edge, flag) for edge, flag, _ in heads]
    if len({flag for _, flag in flags}) > 1:
        inside = ", ".join(edge for edge, flag in flags if flag)
        outside = ", ".join(edge for edge, flag in flags if not flag)
        raise ValueError(
            f"edges has {inside} in the graph and {outside} not, but these heads share one "
            "key/value head, whose edges are kept or cut together. Set them alike, or read the "
            "file without model= and n_key_value_heads, as a model whose heads share nothing"
        )
    return flags[0][1]


def notes_on(
    nodes: dict[str, Any], flags: dict[str, bool], kept: Bool[Tensor, "sender slot"], shape: Shape
) -> Iterator[str]:
    """What the file holds that the circuit does not."""
    yield "read from an EAP-IG graph, which does not say how it was found"
    sends = {name(node): bool(row.any()) for node, row in zip(shape.senders, kept, strict=True)}
    other = [node for node, flag in sends.items() if flags[node] != flag]
    if other:
        yield f"its flags of {len(other)} nodes differ from its edges ({other[0]}); edges count"
    if any(isinstance(value, dict) and "score" in value for value in nodes.values()):
        yield "its scores of nodes were left out"
