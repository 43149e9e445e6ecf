"""The few facts about a family that its structure alone does not show, one entry each."""

from collections.abc import Callable
from typing import Any

HEADS: dict[str, Callable[[Any], int]] = {
    # Differential attention: two attention patterns are subtracted to make one head, so the
    # output projection reads half as many heads, each twice as wide, as the configuration says.
    "diffllama": lambda config: config.num_attention_heads // 2,
}
"""Number of heads that the output projection reads, by ``model_type``."""
