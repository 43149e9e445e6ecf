"""A figure as the bytes of a picture, the same each time."""

from io import BytesIO
from typing import TYPE_CHECKING

from pellucid.figures.appearance.style import styled
from pellucid.results.disk.ours import WRITTEN_BY

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = {".png": 150, ".svg": 300}
"""For SVG it is the resolution of the coloured cells; everything else is drawn as lines."""
METADATA = {
    ".png": {"Software": WRITTEN_BY},
    ".svg": {"Creator": WRITTEN_BY, "Date": None},
}
"""By it a figure is told from pictures of others."""


def drawn(figure: "Figure", kind: str) -> bytes:
    """The figure as the bytes of a file of ``kind``, one of ``DPI``."""
    written = BytesIO()
    with styled():
        figure.savefig(written, format=kind[1:], dpi=DPI[kind], metadata=METADATA[kind])
    return written.getvalue()
