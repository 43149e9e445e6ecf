"""The circuit as a graph: the embedding below, the layers upwards, the logits on top."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pellucid.errors import FigureError
from pellucid.figures.appearance import palette
from pellucid.figures.appearance.canvas import canvas, settle
from pellucid.figures.appearance.style import NORMAL, POINTS, SMALL, styled
from pellucid.figures.appearance.text import printable, widest, wrapped
from pellucid.figures.cells import colour_bar
from pellucid.figures.layered import SLOTS, DrawnEdge, Room, Vertex, resolve, route, rows_of, stand

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

SIZE = 7.5
HEIGHT = 0.24
"""Of a box, in inches."""
SHAPES = {"head": "round,pad=0,rounding_size=0.1", "mlp": "square,pad=0"}
THIN, THICK = 0.5, 3.6


def circuit(
    vertices: Sequence[Vertex],
    edges: Sequence[DrawnEdge] = (),
    *,
    title: str,
    label: str = "effect",
    edge_label: str = "effect",
) -> "Figure":
    """Heads (round) and MLPs (square) in their layers, with edges ``(sender, receiver, weight)``.

    A box is coloured by its own value where it has one. An edge is blue where it supports the
    answer and orange where it opposes it, and wider with more weight. A receiver may name a slot:
    ``L9H6.q`` enters the box at the left, ``.k`` in the middle, ``.v`` at the right. Made for up to
    about 40 parts and 120 edges.

    **Raises** ``FigureError`` for no parts, an edge that leads nowhere, or not upwards.
    """
    if not vertices:
        raise FigureError("There are no nodes to draw.")
    rows = rows_of(vertices)
    found = resolve(edges, rows)
    shown = [printable(vertex.name) for vertex in vertices]
    room = Room(box=(max(widest(shown, SIZE) + 9, 30) / POINTS, HEIGHT))
    places = stand(rows, [edge for edge, _ in found], room)
    curves = _curves(found, places, room)
    left, right = _sides(places, curves, room)
    bottom, top = -0.3, (len(rows) - 1) * room.row + 0.3
    with styled():
        figure, (panel,) = canvas()
        panel.set(xlim=(left, right), ylim=(bottom, top))
        panel.spines[:].set_visible(False)
        panel.set_xticks([])
        _draw_layers(panel, rows, room)
        _draw_edges(panel, [edge for edge, _ in found], curves)
        colours = _colours(vertices)
        for vertex in vertices:
            _draw_box(panel, vertex, places[vertex.name], room, colours)
        if found:
            slots = any(slot in SLOTS for _, slot in found)
            text = _legend(edge_label, [edge for edge, _ in found], slots)
            panel.set_xlabel(wrapped(text, NORMAL, (right - left) * POINTS), loc="left")
        if any(vertex.value is not None for vertex in vertices):
            words = f"{printable(label)}\n{palette.MEANING}"
            colour_bar(panel, colours, words, (right - left, top - bottom))
        return settle(figure, right - left, top - bottom, title=title)


def _curves(
    edges: Sequence[tuple[DrawnEdge, str]], places: dict[str, tuple[float, float]], room: Room
) -> list[np.ndarray]:
    curves = []
    for (sender, receiver, _), slot in edges:
        x, y = places[sender]
        to_x, to_y = places[receiver]
        boxes = np.array([p for name, p in places.items() if name not in (sender, receiver)])
        begin = (x, y + room.box[1] / 2)
        end = (to_x + SLOTS.get(slot, 0.0) * room.box[0], to_y - room.box[1] / 2)
        curves.append(route(begin, end, boxes.reshape(-1, 2), room))
    return curves


def _sides(
    places: dict[str, tuple[float, float]], curves: list[np.ndarray], room: Room
) -> tuple[float, float]:
    """What must be seen, left to right; a curve reaches at most to its control points."""
    xs = [place[0] + side * room.box[0] / 2 for place in places.values() for side in (-1, 1)]
    xs += [float(x) for curve in curves for x in curve[:, 0]]
    left, right = min(xs) - 0.12, max(xs) + 0.12
    spare = max(0.0, 2.4 - (right - left)) / 2
    return left - spare, right + spare


def _draw_layers(panel: "Axes", rows: Sequence[Sequence[Vertex]], room: Room) -> None:
    """A quiet band for every layer, named at the left."""
    heights: dict[int, list[int]] = {}
    for height, row in enumerate(rows):
        if row[0].kind in ("head", "mlp"):
            heights.setdefault(row[0].layer or 0, []).append(height)
    for index, levels in enumerate(heights.values()):
        if index % 2 == 0:
            low, high = (levels[0] - 0.5) * room.row, (levels[-1] + 0.5) * room.row
            panel.axhspan(low, high, color="#f3f3f3", zorder=0, linewidth=0)
    middles = [float(np.mean(levels)) * room.row for levels in heights.values()]
    panel.set_yticks(middles, [f"layer {layer}" for layer in heights])
    panel.tick_params(axis="y", length=0, labelcolor=palette.QUIET, labelsize=SMALL)


def _draw_edges(panel: "Axes", edges: Sequence[DrawnEdge], curves: Sequence[np.ndarray]) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    largest = max((abs(weight) for _, _, weight in edges), default=0.0) or 1.0
    codes = [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
    for index in sorted(range(len(edges)), key=lambda i: abs(edges[i][2])):
        weight = edges[index][2]
        share = abs(weight) / largest
        panel.add_patch(
            PathPatch(
                Path(curves[index], codes),
                fill=False,
                edgecolor=palette.signed(weight),
                linewidth=THIN + (THICK - THIN) * share,
                alpha=0.35 + 0.5 * share,
                zorder=1,
            )
        )


def _colours(vertices: Sequence[Vertex]) -> "ScalarMappable":
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    largest = max((abs(v.value) for v in vertices if v.value is not None), default=0.0) or 1.0
    return ScalarMappable(Normalize(-largest, largest), palette.diverging())


def _draw_box(
    panel: "Axes",
    vertex: Vertex,
    place: tuple[float, float],
    room: Room,
    colours: "ScalarMappable",
) -> None:
    from matplotlib.patches import FancyBboxPatch

    width, height = room.box
    fill = (1.0, 1.0, 1.0, 1.0)
    if vertex.value is not None:
        fill = tuple(colours.to_rgba(np.array([vertex.value]))[0])
    box = FancyBboxPatch(
        (place[0] - width / 2, place[1] - height / 2),
        width,
        height,
        boxstyle=SHAPES.get(vertex.kind, SHAPES["mlp"]),
        facecolor=fill,
        edgecolor=palette.INK,
        linewidth=0.8,
        zorder=2,
    )
    panel.add_patch(box)
    panel.text(
        *place,
        printable(vertex.name),
        fontsize=SIZE,
        ha="center",
        va="center",
        color=palette.ink_on(fill),
        zorder=3,
    )


def _legend(label: str, edges: Sequence[DrawnEdge], slots: bool) -> str:
    largest = max((weight for _, _, weight in edges), key=abs)
    text = (
        f"Lines: {printable(label)}. Blue is positive and supports the answer, orange is negative "
        f"and opposes it; the widest is {largest:+.3g}."
    )
    return text + " They enter a head at q (left), k (middle) or v (right)." * slots
