"""Norms with their scale held: the closed forms come out, and what is no norm is refused."""

import pytest
import torch
from torch import nn
from transformers.models.cohere.modeling_cohere import CohereLayerNorm
from transformers.models.gemma2.modeling_gemma2 import Gemma2RMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from pellucid.errors import UnsupportedArchitectureError
from pellucid.lens.direct.frozen_norm import freeze_norm

WIDTH = 12


class Projected(nn.Module):
    """A norm with a projection behind it, as OPT-350m has one."""

    def __init__(self):
        super().__init__()
        self.norm, self.project = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 5)

    def forward(self, x):
        return self.project(self.norm(x)) / 4


def made(norm: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    for parameter in norm.parameters():
        nn.init.normal_(parameter, generator=generator).requires_grad_(False)
    return norm.double()


def rows(seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 30 * torch.randn(4, WIDTH, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(
    ("norm", "gain", "centred"),
    [
        (nn.LayerNorm(WIDTH), lambda n: n.weight, True),
        (nn.RMSNorm(WIDTH, eps=1e-6), lambda n: n.weight, False),
        (LlamaRMSNorm(WIDTH), lambda n: n.weight, False),
        (Gemma2RMSNorm(WIDTH), lambda n: 1 + n.weight, False),
        (CohereLayerNorm(WIDTH), lambda n: n.weight, True),
        (nn.Identity(), lambda n: torch.ones(WIDTH).double(), None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_the_held_map_is_the_closed_form(norm, gain, centred):
    norm, x = made(norm), rows()
    held = freeze_norm(norm, x, norm(x), what="it")
    parts = x - x.mean(-1, keepdim=True) if centred else x
    eps = getattr(norm, "eps", getattr(norm, "variance_epsilon", 0.0))
    sigma = (parts.square().mean(-1, keepdim=True) + eps).sqrt() if centred is not None else 1.0
    vectors = rows(1)
    moved = vectors - vectors.mean(-1, keepdim=True) if centred else vectors
    # Norms of transformers compute in float32 whatever they are given.
    exact = {"rtol": 1e-5, "atol": 1e-6}
    torch.testing.assert_close(
        held.jacobian_product(vectors) * held.scale[:, None], moved * gain(norm) / sigma, **exact
    )
    torch.testing.assert_close(
        held.jacobian_product(x) * held.scale[:, None] + held.offset, norm(x), **exact
    )


@pytest.mark.parametrize("function", [made(nn.LayerNorm(WIDTH)), made(Projected())])
def test_pull_is_the_transpose_of_push(function):
    x = rows()
    held = freeze_norm(function, x, function(x), what="it")
    vectors, covectors = rows(1), torch.randn_like(function(x))
    there = (held.jacobian_product(vectors) * held.scale[:, None] * covectors).sum(-1)
    torch.testing.assert_close((held.pull(covectors) * vectors).sum(-1), there)


@pytest.mark.parametrize("function", [torch.tanh, lambda x: x * x, nn.functional.gelu])
def test_what_is_no_norm_is_refused(function):
    x = rows() / 30
    with pytest.raises(UnsupportedArchitectureError, match="the middle is not a linear map"):
        freeze_norm(function, x, function(x), what="the middle")


def test_parts_of_the_sum_add_up_to_the_whole():
    norm, x = made(nn.LayerNorm(WIDTH)), rows()
    held = freeze_norm(norm, x, norm(x), what="it")
    pieces = torch.randn(3, *x.shape, dtype=torch.float64)
    pieces[0] += x - pieces.sum(0)
    line = held.pull(torch.ones_like(x))
    shares = (pieces * line).sum(-1)  # piece row
    torch.testing.assert_close(shares.sum(0) + held.offset.sum(), norm(x).sum(-1))
