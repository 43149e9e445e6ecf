"""``steering_vector``: a direction for each layer, from pairs of texts or one that is given.

1. Texts of both sides are read once, and the stream that enters each layer is kept of them.
2. Per layer a direction is made of the pairs (``directions.py``), and how well it tells examples
   apart that it was not made from.
"""

from collections.abc import Sequence
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.errors import EditError, TaskError
from pellucid.model.model import Model, opened
from pellucid.model.sites import Site
from pellucid.options import (
    STEERING_METHOD,
    TEXT_POSITION,
    SteeringMethod,
    TextPosition,
    demand_choice,
)
from pellucid.passes import metering
from pellucid.results.passes import Passes
from pellucid.run.corpus.activations import activations
from pellucid.run.corpus.pooled import pooled
from pellucid.run.provenance import with_provenance
from pellucid.steering.directions import direction, separation
from pellucid.steering.vector import SteeringVector
from pellucid.task.contrast import Contrast, ContrastBatch

Prompted: TypeAlias = str | Sequence[int]
Pairs: TypeAlias = Sequence[tuple[Prompted, Prompted]] | Contrast | ContrastBatch
_WANTED = (
    "Give pairs of texts, each (one with what is wanted, one without), contrasts, or a direction "
    "as a tensor of d_model numbers."
)


@with_provenance
def steering_vector(
    model: Model,
    source: Pairs | Float[Tensor, " d_model"],
    *,
    method: SteeringMethod = STEERING_METHOD,
    layers: int | Sequence[int] | None = None,
    positions: TextPosition = TEXT_POSITION,
) -> SteeringVector:
    """A direction for each layer that leads from texts without something to texts with it.

    ``source`` is pairs ``(positive, negative)``, contrasts (their clean and corrupted prompts), or
    one direction ``[d_model]`` (a probe's, a dictionary's latent, a difference of unembeddings),
    which is taken as it is for every layer. ``layers`` (default: all from 1) are those whose
    entering stream is read; ``n_layers`` is what the final norm reads. ``positions`` says which
    values stand for a text: those of its last token, or the mean or maximum over its tokens.

    All methods give vectors of the length of the mean difference, so that scale 1 adds as much as
    the examples differ, whatever the method. (Turner et al. 2023, Rimsky et al. 2023)

    **Cost** 1 forward for each text, and a few short ones; none for a direction that is given.
    **Raises** ``TaskError`` for fewer than two pairs, or sides that do not differ; ``EditError``
    for a layer that is not there or a direction of another width.
    """
    opened(model)
    demand_choice("method", method, SteeringMethod, TaskError)
    demand_choice("positions", positions, TextPosition, TaskError)
    chosen = layers_of(model, layers)
    if isinstance(source, Tensor):
        return _given(model, source, chosen)
    positive, negative = _sides(source)
    sites = [Site("resid_pre", layer) for layer in chosen]
    with metering() as meter:
        read = activations(model, [*positive, *negative], sites)
        values = [pooled(read, site, positions).split(len(positive)) for site in sites]
    try:
        made = [direction(one, other, method) for one, other in values]
    except ValueError as error:
        raise TaskError(
            f"The two sides of all pairs give the same values: {error}. Give pairs that differ "
            'where values are read (positions="mean" reads all tokens).'
        ) from error
    told = torch.tensor([separation(one, other, method) for one, other in values])
    return SteeringVector(
        layers=chosen,
        directions=torch.stack(made).float(),
        separation=told,
        method=method,
        about=f"{len(positive)} pairs of texts, {positions} token",
        best_layer=_best(chosen, told),
        passes=meter.passes,
    )


def layers_of(model: Model, layers: int | Sequence[int] | None) -> tuple[int, ...]:
    """Layers whose entering stream is meant, each once; by default all but the embedding's.

    **Raises** ``EditError`` for one that is not there.
    """
    last = model.anatomy.n_layers
    listed = [layers] if isinstance(layers, int) else layers
    found = range(1, max(last, 2)) if listed is None else dict.fromkeys(map(int, listed))
    if not found or any(not 0 <= layer <= last for layer in found):
        raise EditError(
            f"layers={layers!r}: the streams of the model enter layers 0 to {last - 1}, and {last} "
            "is what its final norm reads."
        )
    return tuple(found)


def _given(model: Model, vector: Tensor, layers: tuple[int, ...]) -> SteeringVector:
    width = model.anatomy.d_model
    if vector.shape != (width,) or not bool(vector.isfinite().all()) or not bool(vector.any()):
        raise EditError(
            f"source is a direction of shape {list(vector.shape)}; one in the stream of this "
            f"model has {width} finite numbers, not all of them zero."
        )
    return SteeringVector(
        layers=layers,
        directions=vector.detach().cpu().float().expand(len(layers), -1).clone(),
        separation=torch.full((len(layers),), torch.nan),
        method="given",
        about="a direction that was given",
        best_layer=layers[len(layers) // 2],
        passes=Passes(),
    )


def _sides(source: Pairs) -> tuple[list[Prompted], list[Prompted]]:
    """Texts with what is wanted, and those without it."""
    if isinstance(source, Contrast | ContrastBatch):
        listed = list(ContrastBatch.of(source))
        pairs = [(one.clean, one.corrupted) for one in listed]
    else:
        pairs = []
        for number, pair in enumerate(source):
            if isinstance(pair, Contrast):
                pairs.append((pair.clean, pair.corrupted))
            elif isinstance(pair, tuple | list) and len(pair) == 2:
                pairs.append((pair[0], pair[1]))
            else:
                raise TaskError(f"Pair {number} of the source is {pair!r:.60}. {_WANTED}")
    if len(pairs) < 2:
        raise TaskError(f"source holds {len(pairs)} pairs; a direction takes at least 2. {_WANTED}")
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _best(layers: tuple[int, ...], told: Float[Tensor, " layer"]) -> int:
    """Where examples are told apart best; the middle one of equals, or of all if nothing says."""
    best = told.nan_to_num(nan=0.0)
    equal = [layer for layer, one in zip(layers, best, strict=True) if one == best.max()]
    return equal[len(equal) // 2]
