"""What can be said of a training beside data, size and sparsity."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from pellucid.errors import DictionaryError
from pellucid.model.sites import Site
from pellucid.options import FIT_BATCH, FIT_EPOCHS, SEED, SKIP_POSITIONS


class FitKeywords(TypedDict, total=False):
    """The fields of ``FitOptions`` as keywords, for type checkers and editors."""

    site: Site | str | None
    target_site: Site | str | None
    l1: float
    prefixes: tuple[int, ...]
    epochs: int
    batch: int
    learning_rate: float | None
    skip_positions: int
    seed: int
    keep: str | Path | None


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """Options of ``fit_dictionary``."""

    site: Site | str | None = None
    """Of activations of several sites, the one that is read."""
    target_site: Site | str | None = None
    """Of a target of several sites, the one that is given back."""
    l1: float = 0.0
    """For ``relu``: how much the sum of latents costs, beside the squared error."""
    prefixes: tuple[int, ...] = ()
    """For ``matryoshka``: numbers of first latents that must reconstruct by themselves."""
    epochs: int = FIT_EPOCHS
    """How often each token is seen."""
    batch: int = FIT_BATCH
    """Tokens of one step."""
    learning_rate: float | None = None
    """The highest; 2e-4 / sqrt(latents / 16384) if not given (Gao et al. 2024)."""
    skip_positions: int = SKIP_POSITIONS
    """First positions of each text that are left out: there, models put values of another size."""
    seed: int = SEED
    """Of the first weights and the order of tokens."""
    keep: str | Path | None = None
    """A folder for what is done so far, from which the same call goes on after a kill."""

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch", 1), ("skip_positions", 0)):
            if getattr(self, name) < least:
                raise DictionaryError(f"{name}={getattr(self, name)}: give at least {least}.")
        if self.l1 < 0 or (self.learning_rate is not None and self.learning_rate <= 0):
            raise DictionaryError(
                f"l1={self.l1}, learning_rate={self.learning_rate}: neither is negative."
            )
