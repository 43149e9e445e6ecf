"""What one head or MLP adds to every logit by itself, in this prompt.

    its term in the stream -> final norm, scale held -> unembedding,   less its mean over tokens

(Geva et al. 2022 for neurons; Elhage et al. 2021 for heads.) The difference between two tokens is
the part's share in ``direct_effects``; what later parts make of the term is not in it.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.lens.direct.decision import Decision
from pellucid.lens.direct.pullback import attention_of, shares_of_heads
from pellucid.model.anatomy import Node
from pellucid.model.linear import linear_weight
from pellucid.model.model import Model
from pellucid.model.sites import Site, site_of


def sites_of_part(node: Node) -> tuple[Site, ...]:
    """What a ``Decision`` must keep for ``promoted``."""
    own = site_of(node)
    return (own,) if node.kind == "mlp" else (own, Site("attn_out", own.layer))


def promoted(model: Model, decision: Decision, node: Node) -> Float[Tensor, "row d_vocab"]:
    """What a head or MLP adds to every logit, less its mean over the vocabulary.

    **Cost** 2 backwards of one token through the last block, the final norm and the unembedding; a
    head whose sublayer has a norm of its own, 3 more through that.
    """
    given = (
        decision.norm.jacobian_product(_term(model, decision, node)) * decision.norm.scale[:, None]
    )
    return onto_logits(model, decision, given)


def onto_logits(
    model: Model, decision: Decision, given: Float[Tensor, "n d_unembed"]
) -> Float[Tensor, "n d_vocab"]:
    """What is added to every logit by what is added to the unembedding's input, less its mean."""
    with torch.no_grad():
        weight = linear_weight(model.anatomy.unembed).detach()
        change = decision.factor * given.to(weight.dtype) @ weight.T
    return change - change.mean(-1, keepdim=True)


def _term(model: Model, decision: Decision, node: Node) -> Float[Tensor, "row d_model"]:
    """The part's summand in the stream at the reading position."""
    own = decision.kept[site_of(node)]
    if node.kind == "mlp":
        return own
    assert node.layer is not None
    assert node.head is not None
    _, written = shares_of_heads(model, decision, node.layer)
    weight = attention_of(model, node.layer).head_weight().detach()[node.head]  # d_head d_out
    given = own[:, node.head] @ weight.to(own.dtype)
    return written.way.jacobian_product(given) * written.way.scale[:, None]
