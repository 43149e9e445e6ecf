"""GraphML (http://graphml.graphdrawing.org), as networkx, Gephi, yEd and Cytoscape read it.

Nodes have ``kind layer head``, and ``estimate`` and ``drop`` where the circuit has them; edges have
``slot`` and ``estimate``. A head may get several edges from one node, through q, k and v, so that
readers make a multigraph of it. Whatever is not known, or not a number, is left out.
"""

import math
import re
from xml.etree import ElementTree

from pellucid.circuit.exchange.picture import Picture
from pellucid.results.disk.ours import WRITTEN_BY

NAMESPACE = "http://graphml.graphdrawing.org/xmlns"
TYPES = {
    "node": {
        "kind": "string", "layer": "int", "head": "int", "estimate": "double", "drop": "double",
    },
    "edge": {"slot": "string", "estimate": "double"},
}  # fmt: skip
FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML cannot hold, not even escaped; byte-level tokens have some."""


def write(picture: Picture) -> str:
    """The document."""
    root = ElementTree.Element("graphml", xmlns=NAMESPACE)
    for fact in ("title", *picture.facts):
        key(root, "graph", fact, "string")
    for owner, types in TYPES.items():
        for name, kind in types.items():
            key(root, owner, name, kind)
    graph = ElementTree.SubElement(root, "graph", id="circuit", edgedefault="directed")
    for name, value in {"title": picture.title, **picture.facts}.items():
        data(graph, "graph", name, value)
    for box in picture.boxes:
        element = ElementTree.SubElement(graph, "node", id=box.name)
        for name in TYPES["node"]:
            data(element, "node", name, getattr(box, name))
    for number, arrow in enumerate(picture.arrows):
        element = ElementTree.SubElement(
            graph, "edge", id=f"e{number}", source=arrow.sender, target=arrow.receiver
        )
        for name in TYPES["edge"]:
            data(element, "edge", name, getattr(arrow, name))
    ElementTree.indent(root)
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<!-- {WRITTEN_BY} -->\n'
    return head + ElementTree.tostring(root, encoding="unicode")


def key(root: ElementTree.Element, owner: str, name: str, kind: str) -> None:
    """Declare an attribute."""
    ElementTree.SubElement(
        root, "key", {"id": f"{owner}-{name}", "for": owner, "attr.name": name, "attr.type": kind}
    )


def data(element: ElementTree.Element, owner: str, name: str, value: str | float | None) -> None:
    """Set an attribute, unless it is not known."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return
    text = FORBIDDEN.sub(lambda found: f"\\x{ord(found[0]):02x}", str(value))
    ElementTree.SubElement(element, "data", key=f"{owner}-{name}").text = text
