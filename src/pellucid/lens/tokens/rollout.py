"""Attention rollout (Abnar & Zuidema 2020): attention of all layers multiplied through.

    A_l = mean over heads of the pattern of layer l
    R_l = (A_l + I) / 2, rows made to sum to one
    rollout = R_last ... R_1 R_0 ;   weight of a token = rollout[reading position, token]

It looks at no value, no MLP and no output, and is here for comparison with what does.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.model.model import Model
from pellucid.model.sites import Site
from pellucid.run.observe import View, observe
from pellucid.task.encode import Encoded


def rollout(model: Model, encoded: Encoded) -> Float[Tensor, "example pos"]:
    """The weight of each token at the first reading position of each example's clean prompt.

    **Cost** 1 forward, with attention computed by the plain formula.
    **Raises** ``EditError`` where patterns cannot be read.
    """
    views: dict[Site, View] = {
        Site("pattern", layer): _mean_over_heads
        for layer, block in enumerate(model.anatomy.blocks)
        if block.attention
    }
    seen = observe(model, encoded.clean, views, real=encoded.real, reads=encoded.reads)
    length = encoded.clean.shape[1]
    eye = torch.eye(length, device=encoded.clean.device, dtype=torch.float64)
    rolled = eye.expand(len(encoded.clean), -1, -1)
    for site in views:
        step = (seen.kept[site] + eye) / 2
        rolled = step / step.sum(-1, keepdim=True) @ rolled
    rows = torch.arange(len(rolled), device=rolled.device)
    by_row = rolled[rows, encoded.reads[:, 0]]
    # Rows of one example share their prompt, and with it the weights at its end.
    firsts = [int((encoded.example == e).nonzero()[0]) for e in range(encoded.n_examples)]
    return by_row[firsts]


def _mean_over_heads(pattern: Float[Tensor, "row head query key"]) -> Tensor:
    return pattern.double().mean(1)
