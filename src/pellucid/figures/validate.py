"""What is given to a figure, checked: shapes, names that match, nothing infinite."""

from collections.abc import Sequence, Sized

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from pellucid.errors import FigureError
from pellucid.figures.appearance.text import printable


def array(values: ArrayLike, name: str, axes: str) -> Float[np.ndarray, "..."]:
    """Numbers with as many axes as ``axes`` names; NaN stays, as "not there".

    **Raises** ``FigureError`` for another number of axes, an empty axis, or infinity.
    """
    try:
        found = np.asarray(values, dtype=float)
    except (TypeError, ValueError, RuntimeError) as error:
        raise FigureError(f"{name} must be numbers [{axes}]: {error}.") from error
    if found.ndim != len(axes.split()) or 0 in found.shape:
        raise FigureError(
            f"{name} must have the axes [{axes}], none empty; its shape is {list(found.shape)}."
        )
    if np.isinf(found).any():
        raise FigureError(f"{name} holds infinity, which has no colour and no place on an axis.")
    return found


def matching(found: Sized, wanted: int, name: str, per: str) -> None:
    """**Raises** ``FigureError`` unless there is one entry of ``name`` for each of ``per``."""
    if len(found) != wanted:
        raise FigureError(f"{name} has {len(found)} entries for {wanted} {per}; give one for each.")


def names(given: Sequence[str], wanted: int, name: str, per: str) -> list[str]:
    """Names, one for each of ``per``, as they can be drawn: in one line."""
    matching(given, wanted, name, per)
    return [printable(str(text).replace("\n", "↵")) for text in given]
