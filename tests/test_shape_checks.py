"""What is checked while the other tests run: everything that names a shape, and nothing else."""

import os
from dataclasses import dataclass

import pytest
import torch
from jaxtyping import Float, TypeCheckError
from torch import Tensor

from pellucid.run.subspace import orthonormal
from tests.shape_checks import names_shapes, where_shapes_are_named


def shaped(values: list[Float[Tensor, "row column"]]) -> int:
    return len(values)


def written_as_text(values: "Float[Tensor, 'row column']") -> int:
    return len(values)


def plain(values: Tensor) -> "list[int]":
    return list(values.shape)


@dataclass
class Shaped:
    values: Float[Tensor, "row column"]


@dataclass
class Plain:
    values: Tensor


class NoDataclass:
    pass


def test_only_what_names_a_shape_is_decorated():
    decorate = where_shapes_are_named(typechecker=None)
    for thing in (shaped, written_as_text, Shaped):
        assert names_shapes(thing)
    for thing in (plain, Plain, NoDataclass):
        assert not names_shapes(thing)
        assert decorate(thing) is thing
    assert decorate(shaped) is not shaped


@pytest.mark.skipif(os.environ.get("PELLUCID_CHECK_SHAPES") != "1", reason="shapes are not checked")
def test_the_package_is_checked():
    with pytest.raises(TypeCheckError, match="basis"):
        orthonormal(torch.ones(3))
