"""Writing and reading circuits in other tools' formats: whole files or none."""

import json
from pathlib import Path
from typing import get_args

from pellucid.circuit.edges.circuit import EdgeCircuit, Format
from pellucid.circuit.exchange import dot, eap_ig, graphml, neuronpedia
from pellucid.circuit.exchange.eap_ig_read import circuit_of
from pellucid.circuit.exchange.picture import picture_of
from pellucid.circuit.exchange.setting import Setting
from pellucid.circuit.nodes.circuit import Circuit
from pellucid.errors import ResultFileError
from pellucid.model.model import Model
from pellucid.results.disk.files import demand_file, write_file
from pellucid.results.views import shows
from pellucid.run.identity import demand_made_of
from pellucid.run.provenance import with_provenance
from pellucid.task.contrast import Contrasts

ENDINGS: dict[str, Format] = {".graphml": "graphml", ".dot": "dot", ".gv": "dot"}
OF_NODES = ("graphml", "dot")
"""Formats that can hold nodes without edges."""


@shows(Circuit, "file")
@shows(EdgeCircuit, "file")
def export(
    circuit: Circuit | EdgeCircuit,
    path: str | Path,
    *,
    format: Format | None = None,
    model: Model | None = None,
    contrast: Contrasts | None = None,
) -> Path:
    """Write ``circuit`` for another tool; an existing file is replaced, folders are made.

    ``format`` follows from the endings ``.graphml``, ``.dot`` and ``.gv``; for JSON it has to be
    given. ``model`` and ``contrast`` say what question the circuit answers: Neuronpedia's format
    needs them, GraphML and DOT name them where they are given, EAP-IG's has no place for them.

    **Cost** none; 2 forwards for ``neuronpedia``.
    **Raises** ``ResultFileError`` for a format that cannot hold the circuit, or a place that
    cannot be written; ``MismatchError`` for another model or question than the circuit's own.
    """
    target = demand_file(path)
    kind = format_of(target, format)
    check(circuit, kind, model, contrast)
    setting = None
    if model is not None and contrast is not None:
        demand_made_of(model, contrast, circuit, type(circuit).__name__)
        setting = Setting.of(model, contrast)
    if isinstance(circuit, EdgeCircuit) and (kind == "eap-ig" or kind == "eap-ig-flat"):
        return write_file(target, eap_ig.write(circuit, kind))
    picture = picture_of(circuit, setting)
    if kind == "neuronpedia":
        assert setting is not None
        return write_file(target, neuronpedia.write(picture, setting))
    return write_file(target, (graphml if kind == "graphml" else dot).write(picture))


@with_provenance
def read_circuit(path: str | Path, *, model: Model | None = None) -> EdgeCircuit:
    """The circuit of edges that an EAP-IG graph (JSON, either variant) describes.

    With ``model`` the circuit is checked against it, and heads that share keys and values there
    do so in the circuit; otherwise ``cfg.n_key_value_heads`` in the file says how many there are,
    or none is shared.

    **Cost** none.
    **Raises** ``ResultFileError`` naming the file, and the field that is not as it should be.
    """
    source = Path(path)
    try:
        body = json.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ResultFileError(f"{source} cannot be read as JSON: {error}.") from error
    if isinstance(body, dict) and "links" in body:
        raise ResultFileError(
            f"{source} is an attribution graph of Neuronpedia. These are written, and not read: "
            "their nodes are features at positions. Give an EAP-IG graph."
        )
    try:
        return circuit_of(body, model)
    except (TypeError, ValueError, OverflowError) as error:
        raise ResultFileError(f"{source} cannot be read as an EAP-IG graph: {error}.") from error


def format_of(target: Path, given: Format | None) -> Format:
    """The format asked for, by name or by the file's ending."""
    if given is not None and given not in get_args(Format):
        raise ResultFileError(f"format={given!r} is not known; choose one of {get_args(Format)}.")
    found = given or ENDINGS.get(target.suffix.lower())
    if found is None:
        raise ResultFileError(
            f"{target}: its ending does not say what to write. Give format=, one of "
            f"{get_args(Format)}."
        )
    return found


def check(
    circuit: Circuit | EdgeCircuit, kind: Format, model: Model | None, contrast: Contrasts | None
) -> None:
    """Refuse what does not go together, before anything is run or written."""
    if isinstance(circuit, Circuit) and kind not in OF_NODES:
        raise ResultFileError(
            f"format={kind!r} holds edges, and this circuit has nodes only. Choose one of "
            f"{OF_NODES}, or find edges with discover_edges."
        )
    lacks = model is None or contrast is None
    if (model is None) != (contrast is None) or (lacks and kind == "neuronpedia"):
        raise ResultFileError(
            "model= and contrast= go together, and format='neuronpedia' needs both: it shows the "
            "prompt, the answer and the answer's probability."
        )
    if not lacks and kind.startswith("eap-ig"):
        raise ResultFileError(f"format={kind!r} holds no question: leave out model=, contrast=.")
    if model is None:
        return
    own = circuit.senders if isinstance(circuit, EdgeCircuit) else circuit.nodes
    if not set(own) <= set(model.nodes):
        raise ResultFileError(f"The circuit has nodes that {model.name} lacks. Give its own model.")
