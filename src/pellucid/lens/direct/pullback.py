"""What one sublayer wrote, led along the line of a decision back to what it was summed from.

A projection's output (the sum of heads, or of neurons) becomes the sublayer's term in the stream
unchanged, times a number, or through a norm of its own (Gemma 2, OLMo 2), whose scale is held.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pellucid.errors import EditError, UnsupportedArchitectureError
from pellucid.lens.direct.decision import Decision
from pellucid.lens.direct.frozen_norm import FrozenNorm, Function, freeze_norm
from pellucid.model.anatomy import Attention, Mlp, Write
from pellucid.model.detection.probe import TOLERANCE
from pellucid.model.linear import linear_weight
from pellucid.model.model import Model
from pellucid.model.running.forward import undisturbed
from pellucid.model.running.taps import first
from pellucid.model.sites import Site


@dataclass(frozen=True, kw_only=True)
class Pullback:
    """One sublayer's parts along the line of a decision; rows as in the ``Decision``."""

    way: FrozenNorm
    """From the projection's output to the term in the stream."""
    line: Float[Tensor, "row d_out"]
    """What the projection's output is multiplied by to give its share."""
    bias: Float[Tensor, " row"]
    """Share of every bias between the parts and the stream."""


def shares_of_heads(
    model: Model, decision: Decision, layer: int
) -> tuple[Float[Tensor, "row head"], Pullback]:
    """Share of each head of a layer, and of what its attention writes beside them."""
    attention = attention_of(model, layer)
    z = decision.kept[Site("z", layer)]
    written = pull_back(
        model, decision, attention.out_proj, attention.write, z.flatten(-2), Site("attn_out", layer)
    )
    return torch.einsum("rhd,rhd->rh", z.double(), head_lines(attention, written)), written


def head_lines(attention: Attention, written: Pullback) -> Float[Tensor, "row head d_head"]:
    """What each head's z is multiplied by to give its share."""
    weight = attention.head_weight().detach().double()
    return torch.einsum("hdm,rm->rhd", weight, written.line)


def shares_of_neurons(
    model: Model, decision: Decision, layer: int
) -> tuple[Float[Tensor, "row d_mlp"], Pullback]:
    """Share of each neuron of a layer's MLP, and of what the MLP writes beside them.

    **Raises** ``EditError`` for a layer without an MLP, or one that has no neurons of its own.
    """
    mlp = mlp_of(model, layer)
    assert mlp.neurons is not None
    active = decision.kept[Site("neurons", layer)]
    written = pull_back(model, decision, mlp.neurons, mlp.writes[0], active, Site("mlp_out", layer))
    weight = linear_weight(mlp.neurons).detach().double()
    return active.double() * (written.line @ weight), written


def attention_of(model: Model, layer: int) -> Attention:
    """A layer's attention, which is known to be there."""
    found = model.anatomy.blocks[layer].attention
    assert found is not None
    return found


def mlp_of(model: Model, layer: int) -> Mlp:
    """A layer's MLP with neurons.

    **Raises** ``EditError`` when there is none.
    """
    if not 0 <= layer < model.anatomy.n_layers:
        raise EditError(f"Layer {layer}: the model has layers 0 to {model.anatomy.n_layers - 1}.")
    mlp = model.anatomy.blocks[layer].mlp
    if mlp is None or mlp.neurons is None or len(mlp.writes) != 1:
        what = "no MLP" if mlp is None else "an MLP of several parts (experts, say)"
        raise EditError(
            f"Layer {layer} has {what}, so no single down-projection sums its neurons. Its share "
            "as one node is in direct_effects()."
        )
    return mlp


def pull_back(
    model: Model,
    decision: Decision,
    projection: nn.Module,
    write: Write,
    parts: Float[Tensor, "row d_in"],
    site: Site,
) -> Pullback:
    """The line of the decision at a projection's output.

    **Raises** ``UnsupportedArchitectureError`` when what lies between is no norm.
    """
    term = decision.kept[site]
    with undisturbed(model.module), torch.no_grad():
        summed = first(projection(parts[:, None]))[:, 0]
        at_zero = first(projection(torch.zeros_like(parts[:1, None])))[0, 0]
        limit = TOLERANCE.get(term.dtype, 1e-4) * float(term.norm())
        plain = float((write.term(summed) - term).norm()) <= limit
    name = f"{type(model.module).__name__}, {site.name}: its own norm"
    function = write.term if plain else _through(model, write, name)
    way = freeze_norm(function, summed, term, what=name)
    line = way.pull(decision.direction).double()
    offset = decision.direction.double() @ way.offset.double()
    return Pullback(way=way, line=line, bias=line @ at_zero.double() + offset)


def _through(model: Model, write: Write, name: str) -> Function:
    def function(rows: Float[Tensor, "row d_out"]) -> Float[Tensor, "row d_model"]:
        try:
            with undisturbed(model.module):
                return write.term(first(write.module.forward(rows[:, None]))[:, 0])
        except (TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise UnsupportedArchitectureError(
                f"{name} cannot be run by itself ({error}), so its scale cannot be held. Measure "
                "effects with patch() instead."
            ) from error

    return function
