"""A figure as the bytes of a picture, the same each time."""

from io import BytesIO
from typing import TYPE_CHECKING

from pellucid.figures.appearance.style import styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = {".png": 150, ".svg": 300}
"""For SVG it is the resolution of the coloured cells; everything else is drawn as lines."""


def drawn(figure: "Figure", kind: str) -> bytes:
    """The figure as the bytes of a file of ``kind``, one of ``DPI``."""
    written = BytesIO()
    with styled():
        metadata = {"Date": None} if kind == ".svg" else None
        figure.savefig(written, format=kind[1:], dpi=DPI[kind], metadata=metadata)
    return written.getvalue()
