"""Where a head of a known kind would look: for each query, the keys that are its target.

    first      position 0: the BOS token where there is one, else the first of the prompt
    previous   the token before
    duplicate  earlier occurrences of the query's own token
    induction  tokens that followed an earlier occurrence of it (Olsson et al. 2022)

Position 0 is a target of ``first`` alone, because attention there cannot be told from resting on
it; so ``previous`` begins at the third token. A key may be a target of several kinds (in "A A A").
"""

from typing import TypeAlias, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pellucid.options import AttendedTo
from pellucid.shapes import Tokens

TARGETS: tuple[AttendedTo, ...] = get_args(AttendedTo)
Where: TypeAlias = Bool[Tensor, "row query key"]


def targets(tokens: Tokens) -> dict[AttendedTo, Where]:
    """The targets of every query, true where a key is one."""
    length = tokens.shape[1]
    query, key = torch.meshgrid(torch.arange(length), torch.arange(length), indexing="ij")
    seen = tokens.cpu()
    same = (seen[:, :, None] == seen[:, None, :]) & (key < query)
    after = torch.zeros_like(same)
    after[:, :, 1:] = same[:, :, :-1]
    fixed = torch.stack([(key == 0) & (query > 0), (key == query - 1) & (key > 0)])
    return {
        "first": fixed[0].expand(len(seen), -1, -1),
        "previous": fixed[1].expand(len(seen), -1, -1),
        "duplicate": same & (key > 0),
        "induction": after & (key < query),
    }


def shares(
    pattern: Float[Tensor, "row head query key"], where: Where
) -> Float[Tensor, "row head query"]:
    """The attention that each query gives to its targets; NaN for a query that has none."""
    where = where.to(pattern.device)
    found = (pattern * where[:, None]).sum(-1)
    return found.masked_fill(~where.any(-1)[:, None], torch.nan)
