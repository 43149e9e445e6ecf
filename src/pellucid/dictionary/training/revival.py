"""Latents that have been silent for long begin anew, from what is left unexplained.

A silent latent's direction becomes the error of a token, drawn with a chance that grows with the
error's size to the fourth power; its encoder reads the same direction (of a transcoder, that
token's input); what Adam remembers of it is forgotten. (Bricken et al. 2023, "neuron resampling")
"""

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn.functional import normalize

from pellucid.dictionary.training.weights import FIRST_THRESHOLD, Weights


@torch.no_grad()
def revive(
    weights: Weights,
    adam: torch.optim.Adam,
    silent: Int[Tensor, " silent"],
    x: Tensor,
    left: Tensor,
    seed: int,
) -> Int[Tensor, " revived"]:
    """Begin ``silent`` latents anew from the errors ``left`` of inputs ``x``; gives which."""
    chance = left.double().square().sum(1).square()
    n = min(len(silent), int((chance > 0).sum()))
    if not n:
        return silent[:0]
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.multinomial(chance, n, generator=generator)
    chosen = silent[:n]
    direction = normalize(left[tokens], dim=1)
    reads = direction if weights.centred else normalize(x[tokens] - x.mean(0), dim=1)
    new = {
        "W_dec": direction,
        "W_enc": reads,
        "b_enc": torch.zeros(n),
        "log_threshold": torch.full((n,), FIRST_THRESHOLD).log(),
    }
    for name, value in new.items():
        leaf = weights.leaves[name]
        _rows(name, leaf)[chosen] = value
        for remembered in adam.state.get(leaf, {}).values():
            if remembered.shape == leaf.shape:
                _rows(name, remembered)[chosen] = 0.0
    return chosen


def _rows(name: str, tensor: Tensor) -> Tensor:
    """A view with latents first."""
    return tensor.T if name == "W_enc" else tensor
