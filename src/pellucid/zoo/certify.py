"""Is what is stated of a model true? By cutting edges and running it, not by how it was built.

With f(K) the part of the metric difference that is left when every edge outside K is cut, and T the
edges stated to matter (true and hidden ones):

1. Each edge of the model is cut alone. Those stated necessary change f by at least ``NECESSARY``,
   all others by at most ``IDLE``.
2. Every subset of T is kept, once with all other edges cut and once with all other edges in place.
   The minimal sufficient sets found (f within ``SUFFICES`` of 1) are those stated, and what is
   outside T changes f by at most ``SUFFICES`` whatever is kept of T.
3. Where there are few enough, every connected set of edges of the whole model is kept: the minimal
   sufficient ones are again those stated. Leaving out what is not connected changes nothing
   (``circuit/edges/sets.py``), so these stand for all subsets.
4. The sign of an edge is that of cutting it alone, or where that does nothing of its mean effect
   over the subsets of T.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Bool
from torch import Tensor

from pellucid.callbacks import expect
from pellucid.circuit.edges.measure import EdgeMeasure
from pellucid.circuit.edges.sets import EdgeSet
from pellucid.model.anatomy import Anatomy
from pellucid.passes import metering
from pellucid.results.passes import Passes
from pellucid.results.result import Result
from pellucid.run.provenance import with_provenance
from pellucid.run.setup import setup_of
from pellucid.zoo.case import EdgeName
from pellucid.zoo.registry import Specimen, SpecimenKind

NECESSARY, IDLE, SUFFICES = 0.15, 0.1, 0.15
FEW_EDGES = 13
"""Models with at most so many edges have all their connected sets enumerated."""


@dataclass(frozen=True, kw_only=True)
class Certificate(Result):
    """What enumeration found of one model; edges are pairs of names."""

    name: str
    kind: SpecimenKind
    n_edges: int
    truth: tuple[EdgeName, ...]
    hidden: tuple[EdgeName, ...]
    necessary: tuple[EdgeName, ...]
    sufficient: tuple[tuple[EdgeName, ...], ...]
    interchangeable: tuple[EdgeName, ...]
    opposes: tuple[EdgeName, ...]
    weakest: float
    """Least |effect| of cutting a necessary edge alone, as part of the metric difference."""
    loudest: float
    """Largest |effect| of cutting any other edge alone."""
    beside: float
    """Most that all edges outside change f, over all subsets of those that matter."""
    enumerated: int
    """Sets of edges that were measured."""
    exhaustive: bool
    """Whether they stand for every subset of the model's edges."""
    wrong: tuple[str, ...]
    """What was found otherwise than stated; empty if the model is what it is said to be."""
    passes: Passes

    def to_frame(self) -> pd.DataFrame:
        """Columns ``sender slot necessary interchangeable hidden sign``, one row an edge of T."""
        return pd.DataFrame(
            {
                "sender": sender,
                "slot": slot,
                "necessary": (sender, slot) in self.necessary,
                "interchangeable": (sender, slot) in self.interchangeable,
                "hidden": (sender, slot) in self.hidden,
                "sign": -1 if (sender, slot) in self.opposes else 1,
            }
            for sender, slot in (*self.truth, *self.hidden)
        )

    def __str__(self) -> str:
        said = "; ".join(self.wrong)
        found = f"OTHERWISE THAN STATED: {said}" if self.wrong else "as stated"
        sets = f"{self.enumerated} sets{', which stand for all' * self.exhaustive}"
        return (
            f"{self.name}: {found}. {len(self.truth)} of {self.n_edges} edges matter, "
            f"{len(self.necessary)} necessary (at least {self.weakest:.2f} each, any other at most "
            f"{self.loudest:.3f}), {len(self.interchangeable)} interchangeable, "
            f"{len(self.opposes)} against the answer; {sets}."
        )


@with_provenance
def certify(specimen: Specimen) -> Certificate:
    """Enumerate one model and hold what is stated of it against what is found.

    **Cost** 2 forwards + 1 backward, 1 forward per edge and 2 per subset of the edges that matter,
    and where the model has few edges 1 per connected set; batched, none run twice.
    """
    model, mattering = specimen.model, specimen.truth | specimen.hidden
    with metering() as meter:
        measure = EdgeMeasure(setup_of(model, specimen.contrast))
        kept = list(subsets(mattering))
        few = int(measure.all.sum()) <= FEW_EDGES
        everything = connected_sets(model.anatomy) if few else []
        expect(int(measure.all.sum()) + 2 * len(kept) + len(everything) + 2)
        alone = cut_alone(measure)
        f = torch.tensor(measure.fraction(kept))
        within = torch.tensor(measure.fraction([s | (measure.all & ~mattering) for s in kept]))
        sufficient = minimal(s for s, value in zip(kept, f, strict=True) if suffices(value))
        among_all = minimal(
            s
            for s, value in zip(everything, measure.fraction(everything), strict=True)
            if suffices(value)
        )
    necessary = measure.all & (alone.abs() > NECESSARY)
    rest = alone[measure.all & ~specimen.necessary].abs()
    opposing = mattering & (torch.where(necessary, alone, mean_effect(kept, f)) < 0)
    beside = float((f - within).abs().max())
    claims = {
        "necessary edges": _same([necessary], [specimen.necessary]),
        "edges that do nothing alone": float(rest.max()) <= IDLE,
        "minimal sufficient sets": _same(sufficient, specimen.sufficient),
        "minimal sufficient sets among all": not few or _same(among_all, specimen.sufficient),
        "all other edges together": beside <= SUFFICES,
        "signs": _same([opposing], [specimen.opposes]),
        "true edges": _same([torch.stack([necessary, *sufficient]).any(0)], [specimen.truth]),
    }

    def named(edges: EdgeSet) -> tuple[EdgeName, ...]:
        return names_of(specimen, edges)

    return Certificate(
        name=specimen.name,
        kind=specimen.kind,
        n_edges=int(measure.all.sum()),
        truth=named(specimen.truth),
        hidden=named(specimen.hidden),
        necessary=named(necessary),
        sufficient=tuple(named(s) for s in sufficient),
        interchangeable=named(specimen.interchangeable),
        opposes=named(opposing),
        weakest=float(alone[specimen.necessary].abs().min()),
        loudest=float(rest.max()),
        beside=beside,
        enumerated=int(measure.all.sum()) + 2 * len(kept) + len(everything),
        exhaustive=few,
        wrong=tuple(claim for claim, holds in claims.items() if not holds),
        passes=meter.passes,
    )


def cut_alone(measure: EdgeMeasure) -> Tensor:
    """1 - f with each edge cut alone ``[sender slot]``; 0 where there is no edge."""
    effects = torch.zeros(measure.all.shape, dtype=torch.float64)
    where = measure.all.nonzero()
    sets = measure.all.repeat(len(where), 1, 1)
    sets[torch.arange(len(where)), where[:, 0], where[:, 1]] = False
    effects[measure.all] = 1 - torch.tensor(measure.fraction(list(sets)), dtype=torch.float64)
    return effects


def suffices(fraction: Tensor | float) -> bool:
    """Whether so much of the behaviour is all of it."""
    return abs(1 - float(fraction)) <= SUFFICES


def subsets(edges: EdgeSet) -> Bool[Tensor, "set sender slot"]:
    """Every subset."""
    where = edges.nonzero()
    chosen = torch.arange(2 ** len(where))[:, None] >> torch.arange(len(where)) & 1
    kept = torch.zeros(len(chosen), *edges.shape, dtype=torch.bool)
    kept[:, where[:, 0], where[:, 1]] = chosen.bool()
    return kept


def connected_sets(anatomy: Anatomy) -> list[EdgeSet]:
    """The connected part of every subset of the model's edges, each once.

    What ``circuit.edge_sets.connected`` keeps, for many sets at a time: edges whose sender can be
    reached from the embedding, and whose slot leads to the logits.
    """
    kept, feeds = subsets(anatomy.edges), anatomy.feeds.float()
    reached = torch.zeros(len(kept), len(anatomy.nodes), dtype=torch.bool)
    useful = torch.zeros(len(kept), len(anatomy.slots), dtype=torch.bool)
    reached[:, 0], useful[:, -1] = True, True
    for _ in anatomy.nodes:  # at least as often as a path can be long
        read = (kept & reached[:, :, None]).any(1)
        reached |= (read.float() @ feeds).bool()
        sending = (kept & useful[:, None]).any(2)
        useful |= (sending.float() @ feeds.T).bool()
    return list((kept & reached[:, :, None] & useful[:, None]).unique(dim=0))


def minimal(sets: Iterable[EdgeSet]) -> list[EdgeSet]:
    """Those that hold none of the others."""
    found: list[EdgeSet] = []
    for kept in sorted(sets, key=lambda s: int(s.sum())):
        if not any(bool((small & ~kept).sum() == 0) for small in found):
            found.append(kept)
    return found


def mean_effect(kept: Sequence[EdgeSet], values: Tensor) -> Tensor:
    """Mean of f(S with the edge) - f(S without it) over the subsets S that were enumerated."""
    having = torch.stack(list(kept)).double()
    return 2 * torch.einsum("kuv,k->uv", 2 * having - 1, values.double()) / len(having)


def _same(found: Iterable[EdgeSet], stated: Iterable[EdgeSet]) -> bool:
    """Whether two collections hold the same sets."""
    one, other = ({s.numpy().tobytes() for s in sets} for sets in (found, stated))
    return one == other


def names_of(specimen: Specimen, edges: EdgeSet) -> tuple[EdgeName, ...]:
    """Edges as pairs of names, by sender and then slot."""
    nodes, slots = specimen.model.nodes, specimen.model.slots
    return tuple((nodes[i].name, slots[j].name) for i, j in edges.nonzero().tolist())
