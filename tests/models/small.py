"""Small models that the tests of the lenses share."""

from functools import cache

import torch

from pellucid import Contrast, ContrastBatch, Model
from pellucid.model.tiny import TinyConfig, TinyTransformer
from tests.models.families import tiny_model as of_family

PAIR = Contrast([3, 7, 11, 2, 9, 4], [3, 7, 5, 2, 9, 4], 6, 8)
BATCH = ContrastBatch((PAIR, Contrast([1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 9, 4, 5, 6, 7, 8], 10, 11)))
VARIETIES = {
    "rms": TinyConfig(),
    "layer": TinyConfig(norm="layer"),
    "grouped": TinyConfig(num_key_value_heads=2, num_hidden_layers=3),
    "parallel": TinyConfig(parallel=True),
    "attention-only": TinyConfig(d_mlp=0, norm="none"),
}
FAMILIES = ["gpt2", "llama", "gemma2", "cohere", "olmo2", "opt", "phi", "granite", "stablelm"]
"""Layer norms and RMS norms, before and behind sublayers, with caps, scales and biases."""


@cache
def tiny(variety: str) -> Model:
    """A tiny transformer in float64, gains and biases of its norms moved off one and zero."""
    module = TinyTransformer(VARIETIES[variety]).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if "norm" in name:
                parameter += torch.randn(parameter.shape, generator=generator).double() / 5
    return Model.build(module)


@cache
def family(name: str) -> Model:
    """A random model of a Hugging Face family; the soft-cap, where there is one, bites."""
    module = of_family(name)
    if name == "gemma2":
        module.config.final_logit_softcapping = 0.3
    return Model.build(module)
