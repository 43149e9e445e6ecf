"""Writing a figure down: PNG or SVG, whole or not at all, the same bytes each time."""

from pathlib import Path
from typing import TYPE_CHECKING

from pellucid.errors import FigureError, ResultFileError
from pellucid.figures.appearance.picture import DPI, drawn
from pellucid.results.disk.files import write_file
from pellucid.results.disk.places import place

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save(figure: "Figure", path: str | Path) -> Path:
    """Write ``figure`` as the ending of ``path`` says; folders that are missing are made.

    Text in an SVG stays text. Neither kind holds a date, so that equal figures are equal files.

    **Raises** ``FigureError`` for any other ending, or when the place cannot be written.
    """
    try:
        target = place(path)
        kind = target.suffix.lower()
        if kind not in DPI:
            raise FigureError(
                f"{target}: figures are written as .png or .svg; choose one of these."
            )
        return write_file(target, drawn(figure, kind))
    except ResultFileError as error:
        raise FigureError(str(error)) from error
