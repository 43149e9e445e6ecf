"""The sites that recordings hold: where nodes write, and the stream that enters every layer."""

from pellucid.model.model import Model
from pellucid.model.sites import Site

EMBED = Site("resid_pre", 0)
"""What enters the first layer."""


def node_sites(model: Model) -> list[Site]:
    """Sites at which the nodes' outputs are read: embedding, every head's z, every MLP's term."""
    sites = [EMBED]
    for layer, block in enumerate(model.anatomy.blocks):
        if block.attention:
            sites.append(Site("z", layer))
        if block.mlp:
            sites.append(Site("mlp_out", layer))
    return sites


def stream_sites(model: Model) -> list[Site]:
    """The residual stream entering every layer."""
    return [Site("resid_pre", layer) for layer in range(model.anatomy.n_layers)]


def first_mlp(model: Model) -> Site | None:
    """Where the first MLP writes; None for a model without MLPs."""
    layers = (layer for layer, block in enumerate(model.anatomy.blocks) if block.mlp)
    return next((Site("mlp_out", layer) for layer in layers), None)
