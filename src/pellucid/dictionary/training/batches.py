"""Tokens for training, in an order that a seed decides, from memory or from a folder."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.errors import DictionaryError
from pellucid.model.sites import Site, site_named
from pellucid.run.corpus.container import Activations

ROWS_SEEN_FIRST = 4096
"""Tokens by which inputs are scaled and biases begin."""


@dataclass(frozen=True)
class TrainingRows:
    """Inputs and what is to be made of them, token by token."""

    inputs: Float[Tensor, "token d_in"]
    outputs: Float[Tensor, "token d_out"]
    """Of an autoencoder, the inputs."""
    used: Int[Tensor, " used"]
    """The tokens that are trained on."""
    site_in: Site | None
    site_out: Site | None
    model: str = ""
    weight_hash: str = ""

    @property
    def transcodes(self) -> bool:
        """Whether inputs and outputs are of two places."""
        return self.outputs is not self.inputs

    def pair(self, rows: Int[Tensor, " row"]) -> tuple[Tensor, Tensor]:
        """Inputs and outputs of some tokens, in float32."""
        x = self.inputs[rows].float()
        return x, (self.outputs[rows].float() if self.transcodes else x)

    def sample(self, n: int, seed: int) -> tuple[Tensor, Tensor]:
        """Inputs and outputs of up to ``n`` tokens drawn."""
        order = _order(len(self.used), seed)[:n]
        return self.pair(self.used[order].sort().values)

    def batches(self, size: int, seed: int, after: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Each token once, but those of the first ``after`` batches."""
        order = self.used[_order(len(self.used), seed)]
        for rows in order[after * size :].split(size):
            yield self.pair(rows.sort().values)  # neighbours are read together


def training_rows(
    activations: Activations | Tensor,
    target: Activations | Tensor | None,
    sites: tuple[Site | str | None, Site | str | None],
    skip: int,
) -> TrainingRows:
    """What a dictionary is trained on.

    **Raises** ``DictionaryError`` for a target of other tokens, or when nothing is left.
    """
    inputs, site_in = _values(activations, sites[0], "site")
    outputs, site_out = inputs, site_in
    if target is not None:
        outputs, site_out = _values(target, sites[1], "target_site")
    if len(inputs) != len(outputs) or _tokens_differ(activations, target):
        raise DictionaryError(
            f"The target has {len(outputs)} tokens and the activations {len(inputs)}, or others. "
            "Read both from the same texts, in one call of activations()."
        )
    used = torch.arange(len(inputs))
    if isinstance(activations, Activations):
        used = used[activations.positions >= skip]
    if not len(used):
        raise DictionaryError(f"No token is left: skip_positions={skip} leaves out all of them.")
    of = activations if isinstance(activations, Activations) else None
    return TrainingRows(
        inputs,
        outputs,
        used,
        site_in,
        site_out,
        "" if of is None else of.about.model,
        "" if of is None else of.about.weight_hash,
    )


def _values(
    given: Activations | Tensor, site: Site | str | None, name: str
) -> tuple[Tensor, Site | None]:
    found = site_named(site) if isinstance(site, str) else site
    if isinstance(given, Tensor):
        if given.ndim != 2:
            raise DictionaryError(f"A tensor of activations is [token d], not {list(given.shape)}.")
        return given, found
    if found is None and len(given.sites) > 1:
        names = ", ".join(one.name for one in given.sites)
        raise DictionaryError(f"The activations have {names}. Say which with {name}=.")
    found = given.sites[0] if found is None else found
    if found.kind == "pattern":
        raise DictionaryError("An attention pattern has no vector per token. Choose another site.")
    return given[found].flatten(1), found


def _tokens_differ(one: Activations | Tensor, two: Activations | Tensor | None) -> bool:
    if not isinstance(one, Activations) or not isinstance(two, Activations):
        return False
    return not torch.equal(one.tokens, two.tokens)


def _order(n: int, seed: int) -> Tensor:
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))
