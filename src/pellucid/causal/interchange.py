"""``interchange``: does a place, or a subspace of it, hold what tells two prompts apart?

1. Clean and corrupted prompts are run, and their values at the place kept.
2. Corrupted prompts run again with the clean ones' values there: all of it, the subspace, as many
   random dimensions, and a random change of the same size.

The interchange accuracy is the share of examples that then say the answer. (Geiger et al. 2021,
arXiv:2106.02997)
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.callbacks import expect
from pellucid.causal.exchange import (
    Exchange,
    exchange_at,
    placebo,
    random_basis,
    whole,
    within,
)
from pellucid.causal.result import Interchange
from pellucid.errors import EditError, TaskError
from pellucid.model.model import Model, opened
from pellucid.model.sites import Site, site_named
from pellucid.options import EXCHANGE_DRAWS, SEED
from pellucid.passes import metering
from pellucid.results.passes import Passes
from pellucid.run.provenance import with_provenance
from pellucid.run.question import encode_contrast
from pellucid.run.subspace import orthonormal
from pellucid.task.contrast import Contrasts


@with_provenance
def interchange(
    model: Model,
    contrast: Contrasts,
    site: Site | str,
    *,
    positions: int | Sequence[int] = -1,
    subspace: Float[Tensor, "k d"] | None = None,
    draws: int = EXCHANGE_DRAWS,
    seed: int = SEED,
) -> Interchange:
    """Put the clean prompts' values at ``site`` into the corrupted prompts, and see what they say.

    ``positions`` are exchanged together; from 0 they count from the start, negative ones from each
    prompt's end. ``subspace`` holds directions in the site's values (heads side by side) that alone
    are exchanged; without one, everything. ``draws`` of random dimensions and of placebo changes
    stand beside it, drawn by ``seed``.

    **Cost** 2 forwards, 2 for the exchange and the whole, and 2 for each draw.
    **Raises** ``EditError`` for a site, position or subspace that is not there; ``TaskError`` for a
    negative number of draws.
    """
    opened(model)
    at, where = place_of_exchange(site, positions)
    if draws < 0:
        raise TaskError(f"draws={draws}: give 0 or more.")
    expect(4 + 2 * draws)
    with metering() as meter, torch.no_grad():
        exchange = exchange_at(model, encode_contrast(model, contrast), at, where)
        basis = None if subspace is None else _checked(subspace, exchange.base.shape[-1])
        found = with_controls(exchange, basis, where, draws, seed)
    return replace(found, passes=meter.passes)


def place_of_exchange(
    site: Site | str, positions: int | Sequence[int]
) -> tuple[Site, tuple[int, ...]]:
    """A site with values per position, and its positions.

    **Raises** ``EditError`` for the pattern, or no position.
    """
    at = site_named(site) if isinstance(site, str) else site
    where = (positions,) if isinstance(positions, int) else tuple(map(int, positions))
    if at.kind == "pattern" or not where or len(set(where)) < len(where):
        raise EditError(
            f"site={at.name}, positions={positions!r}: give a site with values at positions (no "
            "pattern), and each position once."
        )
    return at, where


def with_controls(
    exchange: Exchange,
    basis: Float[Tensor, "k d"] | None,
    positions: tuple[int, ...],
    draws: int,
    seed: int,
) -> Interchange:
    """Every exchange with its controls. **Cost** 2 forwards, and 2 for each draw."""
    width = exchange.base.shape[-1]
    k = width if basis is None else len(basis)
    used = torch.eye(width, dtype=torch.float64) if basis is None else basis
    everything = exchange.metric(whole)
    kept = everything if basis is None else exchange.metric(within(basis))
    random = []
    if k < width:
        random = [exchange.metric(within(random_basis(k, width, seed + n))) for n in range(draws)]
    fake = [exchange.metric(placebo(used, seed + n)) for n in range(draws)]
    return Interchange(
        site=exchange.site.name,
        positions=positions,
        k=k,
        exchanged=kept.cpu(),
        base=exchange.metric_base.cpu(),
        source=exchange.metric_source.cpu(),
        whole=everything.cpu(),
        random=_stacked(random, kept),
        placebo=_stacked(fake, kept),
        passes=Passes(),
    )


def _stacked(metrics: list[Tensor], like: Tensor) -> Float[Tensor, "draw example"]:
    return torch.stack(metrics).cpu() if metrics else like.new_zeros(0, len(like)).cpu()


def _checked(subspace: Tensor, width: int) -> Float[Tensor, "k d"]:
    found = subspace.detach()
    good = found.ndim == 2 and found.is_floating_point() and found.shape[1] == width
    if not good or not bool(found.isfinite().all()):
        raise EditError(
            f"subspace has shape {list(found.shape)}; give finite directions [k, {width}] in the "
            "values of this site."
        )
    return orthonormal(found)
