"""What parts write in runs that are not the question's: with noisy embeddings, on random tokens.

``noise`` is that of causal tracing (Meng et al. 2022, arXiv:2202.05262): Gaussian noise of three
standard deviations of the embeddings is added to those of some tokens, and the model runs on. What
a part then writes has lost what these tokens said, and nothing else was put in its place.

A random source is a control: the same tokens are exchanged for random ones, so that a part is
given what it writes about something unrelated.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool
from torch import Tensor

from pellucid.model.model import Model
from pellucid.model.running.forward import Batch, forward, undisturbed
from pellucid.model.sites import Site
from pellucid.run.record import run_corrupted
from pellucid.run.sites import EMBED
from pellucid.task.encode import Encoded

NOISE = 3.0
"""Standard deviations of the embeddings, as in Meng et al. 2022."""


def noised_values(
    model: Model,
    encoded: Encoded,
    sites: Sequence[Site],
    *,
    at: Bool[Tensor, "row pos"],
    seed: int,
) -> dict[Site, Tensor]:
    """Values at ``sites`` on the clean prompts, noise added to what enters the first layer ``at``.

    **Cost** 1 forward.
    """
    seen: dict[Site, Tensor] = {}
    generator = torch.Generator().manual_seed(seed)

    def add(value: Tensor) -> Tensor:
        spread = value[encoded.real].float().std()
        drawn = torch.randn(value.shape, generator=generator).to(value.device) * (NOISE * spread)
        noisy = torch.where(at[..., None], value + drawn.to(value.dtype), value)
        seen[EMBED] = noisy.clone()
        return noisy

    def keep(site: Site) -> Callable[[Tensor], None]:
        def read(value: Tensor) -> None:
            seen[site] = value.clone()

        return read

    with undisturbed(model.module), torch.no_grad():
        forward(
            model.module,
            model.anatomy,
            Batch(tokens=encoded.clean.clone(), real=encoded.real, reads=encoded.reads),
            taps={EMBED: add, **{site: keep(site) for site in sites if site != EMBED}},
        )
    return {site: seen[site] for site in sites}


def random_values(
    model: Model,
    encoded: Encoded,
    sites: Sequence[Site],
    *,
    at: Bool[Tensor, "row pos"],
    seed: int,
) -> dict[Site, Tensor]:
    """Values at ``sites`` on the clean prompts with random tokens ``at``.

    Tokens that the tokenizer calls special are not drawn.

    **Cost** 1 forward.
    """
    special = set(getattr(model.tokenizer, "all_special_ids", None) or ())
    known = len(model.tokenizer) if model.tokenizer is not None else model.anatomy.d_vocab
    plain = [one for one in range(min(known, model.anatomy.d_vocab)) if one not in special]
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.tensor(plain)[
        torch.randint(len(plain), encoded.clean.shape, generator=generator)
    ].to(encoded.clean.device)
    tokens = torch.where(at & encoded.real, drawn, encoded.clean)
    other = replace(encoded, corrupted=tokens, first_difference=0)
    return run_corrupted(model, other, sites)[0]


def where_prompts_differ(encoded: Encoded) -> Bool[Tensor, "row pos"]:
    """Where clean and corrupted tokens differ."""
    return (encoded.clean != encoded.corrupted) & encoded.real


def behind_the_first(encoded: Encoded) -> Bool[Tensor, "row pos"]:
    """Every real token but the first of a row, which many models use as a place to look at."""
    return encoded.real & (encoded.real.long().cumsum(-1) > 1)
