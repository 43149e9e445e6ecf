"""Varieties: the same computation in another architecture, basis, sharpness or company."""

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Variety:
    """How a plan is turned into weights."""

    norm: Literal["none", "layer", "rms"] = "none"
    positions: Literal["learned", "rotary"] = "learned"
    group: int = 1
    """Query heads that share a key and a value."""
    mlp: Literal["gelu", "gated"] = "gelu"
    basis: Literal["plain", "rotated"] = "plain"
    """Whether the parts are coordinates of the stream, or random orthogonal directions in it."""
    junk: float = 0.0
    """Size of what the decoys write over all parts; at 0 they write into ``scratch`` alone."""
    gap: float = 8.0
    """Nats between the score of the key that a head should choose and the next best."""


SOFT, FIRM, SATURATED = 3.0, 8.0, 30.0
"""Three levels of attention saturation: at the last the gradient of a pattern is about 1e-13."""

PLAIN = Variety()
VARIETIES = {
    "plain": PLAIN,
    "soft": replace(PLAIN, gap=SOFT),
    "saturated": replace(PLAIN, gap=SATURATED),
    "layer": replace(PLAIN, norm="layer"),
    "rms": replace(PLAIN, norm="rms"),
    "rotary": replace(PLAIN, positions="rotary"),
    "grouped": replace(PLAIN, group=2),
    "gated": replace(PLAIN, mlp="gated"),
    "rotated": replace(PLAIN, basis="rotated"),
    "junk": replace(PLAIN, basis="rotated", junk=0.1),
    "saturated-junk": replace(PLAIN, basis="rotated", junk=0.1, gap=SATURATED),
    "gpt": replace(PLAIN, norm="layer", basis="rotated", junk=0.1),
    "llama": replace(
        PLAIN, norm="rms", positions="rotary", group=2, mlp="gated", basis="rotated", junk=0.1
    ),
}
