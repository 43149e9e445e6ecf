"""The hash of the weights is that of the weights which make the numbers."""

import torch
from torch import nn

import pellucid
from pellucid.model.tiny import TinyConfig, TinyTransformer
from pellucid.model.weights import weight_state


def tiny(seed=0):
    return pellucid.Model.build(TinyTransformer(TinyConfig(), seed=seed).eval())


def test_equal_weights_have_one_hash_and_others_another():
    assert tiny().weight_hash == tiny().weight_hash != tiny(seed=1).weight_hash


def test_weights_edited_in_place_or_replaced_have_another_hash_and_the_old_one_once_undone():
    model = tiny()
    first = model.weight_hash
    projection = model.module.layers[1].attention.o_proj
    kept = projection.weight.detach().clone()
    with torch.no_grad():
        projection.weight[:, :4] = 0
    edited = model.weight_hash
    assert edited != first
    assert edited == pellucid.Model.build(model.module).weight_hash
    projection.weight = nn.Parameter(kept)
    assert model.weight_hash == first


def test_the_hash_is_not_computed_again_while_nothing_moved(monkeypatch):
    model = tiny()
    first = model.weight_hash
    monkeypatch.setattr("pellucid.model.model.hash_of_weights", None)
    pellucid.attribute(model, pellucid.Contrast([3, 7, 11], [3, 5, 11], 6, 8))
    assert model.weight_hash == first


class Adapted(nn.Linear):
    """A layer that says of its adapters what PEFT's layers say."""

    active_adapters = ("first",)


def test_switching_an_adapter_is_seen():
    module = nn.Sequential(Adapted(2, 2))
    before = weight_state(module)
    assert weight_state(module) == before
    module[0].active_adapters = ("second",)
    assert weight_state(module) != before
