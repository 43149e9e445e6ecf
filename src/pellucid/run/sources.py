"""Parts that take their values from different other prompts, many such runs in one batched call.

What causal scrubbing (Chan et al. 2022) and resampling by node stand on: in variant i, part j gives
what it gave on prompt ``sources[i, j]``, and every part may have a prompt of its own. Each pair of
part and prompt is one unit of ``run_variants``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor

from pellucid.errors import EditError
from pellucid.model.anatomy import Node
from pellucid.model.sites import Site, site_of
from pellucid.run.setup import Setup
from pellucid.run.variants import Base, Unit, run_variants, unit_of
from pellucid.shapes import PerExample

UNCHANGED = -1
"""The source of a part that is left as it is."""


def run_from_sources(
    setup: Setup,
    parts: Sequence[Node],
    sources: Int[Tensor, "variant part"],
    values: Mapping[Site, Tensor],
    *,
    base: Base = "clean",
) -> PerExample:
    """The metric ``[variant example]`` of the ``base`` prompts with each part's output from its
    own source.

    ``values[site]`` are ``[source pos ...]``, recorded on the other prompts: ``record`` of them
    gives ``trace.clean``. ``sources[i, j]`` is the row that part j takes in variant i,
    ``UNCHANGED`` (-1) where it computes its own. What is downstream of a part is computed again,
    from what it was given.

    **Cost** 1 forward per variant, in as few calls as the memory budget allows.
    **Raises** ``EditError`` for a source that there is not, and for prompts of several lengths.
    """
    _demand_fitting(setup, parts, sources, values)
    units: list[Unit] = []
    columns = []
    for part, chosen in zip(parts, sources.T, strict=True):
        for source in chosen.unique().tolist():
            if source != UNCHANGED:
                units.append(replace(unit_of(part), source=source))
                columns.append(chosen == source)
    if not units:
        metric = setup.trace.metric_clean if base == "clean" else setup.trace.metric_corrupted
        return metric.repeat(len(sources), 1)
    replaced = torch.stack(columns, dim=1).to(setup.model.device)
    return run_variants(setup, units, replaced, values, base=base)


def _demand_fitting(
    setup: Setup,
    parts: Sequence[Node],
    sources: Int[Tensor, "variant part"],
    values: Mapping[Site, Tensor],
) -> None:
    """**Raises** ``EditError`` unless every part can be given what its source says."""
    encoded = setup.trace.encoded
    length = encoded.clean.shape[1]
    if sources.shape[1] != len(parts):
        raise EditError(f"sources has {sources.shape[1]} columns, for {len(parts)} parts.")
    lacking = [part.name for part in parts if site_of(part) not in values]
    if lacking:
        raise EditError(f"values has nothing for {', '.join(lacking[:5])}: record their sites too.")
    n_sources, lengths = ({values[site_of(part)].shape[axis] for part in parts} for axis in (0, 1))
    if lengths - {length} or not bool(encoded.real.all()):
        raise EditError(
            f"The other prompts have {sorted(lengths)} tokens, the question's "
            f"{encoded.real.sum(1).tolist()}: all have to be of one length."
        )
    least, most = (
        (int(end) for end in sources.aminmax()) if sources.numel() else (UNCHANGED, UNCHANGED)
    )
    if least < UNCHANGED or most >= min(n_sources, default=0):
        raise EditError(
            f"sources go from {least} to {most}; there are {min(n_sources, default=0)} other "
            "prompts, counted from 0, and -1 leaves a part as it is."
        )
