"""(clean - corrupted) x gradient of every node or part, from which estimates are sums."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.model.anatomy import Node
from pellucid.model.named_parts import in_computing_order
from pellucid.model.parts import kind_called
from pellucid.model.sites import Site, site_of
from pellucid.run.record import Trace

Products: TypeAlias = dict[Site | Node, Tensor]
"""(clean - corrupted) x gradient by site, or by part where a kind cuts in a way of its own."""


def with_embedding(ranked: Sequence[Node]) -> tuple[Node, ...]:
    """Those behind the embedding, whose estimate tells whether integration has converged."""
    return in_computing_order([Node("embed"), *ranked])


def products_of(
    nodes: Sequence[Node],
    clean: Mapping[Site, Tensor],
    corrupted: Mapping[Site, Tensor],
    gradient: Mapping[Site, Tensor],
) -> Products:
    """The products that the estimates of ``nodes`` are sums of; ``clean`` is what was reached."""
    products: Products = {}
    for node in nodes:
        site, cut = site_of(node), kind_called(node.kind).cut
        if cut is not None:
            assert node.head is not None
            change = cut(clean[site] - corrupted[site], node.head)
            products[node] = change * cut(gradient[site], node.head)
        elif site not in products:
            products[site] = (clean[site] - corrupted[site]) * gradient[site]
    return products


def by_position_of(
    trace: Trace, nodes: Sequence[Node], products: Products
) -> Float[Tensor, "example pos node"]:
    """Products summed over each node's features and over the rows of each example."""
    sums: dict[tuple[Site, bool], Tensor] = {}
    columns = []
    for node in nodes:
        if node in products:
            columns.append(products[node].sum(-1))
            continue
        site, whole = site_of(node), node.head is None
        if (site, whole) not in sums:
            product = products[site]
            neurons = not whole and product.ndim == 3
            sums[site, whole] = product if neurons else product.sum(-1)  # row pos (head)
        values = sums[site, whole]
        columns.append(values if whole else values[..., node.head])
    by_row = torch.stack(columns, dim=-1)  # row pos node
    found = by_row.new_zeros(trace.metric_clean.shape[0], *by_row.shape[1:])
    found.index_add_(0, trace.encoded.example.to(by_row.device), by_row)
    return found.cpu()
