"""DOT (https://graphviz.org/doc/info/lang.html): the embedding below, the logits on top.

Heads are ellipses and MLPs boxes, one row a layer. Blue supports the answer, orange opposes it, and
a wider arrow has more weight. All names and texts are quoted.
"""

import math
import re
from itertools import groupby

from pellucid.circuit.exchange.picture import Box, Picture
from pellucid.figures.appearance import palette
from pellucid.results.disk.ours import WRITTEN_BY

SHAPES = {"head": "ellipse", "mlp": "box", "embed": "house", "logits": "invhouse"}
THIN, THICK = 0.5, 4.0
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f]")


def write(picture: Picture) -> str:
    """The document."""
    label = "\n".join([picture.title, *(f"{name}: {text}" for name, text in picture.facts.items())])
    lines = [
        "digraph circuit {",
        "  rankdir=BT;",
        f"  label={quoted(label)};",
        f"  comment={quoted(WRITTEN_BY)};",
        '  node [fontname="Helvetica"];',
    ]
    for _, row in groupby(picture.boxes, key=lambda box: (box.kind, box.layer)):
        lines += ["  {", "    rank=same;", *(f"    {box_line(box)}" for box in row), "  }"]
    largest = max((abs(a.estimate) for a in picture.arrows if math.isfinite(a.estimate)), default=0)
    for arrow in picture.arrows:
        known = math.isfinite(arrow.estimate)
        share = abs(arrow.estimate) / largest if known and largest else 0.0
        attributes = {
            "label": arrow.slot.partition(".")[2],
            "penwidth": f"{THIN + (THICK - THIN) * share:.2f}",
            "color": palette.signed(arrow.estimate) if known else palette.INK,
            "tooltip": f"{arrow.sender} to {arrow.slot}: estimate {arrow.estimate:+z.4g}",
        }
        ends = f"{quoted(arrow.sender)} -> {quoted(arrow.receiver)}"
        lines.append(f"  {ends} [{listed(attributes)}];")
    return "\n".join([*lines, "}", ""])


def box_line(box: Box) -> str:
    """The statement that declares a node."""
    attributes = {"shape": SHAPES[box.kind]}
    if box.estimate is not None:
        attributes |= {
            "color": palette.signed(box.estimate),
            "tooltip": f"{box.name}: estimate {box.estimate:+z.4g}",
        }
    return f"{quoted(box.name)} [{listed(attributes)}];"


def listed(attributes: dict[str, str]) -> str:
    """Attributes with quoted values; empty ones are left out."""
    return ", ".join(f"{name}={quoted(value)}" for name, value in attributes.items() if value)


def quoted(text: str) -> str:
    """A quoted string that is shown as ``text``: backslashes start escapes in labels.

    Control characters other than the line break are shown by their code.
    """
    shown = CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
    escaped = shown.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
