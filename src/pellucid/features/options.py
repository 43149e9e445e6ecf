"""What can be said of an attribution to features."""

from dataclasses import dataclass
from typing import TypedDict

from pellucid.errors import TaskError
from pellucid.options import (
    FEATURE_ABLATION,
    FEATURE_CHECK,
    FEATURE_ERROR,
    FEATURES_TOP,
    SEED,
    FeatureAblation,
    FeatureCheck,
    FeatureError,
    demand_choice,
)
from pellucid.run.setup import MEMORY_BUDGET


class FeatureKeywords(TypedDict, total=False):
    """The fields of ``FeatureOptions`` as keywords, for type checkers and editors."""

    top: int
    ablation: FeatureAblation
    error: FeatureError
    check: FeatureCheck
    seed: int
    memory_budget: int


@dataclass(frozen=True, kw_only=True)
class FeatureOptions:
    """Options of ``attribute_features``."""

    top: int = FEATURES_TOP
    """Latents that are measured, and as many active ones drawn beside them."""
    ablation: FeatureAblation = FEATURE_ABLATION
    """What a latent is replaced by."""
    error: FeatureError = FEATURE_ERROR
    """Whether what the dictionary leaves unexplained stays in the runs that measure."""
    check: FeatureCheck = FEATURE_CHECK
    """``path`` estimates each measured latent on its own path too (``latent_paths.py``)."""
    seed: int = SEED
    """For the latents that are drawn."""
    memory_budget: int = MEMORY_BUDGET
    """Bytes that one batched call may take for activations."""

    def __post_init__(self) -> None:
        demand_choice("ablation", self.ablation, FeatureAblation, TaskError)
        demand_choice("error", self.error, FeatureError, TaskError)
        demand_choice("check", self.check, FeatureCheck, TaskError)
        if self.top < 1:
            raise TaskError(f"top={self.top}: measure at least one latent.")
