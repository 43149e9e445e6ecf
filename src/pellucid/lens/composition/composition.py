"""How much one head reads what an earlier one writes, from the weights alone.

With a sender's W_OV and a reader's W_R (W_QK from the query's or the key's side, or W_OV), the
composition score of Elhage et al. 2021 ("A mathematical framework for transformer circuits") is

    |W_R W_OV|_F / (|W_R|_F |W_OV|_F)

computed from thin factors (``factors.py``). What is left by chance: were the sender's output turned
by a rotation Q drawn uniformly, then with P = W_R^T W_R, M = W_OV W_OV^T and X the squared
numerator,

    E X = tr P tr M / d        Var X = 2 |P_0|^2 |M_0|^2 / ((d - 1) (d + 2))

exactly, P_0 = P - (tr P / d) I (the traceless symmetric matrices are one irreducible representation
of the rotations). So z = (X - E X) / sd needs no draws, and sqrt(1 / d) is the score of chance.
``maximum`` is the highest score that any rotation could give these two: sqrt(sum s_i^2 t_i^2) over
their singular values in order, over the same norms (von Neumann's trace inequality).

A high z says that two heads did not meet by chance, not that the one is made for the other: in a
trained model all heads use the same few strong directions, and most pairs are above chance. So
compare a pair with the other pairs of its receiver.

Behind a LayerNorm no reader sees the mean direction: writers are centred and d is one less.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.errors import EditError
from pellucid.lens.composition.eigenvalues import (
    copying_eigenvalues,
    matching_eigenvalues,
    token_embedding,
    vocabulary_products,
)
from pellucid.lens.composition.factors import compose, factors, reader, writer
from pellucid.lens.composition.weights import HeadMatrices, head_matrices
from pellucid.lens.names import Names, chosen_heads
from pellucid.model.anatomy import Node
from pellucid.model.model import Model, opened
from pellucid.model.running.forward import undisturbed
from pellucid.options import COMPOSITION_VIEW, Composed, CompositionView
from pellucid.results.passes import Passes
from pellucid.results.result import Result
from pellucid.results.tables import COLUMNS, tabulate
from pellucid.results.views import shown
from pellucid.run.provenance import with_provenance

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_CHUNK = 64
"""Senders multiplied together, so that large models need little memory."""
_SHOWN = 8


@dataclass(frozen=True, kw_only=True)
class Composition(Result):
    """Scores ``[kind receiver sender]``; NaN where the sender is not in an earlier layer.

    ``copying`` and ``matching`` are the eigenvalue scores of every head in ``heads``
    (``eigenvalues.py``); NaN, with the reason in ``note``, where the embedding does not allow them.
    """

    kinds: tuple[str, ...]
    senders: tuple[Node, ...]
    receivers: tuple[Node, ...]
    score: Float[Tensor, "kind receiver sender"]
    z: Float[Tensor, "kind receiver sender"]
    maximum: Float[Tensor, "kind receiver sender"]
    chance: float
    """The root mean square score of a sender whose output is turned at random."""
    heads: tuple[Node, ...]
    copying: Float[Tensor, " node"]
    matching: Float[Tensor, " node"]
    note: str
    passes: Passes

    def between(self, sender: str, receiver: str, kind: Composed) -> float:
        """The score of one pair, by name.

        **Raises** ``EditError`` for a pair or kind that is not in this result.
        """
        names = [node.name for node in self.receivers], [node.name for node in self.senders]
        if receiver not in names[0] or sender not in names[1] or kind not in self.kinds:
            raise EditError(
                f"{sender} -> {receiver} ({kind}) is not in this result; it has "
                f"{len(names[1])} senders, {len(names[0])} receivers and kinds {self.kinds}."
            )
        place = self.kinds.index(kind), names[0].index(receiver), names[1].index(sender)
        return float(self.score[place])

    def to_frame(self) -> pd.DataFrame:
        """One row per kind and pair; ``node`` is the receiver.

        ``node kind layer head position example sender composition score z maximum``
        """
        where = (~self.score.isnan()).nonzero()
        kind, to, by = where.T.tolist() if len(where) else ([], [], [])
        nodes = [self.receivers[i] for i in to]
        frame = pd.DataFrame(
            {
                "node": [node.name for node in nodes],
                "kind": [node.kind for node in nodes],
                "layer": [node.layer for node in nodes],
                "head": [node.head for node in nodes],
                "position": None,
                "example": None,
                "sender": [self.senders[i].name for i in by],
                "composition": [self.kinds[i] for i in kind],
                "score": self.score[tuple(where.T)].tolist(),
                "z": self.z[tuple(where.T)].tolist(),
                "maximum": self.maximum[tuple(where.T)].tolist(),
            }
        )
        return frame.astype(dict.fromkeys(COLUMNS[2:], "Int64"))

    def heads_frame(self) -> pd.DataFrame:
        """One row per head: ``node kind layer head position example copying matching``."""
        frame = tabulate(self.heads, self.copying, "copying")
        return frame.assign(matching=self.matching.tolist())

    def plot(
        self, kind: Composed | None = None, *, show: CompositionView = COMPOSITION_VIEW
    ) -> "Figure":
        """Every receiver with every sender, by ``"z"`` or ``"score"``; ``kind`` is the first."""
        return shown(self, "figure", kind, show)

    def __str__(self) -> str:
        frame = self.to_frame()
        lines = [
            f"Composition of {len(self.senders)} senders with {len(self.receivers)} receivers; "
            f"chance {self.chance:.3f}"
        ]
        for kind in self.kinds:
            part = frame[frame["composition"] == kind].nlargest(_SHOWN, "score")
            share = part["score"] / part["maximum"]
            columns = (part["sender"], part["node"], part["score"], share, part["z"])
            lines += [f"\n{kind.upper()}-composition, highest    score  of max       z"]
            lines += [
                f"  {by:>7} -> {to:8}       {score:.3f}   {of_max:5.2f} {z:7.1f}"
                for by, to, score, of_max, z in zip(*columns, strict=True)
            ]
        if self.note:
            lines += ["", self.note]
        return "\n".join(lines)


@with_provenance
def composition(
    model: Model,
    senders: Names = None,
    receivers: Names = None,
    *,
    kinds: Sequence[Composed] = ("q", "k", "v"),
) -> Composition:
    """Q-, K- and V-composition of every sender with every receiver in a later layer.

    Grouped-query models are taken as they are: a receiver reads by its own query and by the key and
    value of its group.

    **Assumes** that the stream between two heads is only added to (MLPs are not looked through) and
    that norms act by their gain. Rotary embedding turns queries and keys by their distance, and
    norms of queries and keys divide them; both are left out of q and k.
    **Cost** no pass; for a pair and kind, one product of d_head x d_model by d_model x d_head.
    **Raises** ``EditError`` for a head or kind that is not there, or projections that were not
    found, ``UnsupportedArchitectureError`` for a norm that is none of the ordinary ones.
    """
    opened(model)
    unknown = [kind for kind in kinds if kind not in get_args(Composed)]
    if unknown or not kinds:
        raise EditError(f"kinds={tuple(kinds)}: choose from {get_args(Composed)}.")
    sending = chosen_heads(model, senders, argument="senders")
    receiving = chosen_heads(model, receivers, argument="receivers")
    with undisturbed(model.module), torch.no_grad():
        matrices = {
            layer: head_matrices(block.attention, model.anatomy.d_model)
            for layer, block in enumerate(model.anatomy.blocks)
            if block.attention
        }
        _demand(model, matrices, sending, receiving, kinds)
        tables = _pairs(model, matrices, sending, receiving, tuple(kinds))
        copying, matching, note = _eigenvalues(model, matrices)
    centred = any(matrices[node.layer].centres for node in receiving if node.layer is not None)
    return Composition(
        kinds=tuple(kinds),
        senders=sending,
        receivers=receiving,
        score=tables[0],
        z=tables[1],
        maximum=tables[2],
        chance=(model.anatomy.d_model - centred) ** -0.5,
        heads=tuple(node for node in model.nodes if node.kind == "head"),
        copying=copying,
        matching=matching,
        note=note,
        passes=Passes(),
    )


def _demand(
    model: Model,
    matrices: dict[int, HeadMatrices],
    sending: tuple[Node, ...],
    receiving: tuple[Node, ...],
    kinds: Sequence[Composed],
) -> None:
    """**Raises** ``EditError`` when a projection that is needed was not found."""
    needs = {"q": ("query", "key"), "k": ("query", "key"), "v": ("value",)}
    wanted = [(node.layer, name) for node in receiving for kind in kinds for name in needs[kind]]
    wanted += [(node.layer, "value") for node in sending]
    for layer, name in dict.fromkeys(wanted):
        assert layer is not None
        if getattr(matrices[layer], name) is None:
            attention = model.anatomy.blocks[layer].attention
            raise EditError(
                f"Layer {layer} has no {name} matrix that reads the stream: "
                f"{attention.aside if attention else ''}. Leave out heads of such layers, or the "
                "kinds that need it."
            )


def _pairs(
    model: Model,
    matrices: dict[int, HeadMatrices],
    sending: tuple[Node, ...],
    receiving: tuple[Node, ...],
    kinds: tuple[Composed, ...],
) -> Float[Tensor, "3 kind receiver sender"]:
    """Score, z and maximum of every pair, NaN where there is none."""
    shape = (3, len(kinds), len(receiving), len(sending))
    found = torch.full(shape, torch.nan, dtype=torch.float32)
    by_layer = {layer: writer(matrices[layer]) for layer in _layers(sending)}
    written = torch.stack([by_layer[node.layer or 0][node.head or 0] for node in sending])
    writes = {
        centres: factors(written - centres * written.mean(-1, keepdim=True))
        for centres in {matrices[layer].centres for layer in _layers(receiving)}
    }
    layer_of = torch.tensor([node.layer for node in sending])
    for layer in _layers(receiving):
        rows = torch.tensor([i for i, node in enumerate(receiving) if node.layer == layer])
        heads = [receiving[i].head for i in rows.tolist()]
        before = (layer_of < layer).nonzero()[:, 0]
        centres = matrices[layer].centres
        for index, kind in enumerate(kinds):
            reads = factors(reader(matrices[layer], kind)[heads])
            for some in before.split(_CHUNK):
                block = compose(reads, writes[centres][some], model.anatomy.d_model - centres)
                found[:, index, rows[:, None], some] = block.to(found)
    return found


def _layers(nodes: tuple[Node, ...]) -> list[int]:
    return sorted({node.layer for node in nodes if node.layer is not None})


def _eigenvalues(
    model: Model, matrices: dict[int, HeadMatrices]
) -> tuple[Float[Tensor, " node"], Float[Tensor, " node"], str]:
    """Copying and matching of every head, and what is to be said about those that are NaN."""
    embed = token_embedding(model)
    products = {} if embed is None else {
        centres: vocabulary_products(model, embed, centres=centres)
        for centres in {m.centres for m in matrices.values()}
    }  # fmt: skip
    copying, matching = [], []
    for m in matrices.values():
        nan = torch.full((len(m.output),), torch.nan, dtype=torch.float64)
        known = products.get(m.centres)
        copies = known is not None and m.value is not None
        matches = known is not None and m.query is not None and m.key is not None
        copying.append(copying_eigenvalues(m, known) if known and copies else nan)
        matching.append(matching_eigenvalues(m, known) if known and matches else nan)
    found = torch.cat(copying), torch.cat(matching)
    if embed is None:
        return *found, "No eigenvalue scores: the embedding is not as wide as the stream."
    lacking = any(bool(values.isnan().any()) for values in found)
    return *found, "Heads without q, k or v have no eigenvalue scores." if lacking else ""
