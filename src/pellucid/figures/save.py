"""Writing a figure down: PNG or SVG, whole or not at all, the same bytes each time."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pellucid.errors import FigureError
from pellucid.figures.appearance.picture import DPI, drawn

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save(figure: "Figure", path: str | Path) -> Path:
    """Write ``figure`` as the ending of ``path`` says; folders that are missing are made.

    Text in an SVG stays text. Neither kind holds a date, so that equal figures are equal files.

    **Raises** ``FigureError`` for any other ending, or when the place cannot be written.
    """
    target = Path(path)
    kind = target.suffix.lower()
    if kind not in DPI:
        raise FigureError(f"{target}: figures are written as .png or .svg; choose one of these.")
    written = drawn(figure, kind)
    draft = target.with_name(f".{target.name}-{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.write_bytes(written)
            os.replace(draft, target)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise FigureError(f"Cannot write {target}: {error}.") from error
    return target
