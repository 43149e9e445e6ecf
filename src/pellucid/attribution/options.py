"""What may be chosen of patching and of ablation: checked before anything is run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from pellucid.errors import EditError
from pellucid.options import (
    ABLATION,
    PLAIN_ABLATION,
    PLAIN_METRIC,
    SEED,
    PatchAblation,
    PlainAblation,
    PlainMetric,
    demand_choice,
)
from pellucid.run.setup import MEMORY_BUDGET, RecordKeywords, RecordOptions


class PatchKeywords(RecordKeywords, total=False):
    """The options of ``patch`` as keywords, for type checkers and editors."""

    ablation: PatchAblation
    random_source: bool


@dataclass(frozen=True, kw_only=True)
class PatchOptions(RecordOptions):
    """What may be chosen of ``patch`` beside what is patched."""

    ablation: PatchAblation = ABLATION
    """What is put into the clean run."""
    random_source: bool = False
    """Whether every patch is measured again, with values of a prompt whose deciding tokens (those
    in which clean and corrupted differ) are random: a control of noising."""

    def __post_init__(self) -> None:
        demand_choice("ablation", self.ablation, PatchAblation, EditError)


class AblateKeywords(TypedDict, total=False):
    """The options of ``ablate`` as keywords, for type checkers and editors."""

    metric: PlainMetric
    ablation: PlainAblation
    noise_at: Sequence[int] | None
    random_source: bool
    seed: int
    memory_budget: int


@dataclass(frozen=True, kw_only=True)
class AblateOptions:
    """What may be chosen of ``ablate`` beside the prompt and what is replaced in it."""

    metric: PlainMetric = PLAIN_METRIC
    """Log-probability or logit of the answer."""
    ablation: PlainAblation = PLAIN_ABLATION
    """What a part gives instead: its mean over the prompt's tokens, zero, or what it writes when
    Gaussian noise is added to embeddings (Meng et al. 2022, arXiv:2202.05262)."""
    noise_at: Sequence[int] | None = None
    """Columns of the tokens with noise, and of those that are random in a random source: the
    subject's, say. All but the first unless given."""
    random_source: bool = False
    """Whether every part is replaced again by what it writes when these tokens are random."""
    seed: int = SEED
    """For noise and random tokens."""
    memory_budget: int = MEMORY_BUDGET
    """Bytes that one batched call may take for activations."""

    def __post_init__(self) -> None:
        demand_choice("metric", self.metric, PlainMetric, EditError)
        demand_choice("ablation", self.ablation, PlainAblation, EditError)
        if self.noise_at is not None and self.ablation != "noise" and not self.random_source:
            raise EditError(
                f"noise_at={list(self.noise_at)!r} with ablation={self.ablation!r}: it says where "
                "noise or random tokens stand. Add ablation='noise' or random_source=True."
            )
