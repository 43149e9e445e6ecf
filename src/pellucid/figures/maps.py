"""Several maps of the same model side by side: a panel each, one scale for all."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from pellucid.errors import FigureError
from pellucid.figures.appearance.canvas import canvas, settle
from pellucid.figures.appearance.style import NORMAL, styled
from pellucid.figures.appearance.text import printable
from pellucid.figures.cells import (
    Scale,
    colour_bar,
    extent,
    hatch_absent,
    label_columns,
    label_rows,
    limits,
    paint,
)
from pellucid.figures.heatmap import frame, legend
from pellucid.figures.parts import layered

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from pellucid.results.tables import Named

CELL = 0.17
WIDEST, TALLEST = 4.0, 9.0
TOGETHER = 15.0


def maps(
    parts: "Sequence[Named]",
    values: Mapping[str, ArrayLike],
    *,
    title: str,
    label: str,
    scale: Scale = "signed",
    highlight: Mapping[str, Sequence[str]] | None = None,
) -> "Figure":
    """A map by layer for each of ``values``, one number a part; layers down, heads across.

    ``highlight`` frames parts, by the name of the map and of the part.

    **Raises** ``FigureError`` without values, or when there is not one for each part.
    """
    if not values:
        raise FigureError("values is empty; give at least one {name: values}.")
    grids = {name: layered(parts, found) for name, found in values.items()}
    first = next(iter(grids.values()))
    every = np.stack([grid.values for grid in grids.values()])
    width = extent(len(first.columns), CELL, WIDEST, 0.8)
    height = extent(len(first.rows), CELL, TALLEST, 0.5)
    rows = int(np.ceil(len(grids) * (width + 0.3) / TOGETHER))
    across = int(np.ceil(len(grids) / rows))
    cell = width / len(first.columns), height / len(first.rows)
    with styled():
        figure, panels = canvas(rows, across)
        for index, (name, grid) in enumerate(grids.items()):
            panel = panels[index]
            image = paint(panel, grid.values, scale, limits(every, scale), cell)
            panel.set_title(printable(name), loc="left", fontsize=NORMAL)
            label_rows(panel, grid.rows, cell[1])
            label_columns(panel, grid.columns, cell[0])
            panel.tick_params(labelleft=index % across == 0)
            frame(panel, [grid.cells[part] for part in (highlight or {}).get(name, ())])
            if np.isnan(grid.values).any():
                hatch_absent(panel)
        for panel in panels[len(grids) :]:
            panel.set_axis_off()
        colour_bar(panels[across - 1], image, legend(label, scale, every), (width, height))
        return settle(figure, width, height, title=title, rows=rows, columns=across)
