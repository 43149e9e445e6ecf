"""Products of few rows are those of torch, and stand in only where they may."""

import pytest
import torch
from torch import nn

from pellucid.model.running.skinny_matmul import (
    FewRows,
    backward_product,
    forward_product,
    reads_few,
    unembedding,
)


@pytest.fixture(params=[1, 2])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 8, 14, 16, 33])
@pytest.mark.parametrize("bias", [None, torch.arange(40.0)])
def test_products_are_those_of_torch(rows, bias, threads):
    x, weight, outer = torch.randn(rows, 24), torch.randn(40, 24), torch.randn(rows, 40)
    wanted = nn.functional.linear(x, weight, bias)
    torch.testing.assert_close(forward_product(x, weight, bias), wanted)
    torch.testing.assert_close(backward_product(outer, weight), outer @ weight)


def test_other_number_formats_are_rounded_as_torch_rounds_them(threads):
    layer = nn.Linear(24, 40).bfloat16()
    x = torch.randn(16, 24).bfloat16()
    assert torch.equal(forward_product(x, layer.weight, layer.bias), layer(x))


@pytest.mark.parametrize("rows", [1, 2, 8])
@pytest.mark.parametrize(
    "metric",
    [
        lambda logits: logits[0, 3] - logits[0, 7],
        lambda logits: logits.log_softmax(-1)[:, 3].sum(),
        lambda logits: logits[-1].logsumexp(-1),
        lambda logits: 0 * logits.sum(),
    ],
    ids=["two logits", "every logit", "one row", "nothing"],
)
def test_the_gradient_is_that_of_autograd(rows, metric):
    weight = torch.randn(300, 24)
    ours = torch.randn(rows, 24, requires_grad=True)
    theirs = ours.detach().clone().requires_grad_()
    metric(FewRows.apply(ours, weight)).backward()
    metric(theirs @ weight.T).backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 1, 24), (2, 3, 24), (5, 4, 24), (0, 1, 24)])
def test_an_unembedding_gives_the_same_logits(bias, shape):
    layer = nn.Linear(24, 300, bias=bias).requires_grad_(False)
    x = torch.randn(shape)
    torch.testing.assert_close(unembedding(layer)(x), layer(x))


def test_an_unembedding_that_is_being_trained_keeps_its_gradient():
    layer = nn.Linear(24, 300)
    unembedding(layer)(torch.randn(1, 2, 24)).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.abs().sum() > 0


def test_it_stands_in_for_plain_linear_layers_alone():
    class Own(nn.Linear):
        """One that may compute something else."""

    plain, replaced = nn.Linear(4, 9), nn.Linear(4, 9)
    replaced.forward = lambda x: x
    assert reads_few(plain)
    for other in (Own(4, 9), replaced, nn.Linear(4, 9).double(), nn.Identity()):
        assert not reads_few(other)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not reads_few(plain)
