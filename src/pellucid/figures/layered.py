"""Where the parts of a circuit stand: layers upwards, without overlaps, edges around boxes.

1. Rows from below: embedding, then for each layer its heads and above them its MLP, then logits.
2. Every part wants to stand at the weighted mean of its neighbours' places (the barycentre
   heuristic of Sugiyama et al. 1981); parts of a row that come too close are pushed apart.
   Up and down a few times.
3. An edge is a Bezier curve that leaves upwards and arrives from below. Of several ways to bow it,
   the one that passes behind the fewest boxes is taken, the straightest among equals.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from jaxtyping import Float

from pellucid.errors import FigureError

Kind: TypeAlias = Literal["embed", "head", "mlp", "logits"]
DrawnEdge: TypeAlias = tuple[str, str, float]
SWEEPS = 6
BOWS = (0.0, 0.35, -0.35, 0.7, -0.7, 1.1, -1.1, 1.6, -1.6)
SLOTS = {"q": -0.3, "k": 0.0, "v": 0.3}


@dataclass(frozen=True, kw_only=True)
class Vertex:
    """A part of a circuit; ``value`` is its own effect, if it is known."""

    name: str
    kind: Kind
    layer: int | None = None
    value: float | None = None


@dataclass(frozen=True, kw_only=True)
class Room:
    """Sizes in inches: a box, the least distance of two boxes, and of two rows."""

    box: tuple[float, float]
    gap: float = 0.28
    row: float = 0.55

    @property
    def pitch(self) -> float:
        """From one box's middle to the next one's."""
        return self.box[0] + self.gap


def rows_of(vertices: Sequence[Vertex]) -> list[list[Vertex]]:
    """The rows that have something in them, from below.

    **Raises** ``FigureError`` for an unknown kind, a head or MLP without a layer, or a name twice.
    """
    rows: dict[tuple[int, int, int], list[Vertex]] = {}
    for vertex in vertices:
        if vertex.kind not in get_args(Kind):
            raise FigureError(f"{vertex.name}: kind={vertex.kind!r}; choose from {get_args(Kind)}.")
        inside = vertex.kind in ("head", "mlp")
        if inside and vertex.layer is None:
            raise FigureError(f"{vertex.name} is a {vertex.kind} and needs a layer.")
        floor = 1 if inside else 0 if vertex.kind == "embed" else 2
        place = (floor, vertex.layer or 0 if inside else 0, int(vertex.kind == "mlp"))
        rows.setdefault(place, []).append(vertex)
    names = [vertex.name for vertex in vertices]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FigureError(f"{', '.join(twice)}: given more than once.")
    return [sorted(rows[place], key=_numbers) for place in sorted(rows)]


def resolve(
    edges: Sequence[DrawnEdge], rows: Sequence[Sequence[Vertex]]
) -> list[tuple[DrawnEdge, str]]:
    """Edges between vertices, each with the slot it enters (``L9H6.q`` enters ``L9H6`` at q).

    **Raises** ``FigureError`` for an end that is not there, or an edge that does not go up.
    """
    row_of = {vertex.name: index for index, row in enumerate(rows) for vertex in row}
    found = []
    for sender, receiver, weight in edges:
        name, _, slot = (receiver, "", "") if receiver in row_of else receiver.partition(".")
        missing = [end for end in (sender, name) if end not in row_of]
        if missing:
            raise FigureError(f"The edge {sender} -> {receiver}: no node named {missing[0]}.")
        if row_of[sender] >= row_of[name]:
            raise FigureError(f"The edge {sender} -> {receiver} does not go up.")
        if not np.isfinite(weight):
            raise FigureError(f"The edge {sender} -> {receiver} has the weight {weight}.")
        found.append(((sender, name, float(weight)), slot))
    return found


def stand(
    rows: Sequence[Sequence[Vertex]], edges: Sequence[DrawnEdge], room: Room
) -> dict[str, tuple[float, float]]:
    """The middle of every box, in inches from the middle of the lowest row."""
    x = {
        vertex.name: (index - (len(row) - 1) / 2) * room.pitch
        for row in rows
        for index, vertex in enumerate(row)
    }
    half = max(max(len(row) for row in rows) * room.pitch * 0.65, 1.2)
    order = [*rows, *reversed(rows)] * (SWEEPS // 2)
    for row in order if edges else ():
        wanted = [_barycentre(vertex.name, edges, x) for vertex in row]
        for vertex, place in zip(row, _apart(wanted, room.pitch, half), strict=True):
            x[vertex.name] = place
    return {
        vertex.name: (x[vertex.name], height * room.row)
        for height, row in enumerate(rows)
        for vertex in row
    }


def route(
    begin: tuple[float, float],
    end: tuple[float, float],
    boxes: Float[np.ndarray, "box 2"],
    room: Room,
) -> Float[np.ndarray, "control 2"]:
    """The four control points of a curve from the top of one box to the bottom of another."""
    lift = 0.42 * (end[1] - begin[1])
    reach = 1.0 if end[1] - begin[1] > room.row else 0.0
    best, least = None, np.inf
    for bow in BOWS:
        side = bow * reach
        control = np.array(
            [begin, (begin[0] + side, begin[1] + lift), (end[0] + side, end[1] - lift), end]
        )
        cost = 10 * _hidden(control, boxes, room) + abs(side)
        if cost < least:
            best, least = control, cost
    assert best is not None
    return best


def _numbers(vertex: Vertex) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", vertex.name)]


def _barycentre(name: str, edges: Sequence[DrawnEdge], x: Mapping[str, float]) -> float:
    pulls = [(x[a if b == name else b], abs(w)) for a, b, w in edges if name in (a, b)]
    total = sum(weight for _, weight in pulls)
    return sum(place * weight for place, weight in pulls) / total if total else x[name]


def _apart(wanted: Sequence[float], pitch: float, half: float) -> Float[np.ndarray, " node"]:
    """Places near those wanted, in the same order, at least ``pitch`` apart, within +-``half``."""
    order = np.argsort(wanted, kind="stable")
    steps = np.arange(len(wanted)) * pitch
    # Without the steps the places only have to be ascending: pool neighbours that are not.
    pools: list[list[float]] = []
    for place in np.asarray(wanted)[order] - steps:
        pools.append([float(place)])
        while len(pools) > 1 and np.mean(pools[-2]) > np.mean(pools[-1]):
            pools[-2:] = [pools[-2] + pools[-1]]
    level = np.repeat([np.mean(pool) for pool in pools], [len(pool) for pool in pools])
    edge = half - pitch / 2
    placed = np.clip(level, -edge, max(-edge, edge - steps[-1])) + steps
    found = np.empty(len(wanted))
    found[order] = placed
    return found


def _hidden(
    control: Float[np.ndarray, "control 2"], boxes: Float[np.ndarray, "box 2"], room: Room
) -> int:
    """How many boxes the curve passes behind, its own ends not counted."""
    t = np.linspace(0.04, 0.96, 32)[:, None]
    curve = sum(
        factor * (1 - t) ** (3 - i) * t**i * control[i] for i, factor in enumerate((1, 3, 3, 1))
    )
    away = np.abs(curve[:, None] - boxes[None])
    inside = (away[..., 0] < room.box[0] / 2 + 0.03) & (away[..., 1] < room.box[1] / 2)
    return int(inside.any(0).sum())
