"""The area under a curve over fractions, on a linear or a logarithmic axis."""

from collections.abc import Sequence

import numpy as np


def area(x: Sequence[float], y: Sequence[float]) -> float:
    """Trapezoids of y over x, from the first x to the last."""
    return float(np.trapezoid(y, x))


def log_mean(x: Sequence[float], y: Sequence[float]) -> float:
    """Trapezoids of y over log x, divided by the length of that axis: a mean of y."""
    axis = np.log(x)
    return float(np.trapezoid(y, axis) / (axis[-1] - axis[0]))
