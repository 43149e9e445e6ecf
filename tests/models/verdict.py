"""What opening a tiny model of each family comes to, for the test and ``docs/models.md``."""

from dataclasses import dataclass
from functools import cache

from pellucid.errors import UnsupportedArchitectureError
from pellucid.model.model import Model
from pellucid.model.proof.selfcheck import SelfCheck
from tests.models.families import CLASSES, tiny_model

REFUSED = {
    # Several streams, mixed with each other in every layer.
    "deepseek_v4": "several residual streams",
    "gemma3n_text": "several residual streams",
    "hy_v4": "several residual streams",
    # A norm over the whole stream after each sum.
    "openai-gpt": "post-layer-norm",
    # Not one attention and one MLP in each layer, each run once.
    "hrm_text": "run several times",
    "longcat_flash": "holds several sublayers",
    # Heads are experts, each with an output projection of its own.
    "jetmoe": "not the result of one linear output projection",
    # 32 learned vectors stand before the prompt.
    "cpmant": "38 positions for 6 tokens",
}
"""Families that are refused, and words that the reason must hold."""


@dataclass(frozen=True)
class Verdict:
    """One family: opened, with what was proved, or refused, with the reason."""

    family: str
    check: SelfCheck | None
    heads: str
    reason: str
    multiplies: bool = False
    """Whether its layers multiply the residual stream."""

    @property
    def opens(self) -> bool:
        """Whether the model opened and passed its self-check."""
        return self.check is not None

    @property
    def class_name(self) -> str:
        """The class that transformers maps the family to."""
        return CLASSES[self.family]


@cache
def judge(family: str) -> Verdict:
    """Open a tiny random model of ``family``."""
    try:
        model = Model.build(tiny_model(family))
    except UnsupportedArchitectureError as error:
        return Verdict(family, None, "", str(error))
    a = model.anatomy.blocks[-1].attention
    heads = "" if a is None else f"{a.n_heads}/{a.n_kv_heads}×{a.d_head}"
    return Verdict(family, model.check, heads, "", model.anatomy.multiplies)
