"""The hash of the weights is that of the weights which make the numbers."""

import gc

import pytest
import torch
from torch import nn

import pellucid
from pellucid.model import weights
from pellucid.model.tiny import TinyConfig, TinyTransformer
from pellucid.model.weights import adapter_state, hash_of_weights, holding_weights, weight_hash
from tests.models.families import tiny_model as of_family


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


def one_number(weight):
    weight.data[3, 5] += 1e-6


def two_rows_exchanged(weight):
    weight.data[[0, 1]] = weight.data[[1, 0]]


def negated(weight):
    weight.data.neg_()


def through_numpy(weight):
    weight.detach().numpy()[7, 7] = 0.5


def by_a_copy(weight):
    weight.data = weight.data.clone() * 2


def twice_by_copies(weight):
    """What the allocator gives out again lies where the first weights lay."""
    for factor in (2, 3):
        new = weight.data * factor
        weight.data = torch.empty(0)
        gc.collect()
        weight.data = new


EDITS = (one_number, two_rows_exchanged, negated, through_numpy, by_a_copy, twice_by_copies)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
@pytest.mark.parametrize("size", [16, 1200])  # looked at whole, and by sums
def test_edits_that_pytorch_does_not_count_are_seen(edit, dtype, size):
    module = nn.Linear(512, size, dtype=dtype)
    if edit is through_numpy and dtype == torch.bfloat16:
        pytest.skip("NumPy has no bfloat16.")
    if edit is one_number and dtype == torch.bfloat16:
        pytest.skip("1e-6 is below its precision.")
    before = weight_hash(module)
    edit(module.weight)
    after = weight_hash(module)
    assert after != before
    assert after == weights.hash_of_weights(module)


def test_writes_to_weights_made_in_inference_mode_are_seen():
    with torch.inference_mode():
        module = nn.Linear(96, 64)
        before = weight_hash(module)
        module.weight[0, 0] += 1
        assert weight_hash(module) != before


def test_casting_untying_and_saved_buffers_are_seen_and_unsaved_buffers_are_not():
    module = nn.Sequential(nn.Embedding(16, 8), nn.Linear(8, 16, bias=False))
    module[1].weight = module[0].weight
    module.register_buffer("bias", torch.zeros(3))
    module.register_buffer("computed", torch.zeros(3), persistent=False)
    found = [weight_hash(module)]
    module.computed += 1
    assert weight_hash(module) == found[0]
    module.bias.data += 1
    found.append(weight_hash(module))
    module[1].weight = nn.Parameter(module[0].weight.detach().clone())
    found.append(weight_hash(module))
    found.append(weight_hash(module.half()))
    assert len(set(found)) == 4


def test_what_a_model_prints_of_itself_is_not_in_the_hash():
    module = of_family("gpt2")
    assert adapter_state(module) == ()  # though it has methods that are called as adapters are
    before = hash_of_weights(module)
    module.transformer.drop.p = 0.3
    assert hash_of_weights(module) == before


def test_the_hash_is_not_computed_again_while_nothing_moved(monkeypatch):
    model = tiny()
    first = model.weight_hash
    monkeypatch.setattr(weights, "hash_of_weights", None)
    pellucid.attribute(model, pellucid.Contrast([3, 7, 11], [3, 5, 11], 6, 8))
    assert model.weight_hash == first


def test_inside_a_call_weights_are_read_once_and_a_counted_edit_is_still_seen(monkeypatch):
    model, read = tiny(), []
    sums = weights.weight_sums
    monkeypatch.setattr(weights, "weight_sums", lambda module: read.append(1) or sums(module))
    with holding_weights():
        first = model.weight_hash
        with holding_weights():
            assert model.weight_hash == first
        assert len(read) == 1
        with torch.no_grad():
            next(model.module.parameters()).add_(1)
        assert model.weight_hash != first
    assert model.weight_hash != first
    assert len(read) == 3


class Adapted(nn.Linear):
    """A layer that says of its adapters what PEFT's layers say."""

    active_adapters = ("first",)
    disable_adapters = False
    merged_adapters = ()

    def __init__(self):
        super().__init__(2, 2)
        self.scaling = {"first": 0.5}


def switch(layer):
    layer.active_adapters = ("second",)


def turn_off(layer):
    layer.disable_adapters = True


def scale(layer):
    layer.scaling["first"] = 1.0


def merge(layer):
    layer.weight.data += 0.25


@pytest.mark.parametrize("change", [switch, turn_off, scale, merge])
def test_what_is_done_to_an_adapter_is_seen(change):
    module = nn.Sequential(Adapted())
    before = weight_hash(module)
    assert weight_hash(module) == before
    change(module[0])
    assert weight_hash(module) != before


class Quantised(torch.Tensor):
    """Integers and their scales as one parameter, as torchao keeps them."""

    @staticmethod
    def __new__(cls, whole, scale):
        return torch.Tensor._make_wrapper_subclass(cls, whole.shape, dtype=torch.float32)

    def __init__(self, whole, scale):
        self.whole, self.scale = whole, scale

    def __tensor_flatten__(self):
        return ["whole", "scale"], None

    @classmethod
    def __tensor_unflatten__(cls, inner, *_):
        return cls(**inner)

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        if function is torch.ops.aten.detach.default:
            return cls(args[0].whole, args[0].scale)
        raise NotImplementedError(function)


def test_a_parameter_made_of_several_tensors_is_read_as_these():
    module = nn.Module()
    module.weight = nn.Parameter(
        Quantised(torch.ones(4, 4, dtype=torch.int8), torch.ones(4)), requires_grad=False
    )
    before = weight_hash(module)
    assert weight_hash(module) == before
    module.weight.scale[2] = 2
    assert weight_hash(module) != before
