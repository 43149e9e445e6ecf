"""One value a text out of those of its tokens: the last token's, or the mean or maximum of all."""

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.model.sites import Site
from pellucid.options import TextPosition
from pellucid.run.corpus.container import Activations


def pooled(
    read: Activations, site: Site | str, positions: TextPosition | int
) -> Float[Tensor, "text d"]:
    """Values ``[text d]`` at a site, heads side by side; a number is that token of every text.

    **Raises** ``EditError`` for a site that was not read, ``IndexError`` for a token beyond a text.
    """
    values = read[site].flatten(1).float()
    starts = read.starts
    if positions == "last":
        return values[starts[1:] - 1]
    if isinstance(positions, int):
        lengths = read.lengths[:, 0]
        if bool((lengths <= positions).any() | (lengths < -positions).any()):
            raise IndexError(positions)
        return values[positions + (starts[:-1] if positions >= 0 else starts[1:])]
    index = read.text_of[:, None].expand(-1, values.shape[1])
    found = values.new_zeros(read.n_texts, values.shape[1])
    how = {"mean": "mean", "max": "amax"}[positions]
    return torch.scatter_reduce(found, 0, index, values, how, include_self=False)
