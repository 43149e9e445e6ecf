"""Sites: the places in a forward pass where a tensor can be read or written."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from pellucid.arguments import demand_fields
from pellucid.errors import EditError
from pellucid.model.anatomy import Node
from pellucid.model.parts import kind_called

SiteKind = Literal[
    "resid_pre", "attn_in", "q", "k", "v", "pattern", "z", "attn_out", "mlp_in", "neurons",
    "router", "experts", "mlp_out", "latents", "error",
]  # fmt: skip

IN_MLP = ("mlp_in", "neurons", "router", "experts", "mlp_out")
"""Kinds of site that a layer without an MLP does not have."""
HOOK_NAMES = {
    "resid_pre": "hook_resid_pre",
    "attn_in": "hook_attn_in",
    "q": "attn.hook_q",
    "k": "attn.hook_k",
    "v": "attn.hook_v",
    "pattern": "attn.hook_pattern",
    "z": "attn.hook_z",
    "attn_out": "hook_attn_out",
    "mlp_in": "hook_mlp_in",
    "neurons": "mlp.hook_post",
    "router": "mlp.hook_expert_weights",
    "experts": "mlp.hook_experts",
    "mlp_out": "hook_mlp_out",
}
DICTIONARY_HOOK_NAMES = {"latents": "hook_sae_acts_post", "error": "hook_sae_error"}
"""Of a dictionary that was put into a layer, as SAELens calls them."""


@dataclass(frozen=True, slots=True)
class Site:
    """One kind of tensor in one layer.

    ``resid_pre``  the stream entering the layer ``[row pos d_model]``; layer 0 is the embedding,
                   layer ``n_layers`` the stream that the final norm reads
    ``attn_in mlp_in``  the stream as that sublayer alone reads it, before its norm
                   ``[row pos d_model]``; a write there leaves the stream itself as it is
    ``q k v``      before rotary embedding and query/key norms ``[row pos head d_head]``
    ``pattern``    attention probabilities ``[row head query key]``
    ``z``          each head's output before the output projection ``[row pos head d_head]``
    ``attn_out mlp_out``  the terms written into the stream ``[row pos d_model]``
    ``neurons``    activations that the MLP's down-projection reads ``[row pos d_mlp]``
    ``router``     in a mixture of experts, the weight of each, 0 if not chosen ``[row pos expert]``
    ``experts``    what each of them adds, its weight included ``[row pos expert d_model]``
    ``latents error``  of a sparse dictionary that was put in (``with_dictionaries``): what it makes
                   of the place that it reads ``[row pos latent]``, and what it leaves unexplained

    **Raises** ``EditError`` for a kind that there is not.
    """

    kind: SiteKind
    layer: int

    def __post_init__(self) -> None:
        demand_fields(self)
        if self.kind not in HOOK_NAMES | DICTIONARY_HOOK_NAMES:
            raise EditError(f"No site is called {self.kind!r}; there are {', '.join(HOOK_NAMES)}.")

    @property
    def name(self) -> str:
        """TransformerLens' hook name, such as ``blocks.9.attn.hook_z``."""
        return f"blocks.{self.layer}.{(HOOK_NAMES | DICTIONARY_HOOK_NAMES)[self.kind]}"

    @property
    def by_head(self) -> bool:
        """Whether the tensor has a head axis."""
        return self.kind in ("q", "k", "v", "pattern", "z")


def site_named(name: str) -> Site:
    """The site called ``blocks.9.attn.hook_z`` (TransformerLens' hook names) or, short, ``L9 z``.

    ``hook_resid_post`` is the stream that enters the next layer.

    **Raises** ``EditError`` for any other name.
    """
    kinds = {hook: kind for kind, hook in (HOOK_NAMES | DICTIONARY_HOOK_NAMES).items()}
    if found := re.fullmatch(r"blocks\.(\d+)\.(\S+)", name.strip()):
        layer, hook = int(found[1]), found[2]
        if hook == "hook_resid_post":
            return Site("resid_pre", layer + 1)
        if hook in kinds:
            return Site(kinds[hook], layer)  # type: ignore[arg-type]
    elif found := re.fullmatch(r"L(\d+)[ .](\w+)", name.strip()):
        return Site(found[2], int(found[1]))  # type: ignore[arg-type]
    hooks = ", ".join(HOOK_NAMES.values())
    raise EditError(
        f"No site is called {name!r}. Give blocks.9.attn.hook_z, say, or L9 z; behind the layer "
        f"stands one of {hooks} (short: {', '.join(HOOK_NAMES)})."
    )


def site_of(node: Node) -> Site:
    """Where a node's output is read: its head's ``z``, its MLP's term, or the embedding."""
    return _site(kind_called(node.kind).site, node.layer or 0)


@cache
def _site(kind: SiteKind, layer: int) -> Site:
    """The site; made once, because every node of every result asks for its own."""
    return Site(kind, layer)
