"""The ablation of every head (or MLP, or stream) on one prompt: no foil and no corrupted prompt.

    effect = metric(prompt) - metric(prompt with the part's output replaced)

The classical first experiment: which heads does this token need at all? It cannot tell the parts
that decide between two answers from those without which nothing works; a contrast does (``patch``).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, Unpack

import torch
from jaxtyping import Bool
from torch import Tensor

from pellucid.attribution.options import AblateKeywords, AblateOptions
from pellucid.attribution.patch import (
    PatchEffects,
    effects_of,
    parts_at,
    resolve_positions,
)
from pellucid.keywords import keywords_of
from pellucid.model.model import Model
from pellucid.model.named_parts import PartNames
from pellucid.options import PATCH_SITES, PatchSites
from pellucid.passes import metering
from pellucid.run.other_runs import behind_the_first, noised_values, random_values
from pellucid.run.provenance import with_provenance
from pellucid.run.question import encode_plain
from pellucid.run.record import record_alone
from pellucid.run.setup import Setup
from pellucid.run.sites import stream_sites
from pellucid.run.variants import unit_of
from pellucid.task.encode import Encoded
from pellucid.task.positions import positions_from_start


@with_provenance
@keywords_of(AblateOptions)
def ablate(
    model: Model,
    prompt: str | Sequence[int],
    answer: str | int | Sequence[int],
    *,
    sites: PatchSites | str = PATCH_SITES,
    positions: Literal["all", "each"] | Sequence[int] = "all",
    only: PartNames | None = None,
    **options: Unpack[AblateKeywords],
) -> PatchEffects:
    """How much less likely ``answer`` is when each part of the model is replaced alone.

    One prompt is enough: there is no foil and no corrupted prompt. ``sites``, ``positions`` and
    ``only`` are those of ``patch``; ``AblateOptions`` says what the other options are. In the
    result, ``metric_corrupted`` is the metric of the same prompt, so that shares are undefined.

    **Cost** 1 forward, and 1 for each part (and position) in batched calls; 1 more with noise; with
    ``random_source`` 1 more, and the parts twice.
    **Raises** ``EditError`` for what cannot be replaced and options that do not go together,
    ``TokenError`` for a prompt or answer that is not tokens of this model, ``NonFiniteError``.
    """
    chosen = AblateOptions(**options)
    encoded = encode_plain(model, prompt, answer)
    units = [unit_of(part) for part in parts_at(model, sites, only)]
    columns = resolve_positions(positions, encoded.clean.shape[1])
    at = _noisy(encoded, chosen.noise_at)
    with metering() as meter:
        wanted = list(dict.fromkeys(unit.site for unit in units))
        recorded = [*wanted, *stream_sites(model)]
        trace = record_alone(model, encoded, metric=chosen.metric, sites=recorded)
        setup = Setup(
            model=model, trace=trace, seed=chosen.seed, memory_budget=chosen.memory_budget
        )
        if chosen.ablation == "noise":
            given = noised_values(model, encoded, wanted, at=at, seed=chosen.seed)
            setup = replace(setup, ablation=given)
        else:
            setup = replace(setup, ablation=chosen.ablation)
        effect, beside = effects_of(setup, units, columns, "noising"), None
        if chosen.random_source:
            other = random_values(model, encoded, wanted, at=at, seed=chosen.seed)
            beside = effects_of(replace(setup, ablation=other), units, columns, "noising").cpu()
    return PatchEffects.of(
        trace,
        units,
        effect,
        direction="noising",
        sites=sites,
        positions=columns,
        passes=meter.passes,
        ablation=chosen.ablation,
        random_source=beside,
    )


def _noisy(encoded: Encoded, columns: Sequence[int] | None) -> Bool[Tensor, "row pos"]:
    """Where noise or random tokens stand."""
    if columns is None:
        return behind_the_first(encoded)
    length = encoded.clean.shape[1]
    found = positions_from_start(columns, length, given=columns, at="noise_at")
    at = torch.zeros_like(encoded.real)
    at[:, list(found)] = True
    return at
