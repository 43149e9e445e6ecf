"""What is put in the place of an activation: a dictionary's output, and what it has to beat.

zero     zero                                 mean    the mean over the tokens that were read
pca      the mean and as many principal components as latents are active
random   a dictionary of random directions, the k largest of which are active, k likewise
"""

from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from pellucid.dictionary.dictionary import Dictionary
from pellucid.stats.variance import principal_components

StandIn: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""From what is read and what stands there, ``[... d]`` each, to what is put there."""


def stand_ins(
    dictionary: Dictionary, outputs: Float[Tensor, "token d_out"], l0: float, seed: int
) -> dict[str, StandIn]:
    """By name, the dictionary first."""
    mean = outputs.double().mean(0).to(outputs.dtype)
    k = max(1, min(round(l0), outputs.shape[1]))
    components = principal_components(outputs, mean, k)
    other = random_dictionary(dictionary, mean, max(1, round(l0)), seed)
    return {
        "dictionary": lambda read, there: dictionary.reconstruct(read).to(there.dtype),
        "zero": lambda read, there: torch.zeros_like(there),
        "mean": lambda read, there: mean.to(there).expand_as(there),
        "pca": lambda read, there: mean + (there - mean) @ components.T @ components,
        "random": lambda read, there: other.reconstruct(there).to(there.dtype),
    }


def random_dictionary(like: Dictionary, mean: Tensor, k: int, seed: int) -> Dictionary:
    """An autoencoder of what ``like`` writes, with as many directions, drawn."""
    generator = torch.Generator().manual_seed(seed)
    drawn = normalize(torch.randn(like.n_latents, like.d_out, generator=generator))
    W_dec = drawn.to(mean)
    hook = like.hooks_out[0]
    return Dictionary(
        W_enc=W_dec.T.contiguous(),
        b_enc=W_dec.new_zeros(len(W_dec)),
        W_dec=W_dec,
        b_dec=mean,
        activation="topk",
        k=min(k, len(W_dec)),
        centred=True,
        hook_in=hook,
        hooks_out=(hook,),
    )
