"""What a replaced component gets instead of its own output."""

from collections.abc import Iterable
from typing import get_args

import torch
from einops import reduce
from torch import Tensor

from pellucid.errors import EditError
from pellucid.model.sites import Site
from pellucid.options import Ablation
from pellucid.run.record import Trace


def replacements(
    trace: Trace, ablation: Ablation, sites: Iterable[Site], *, seed: int = 0
) -> dict[Site, Tensor]:
    """Replacement values at each site, broadcastable to its tensor on the clean prompts.

    ``corrupted``  the component's output on the corrupted prompt, position by position
    ``mean``       its mean over every real position of all clean and corrupted prompts of the batch
    ``zero``       zero
    ``resample``   its output on another example's corrupted prompt, drawn by ``seed``

    **Cost** none; the values come from the trace.
    **Raises** ``EditError`` when resampling one example, or prompts of several lengths.
    """
    if ablation == "corrupted":
        return {site: trace.corrupted[site] for site in sites}
    if ablation == "zero":
        return {site: torch.zeros_like(trace.corrupted[site][:1, :1]) for site in sites}
    if ablation == "mean":
        return {site: mean_over_prompts(trace, site) for site in sites}
    if ablation == "resample":
        order = resampling(trace, seed)
        return {site: trace.corrupted[site][order] for site in sites}
    raise EditError(f"ablation={ablation!r} is not known; choose one of {get_args(Ablation)}.")


def mean_over_prompts(trace: Trace, site: Site) -> Tensor:
    """Mean over real positions of clean and corrupted prompts, ``[1 1 ...]``."""
    both = torch.cat([trace.clean[site], trace.corrupted[site]])
    real = trace.encoded.real.repeat(2, 1).to(both.device, both.dtype)
    weight = real.reshape(*real.shape, *[1] * (both.ndim - 2)) / real.sum()
    return reduce(both * weight, "row pos ... -> 1 1 ...", "sum")


def resampling(trace: Trace, seed: int) -> Tensor:
    """A row order in which every row's values come from another example."""
    encoded = trace.encoded
    n, rows = encoded.n_examples, encoded.real.shape[0]
    if n < 2 or rows % n or not bool(encoded.real.all()):
        raise EditError(
            f"ablation='resample' needs at least two examples of equal length; found {n} of "
            f"{encoded.real.sum(1).tolist()} tokens. Pass a ContrastBatch, or use "
            "ablation='corrupted'."
        )
    shuffled = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    other = torch.empty(n, dtype=torch.long)
    other[shuffled] = shuffled.roll(1)
    by_example = encoded.example.cpu().argsort(stable=True).reshape(n, rows // n)
    order = torch.empty(rows, dtype=torch.long)
    order[by_example.flatten()] = by_example[other].flatten()
    return order.to(encoded.real.device)
