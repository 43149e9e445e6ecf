"""What a model of the zoo is to compute, written in features instead of weights.

The residual stream is divided into named parts. Every token writes a one-hot of itself into
``token``, of its place into ``position`` and a one into ``one``; the logits read ``out``. Heads and
neurons move things between parts. ``build.py`` turns a plan into weights.

Score tables are in units of the gap between the key that a head should choose and the next best;
how many nats a unit is, a variety decides.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

N_HEADS = 4
"""Heads in every layer; those that a plan does not name are decoys."""
SHARP = 16.0
"""Scale of a neuron's input: gelu(16 x) / 16 is a rectifier to within 1 % at half a unit."""


@dataclass(frozen=True)
class Look:
    """Adds ``table[i, j]`` to the score of a key with feature j for a query with feature i."""

    query: str
    key: str
    table: Tensor


@dataclass(frozen=True)
class Back:
    """Prefers the key ``offset`` positions back, by learned or by rotary positions."""

    offset: int


@dataclass(frozen=True)
class Move:
    """Copies ``source`` of where the head looks, times a matrix, into ``target``."""

    source: str
    target: str
    matrix: Tensor


@dataclass(frozen=True, kw_only=True)
class Head:
    """A head in words: where it looks, the scores added up, and what it moves."""

    name: str
    layer: int
    looks: tuple[Look | Back, ...] = ()
    moves: tuple[Move, ...]

    @property
    def shared(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What its key and its value hold; heads of which this is equal can share them."""
        keys = tuple("back" if isinstance(look, Back) else look.key for look in self.looks)
        return keys, tuple(move.source for move in self.moves)


Reading = Mapping[str, Tensor]
"""A vector for some of the parts."""


@dataclass(frozen=True, kw_only=True)
class Neuron:
    """relu(reads . stream + bias), times (times . stream) in a gated MLP, written out."""

    layer: int
    reads: Reading
    bias: float = 0.0
    writes: Reading
    times: Reading | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A whole model in features."""

    vocab: int
    """Token ids that the questions use; one more is set aside for what is beside the question."""
    length: int
    parts: Mapping[str, int] = field(default_factory=dict)
    """Widths of the parts beside one, token, position, out and scratch."""
    heads: tuple[Head, ...]
    neurons: tuple[Neuron, ...] = ()

    @property
    def n_layers(self) -> int:
        """Number of layers."""
        return 1 + max([head.layer for head in self.heads] + [n.layer for n in self.neurons])

    def widths(self) -> dict[str, int]:
        """The width of every part of the stream, in the order in which they lie there."""
        standard = {"one": 1, "token": self.vocab, "position": self.length}
        return {**standard, **self.parts, "out": self.vocab, "scratch": 4}

    def places(self, group: int) -> dict[str, tuple[int, int]]:
        """(layer, index) of every head, when ``group`` heads share their keys and values."""
        found = {}
        for layer in range(self.n_layers):
            groups: list[list[Head]] = []
            for head in (head for head in self.heads if head.layer == layer):
                fitting = [g for g in groups if len(g) < group and g[0].shared == head.shared]
                if not fitting:
                    groups.append([])
                    fitting = groups[-1:]
                fitting[0].append(head)
                index = N_HEADS - group * len(groups) + len(fitting[0]) - 1
                found[head.name] = (layer, index)
        return found


def one_hot(width: int, *where: int, value: float = 1.0) -> Tensor:
    """A vector that is ``value`` at each of ``where``."""
    vector = torch.zeros(width, dtype=torch.float64)
    vector[list(where)] = value
    return vector


def eye(width: int) -> Tensor:
    """Each feature to the same."""
    return torch.eye(width, dtype=torch.float64)


def toward(height: int, width: int, column: int) -> Tensor:
    """A table in which every row prefers ``column`` by one unit."""
    return one_hot(width, column).repeat(height, 1)
