"""A large batch scored a few examples at a time, so that memory is bounded.

Recordings, and the graph that a backward needs, grow with the number of tokens. Scores belong to
single examples, so a batch can be scored in parts and put together with nothing lost.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from pellucid.attribution.edges.scores import EdgeScores
from pellucid.model.model import Model
from pellucid.run.question import encode_contrast
from pellucid.task.contrast import ContrastBatch, Contrasts

PART_BYTES = 4 << 30
"""What the recordings of one part and the graph of its backward may take."""
WIDTHS = 70
"""Tensors as wide as the stream, for each layer and position, that were seen to be held."""


def parts_of(model: Model, contrast: Contrasts) -> list[ContrastBatch]:
    """The batch in parts, in order, each small enough to be recorded within ``PART_BYTES``."""
    batch = ContrastBatch.of(contrast)
    encoded = encode_contrast(model, batch)
    rows, length = encoded.clean.shape
    anatomy = model.anatomy
    per_row = 4 * WIDTHS * anatomy.n_layers * anatomy.d_model * length
    examples = max(1, PART_BYTES // (per_row * -(-rows // encoded.n_examples)))
    contrasts = batch.contrasts
    return [
        ContrastBatch(contrasts[at : at + examples], name=batch.name)
        for at in range(0, len(contrasts), examples)
    ]


def joined(parts: Sequence[EdgeScores]) -> EdgeScores:
    """The scores of all parts' examples, as if scored together; means weighted by examples."""
    if len(parts) == 1:
        return parts[0]
    errors = [part.identity_error for part in parts if part.identity_error is not None]
    return replace(
        parts[0],
        matrix=_mean([part.matrix for part in parts], parts),
        halves=torch.cat([part.halves for part in parts]),
        scale=torch.cat([part.scale for part in parts]),
        by_position=_by_position(parts),
        difference=torch.cat([part.difference for part in parts]),
        accounted=torch.cat([part.accounted for part in parts]),
        identity_error=max(errors, default=None),
        noise=max(part.noise for part in parts),
    )


def _by_position(parts: Sequence[EdgeScores]) -> Float[Tensor, "pos sender slot"] | None:
    """Padded on the right to the longest part, which adds positions without scores."""
    split = [part.by_position for part in parts if part.by_position is not None]
    if not split:
        return None
    longest = max(len(one) for one in split)
    return _mean([pad(one, (0, 0, 0, 0, 0, longest - len(one))) for one in split], parts)


def _mean(tensors: Sequence[Tensor], parts: Sequence[EdgeScores]) -> Tensor:
    total = sum(len(part.scale) for part in parts)
    return torch.stack(
        [tensor * (len(part.scale) / total) for tensor, part in zip(tensors, parts, strict=True)]
    ).sum(0)
