"""Why a block's parts do not add up to what it returns, in words that a user can act on."""

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor

from pellucid.model.detection.probe import TOLERANCE, Call, Record, same_values
from pellucid.model.detection.residual_scaling import coarse
from pellucid.model.detection.writes import (
    EQUATIONS_PER_TERM,
    is_norm,
    least_squares,
    numbers,
    term_column,
)


def explain_misfit(before: Tensor, after: Tensor, record: Record, terms: list[Call]) -> str:
    """What was found instead of constants times the stream and its terms."""
    target = numbers(after) - numbers(before)
    sized = [c for c in terms if c.out is not None and c.out.numel() == target.numel()]
    columns = [term_column(c) for c in sized]
    left = least_squares(columns, target)[1] if columns else float(target.norm())
    if any(same_values(c.out, after) and is_norm(c.module) for c in record.calls):
        reason = "The block ends in a norm over the whole stream (post-layer-norm)"
    elif coarse(after) and _explained(before, after, sized, axis=0):
        reason = (
            f"The block multiplies the residual stream by numbers that {after.dtype} does not show "
            "well enough (load the model with dtype='float32')"
        )
    elif _explained(before, after, sized, axis=0):
        reason = "The block multiplies the residual stream by numbers that differ between tokens"
    elif _explained(before, after, sized, axis=1):
        reason = (
            "The block multiplies the residual stream, or what is added to it, by a vector that "
            "none of its parameters holds"
        )
    else:
        off = left / max(float(target.norm()), 1e-30)
        reason = f"The best weighted sum of all {len(columns)} parts is off by {off:.1e}"
    return (
        f"{reason}, so the residual stream does not add up and no attribution of it would be "
        "right. Pellucid refuses such a model rather than print numbers for it."
    )


def _explained(before: Tensor, after: Tensor, terms: Sequence[Call], axis: int) -> bool:
    """Whether stream and two terms, with weights of their own for each position (axis 0) or each
    feature (axis 1), make the block's output."""
    limit = TOLERANCE.get(after.dtype, 1e-4) * float(numbers(after).norm())
    wanted = split(after, axis)
    for pair in combinations(terms, 2):
        parts = [before, *(c.out.reshape(before.shape) for c in pair if c.out is not None)]
        matrix = torch.stack([split(part, axis) for part in parts], -1)
        equations = matrix.shape[1] / matrix.shape[2]
        if equations <= (1 if axis else EQUATIONS_PER_TERM):
            return False
        weights = torch.linalg.lstsq(matrix, wanted[..., None], driver="gelsd").solution
        if float((matrix @ weights - wanted[..., None]).norm()) <= limit:
            return True
    return False


def split(tensor: Tensor, axis: int) -> Tensor:
    """``[row pos d_model]`` as rows of equations: positions (0) or features (1) first."""
    flat = tensor.cpu().double().flatten(0, 1)
    return flat if axis == 0 else flat.T
