"""Derivatives of norms in closed form, against automatic differentiation."""

import pytest
import torch
from torch import nn
from torch.autograd.functional import jvp
from torch.func import functional_call, vjp
from torch.testing import assert_close
from transformers.models.gemma2.modeling_gemma2 import Gemma2RMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from pellucid.model.norms import norm_form, pulled_back, pushed_forward

WIDTH = 24


class GatedNorm(nn.Module):
    """A norm that no ordinary form describes."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(WIDTH, WIDTH, dtype=torch.float64)

    def forward(self, x):
        return x / x.norm(dim=-1, keepdim=True) * torch.sigmoid(self.gate(x))


def ordinary(kind: str) -> nn.Module:
    torch.manual_seed(1)
    norm = {
        "layer": nn.LayerNorm(WIDTH, eps=1e-5),
        "layer without weights": nn.LayerNorm(WIDTH, eps=1e-6, elementwise_affine=False),
        "rms": nn.RMSNorm(WIDTH, eps=1e-6),
        "llama": LlamaRMSNorm(WIDTH, eps=1e-5),
        "gemma": Gemma2RMSNorm(WIDTH, eps=1e-6),
    }[kind]
    for parameter in norm.parameters():
        nn.init.normal_(parameter, mean=0.5, std=0.3)
    return norm.double()


@pytest.mark.parametrize("kind", ["layer", "layer without weights", "rms", "llama", "gemma"])
def test_ordinary_norms_are_recognised_and_differentiated(kind):
    norm = ordinary(kind)
    x = torch.randn(2, 3, WIDTH, dtype=torch.float64) * 0.03 + 0.01
    form = norm_form(norm, x)
    assert form is not None
    assert form.centred == kind.startswith("layer")
    check(norm, x)


def test_a_norm_of_another_form_is_left_to_automatic_differentiation():
    norm = GatedNorm()
    x = torch.randn(2, 3, WIDTH, dtype=torch.float64)
    assert norm_form(norm, x) is None
    check(norm, x)


def test_the_form_follows_later_changes_of_the_weights():
    norm = ordinary("gemma")
    x = torch.randn(1, 2, WIDTH, dtype=torch.float64)
    check(norm, x)
    with torch.no_grad():
        norm.weight.add_(1.0)
    check(norm, x)


def check(norm: nn.Module, x: torch.Tensor) -> None:
    """Both directions against torch.func, to what single precision inside a norm leaves."""
    outer = torch.randn(*x.shape[:2], 5, 4, dtype=torch.float64)
    weight = torch.randn(5, 4, WIDTH, dtype=torch.float64) / 2
    gradient = torch.randn(2, 5, 3, WIDTH, dtype=torch.float64)[: len(x), :, : x.shape[1]]

    def run(value):
        return functional_call(norm, {}, (value,))

    with torch.no_grad():
        back = pulled_back(norm, x, outer, weight)
        forth = pushed_forward([norm], x, gradient)
    for i in range(gradient.shape[1]):
        here = outer[:, :, i] @ weight[i]
        assert_close(back[i], vjp(run, x)[1](here)[0], atol=2e-5, rtol=1e-5)
        expected = jvp(run, x, gradient[:, i])[1]
        assert_close(forth[:, i], expected, atol=2e-5, rtol=1e-5)
