"""Circuits of edges that the tests of file formats share."""

from dataclasses import fields
from functools import cache

import torch

import pellucid
from pellucid import Contrast, EdgeCircuit, Model
from tests.models.questions import VARIETIES, tiny_model

PAIR = Contrast([3, 7, 11, 2, 9, 4], [3, 7, 5, 2, 9, 4], 6, 8)


@cache
def model(variety: str) -> Model:
    """A tiny model in float64."""
    return tiny_model(VARIETIES[variety])


@cache
def circuit(variety: str) -> EdgeCircuit:
    """A circuit of twenty edges at the most."""
    return pellucid.discover_edges(model(variety), PAIR, method="top", size=20, insist=True)


def same(one: EdgeCircuit, other: EdgeCircuit) -> bool:
    """Equal field by field, tensors by value, type and NaN; how it was made may differ."""

    def equal(a, b) -> bool:
        if isinstance(a, torch.Tensor):
            return a.dtype == b.dtype and torch.equal(a.isnan(), b.isnan()) and torch.equal(
                a.nan_to_num(), b.nan_to_num()
            )  # fmt: skip
        return a == b

    return all(
        equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(one) if f.compare
    )
