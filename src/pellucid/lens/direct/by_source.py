"""Which tokens a head's share comes from: pattern x value, led through its output weights.

    z[h] at the reading position = sum over keys of pattern[h, key] v[key]

so a head's share splits by key, exactly where the values are those of its value projection.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.errors import EditError
from pellucid.lens.direct.decision import Decision
from pellucid.lens.direct.pullback import attention_of, head_lines, shares_of_heads
from pellucid.model.detection.probe import TOLERANCE
from pellucid.model.model import Model
from pellucid.model.sites import Site
from pellucid.run.observe import View


def source_views(
    model: Model, at_read: View, layers: Sequence[int] | None = None
) -> dict[Site, View]:
    """What has to be kept: the pattern of the reading position, and every position's values.

    ``layers`` defaults to all that have attention.
    """
    views: dict[Site, View] = {}
    for layer in attending(model) if layers is None else layers:
        views[Site("pattern", layer)] = lambda pattern: at_read(pattern.transpose(1, 2))
        views[Site("v", layer)] = lambda value: value
    return views


def attending(model: Model) -> list[int]:
    """The layers that have attention."""
    return [layer for layer, block in enumerate(model.anatomy.blocks) if block.attention]


def heads_by_source(
    model: Model, decision: Decision, n_examples: int
) -> Float[Tensor, "example head pos"]:
    """Every head's share on the clean prompts, split by the token attended to.

    **Raises** ``EditError`` when patterns and values do not make up what the head put out.
    """
    split = [layer_by_source(model, decision, layer, n_examples) for layer in attending(model)]
    return torch.cat(split, dim=1)


def layer_by_source(
    model: Model, decision: Decision, layer: int, n_examples: int
) -> Float[Tensor, "example head pos"]:
    """Shares of one layer's heads, split by the position that each attended to."""
    shares, written = shares_of_heads(model, decision, layer)
    lines = head_lines(attention_of(model, layer), written)[:n_examples]
    split = _split(decision, layer, lines, n_examples)
    _demand_sum(layer, split, shares[:n_examples], model)
    return split


def _split(
    decision: Decision, layer: int, lines: Float[Tensor, "row head d_head"], n: int
) -> Float[Tensor, "row head pos"]:
    pattern = decision.kept[Site("pattern", layer)][:n].double()  # row head key
    value = decision.kept[Site("v", layer)][:n].double()  # row key kv_head d_head
    heads = lines.shape[1]
    if pattern.shape[1] != heads or heads % value.shape[2]:
        raise EditError(
            f"blocks.{layer}: {pattern.shape[1]} attention patterns and {value.shape[2]} values "
            f"make {heads} heads (differential attention), so a head's share does not split by "
            "token. Leave out split='source'."
        )
    value = value.repeat_interleave(heads // value.shape[2], dim=2)
    return pattern * torch.einsum("rkhd,rhd->rhk", value, lines)


def _demand_sum(layer: int, split: Tensor, shares: Tensor, model: Model) -> None:
    size = split.abs().sum(-1).clamp_min(1e-3)
    left = float(((split.sum(-1) - shares).abs() / size).max())
    if not left <= TOLERANCE.get(model.dtype, 1e-4):
        raise EditError(
            f"blocks.{layer}: patterns times values miss what the heads put out by {left:.1e} "
            "(relative): something is done to the values, or to the heads' outputs, in between "
            "(a norm, a gate). Shares by head are there; leave out split='source'."
        )
