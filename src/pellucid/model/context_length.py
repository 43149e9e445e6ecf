"""How long a prompt a model can read: a hard limit only where it looks its positions up in a table.

Learned positions (GPT-2, OPT), tables of sines (CTRL, GPT-J) and masks of a fixed size end
somewhere. Rotary angles are computed for any position, and what a configuration states for them is
how long the prompts were in training.
"""

from typing import Any

from torch import nn

from pellucid.model.detection.probe import text_config

_NAMES = ("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx")
_ASIDE = 8
"""Rows that a table of positions may have beside them: OPT keeps two."""


def stated_length(module: nn.Module) -> int | None:
    """What the configuration states; None where it states nothing."""
    config = text_config(module)
    for name in _NAMES:
        value = getattr(config, name, None)
        if isinstance(value, int) and value > 0:
            return value
    return None


def longest_prompt(module: nn.Module) -> int | None:
    """The longest prompt that the model can read; None where nothing ends."""
    stated = stated_length(module)
    if stated is None or (_reads_on(module) and not _has_table(module, stated)):
        return None
    return stated


def _reads_on(module: nn.Module) -> bool:
    """Whether positions are seen to be computed; elsewhere what is stated stands."""
    rotary = any(name.endswith("inv_freq") for name, _ in module.named_buffers())
    return rotary or any(hasattr(part, "make_weights") for part in module.modules())


def _has_table(module: nn.Module, length: int) -> bool:
    sizes = range(length, length + _ASIDE + 1)
    words = _word_embeddings(module)
    tables = (part for part in module.modules() if isinstance(part, nn.Embedding))
    if any(table.num_embeddings in sizes and table not in words for table in tables):
        return True
    return any(
        size in sizes
        for part in module.modules()
        if not hasattr(part, "make_weights")  # XGLM's table, which is made longer when it must be
        for name, buffer in part.named_buffers(recurse=False)
        if not name.endswith("inv_freq")
        for size in buffer.shape
    )


def _word_embeddings(module: Any) -> tuple[Any, ...]:
    ways = ("get_input_embeddings", "get_output_embeddings")
    return tuple(getattr(module, way)() for way in ways if hasattr(module, way))
