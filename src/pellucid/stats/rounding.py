"""What rounding alone can do to a difference, and shares of differences that are more than that.

Two runs of a model that agree but for the last digits (the same prompts in another batch, or a
change that the model does not feel) give two numbers m and m', and m - m' is rounding. Divided by
such a difference, anything comes out: a sufficiency of 150,000, or of minus one. So a share is
taken only of a difference that rounding cannot make.

The bound for the difference of two logits between two runs, with logits up to ``magnitude``:

    stored      four numbers are subtracted, each rounded to half an eps of the dtype that it is
                stored in, 2 eps; and what they were computed from was rounded at every write to
                the stream, measured as as much again: 4 eps
    summed      each is a sum of products, made in single precision (in double for double), whose
                error grows with the length of the sum and with the layers before it, measured as
                2 to 14 eps: 14 eps

    noise = magnitude (4 eps(dtype) + 14 eps(single or double))

(Rounding as in Higham 2002, section 2.2. What is measured was so against the next finer precision,
on models of 1 to 30 layers; ``tests/stats/test_rounding.py`` does it again.)
"""

import math

import torch

_STORED = 4
_SUMMED = 14


def rounding_noise(magnitude: float, dtype: torch.dtype) -> float:
    """Largest difference between two runs that rounding to ``dtype`` explains.

    ``magnitude`` is the largest of what is subtracted, in the unit of the result.
    """
    summed_in = torch.float64 if dtype == torch.float64 else torch.float32
    return magnitude * (_STORED * torch.finfo(dtype).eps + _SUMMED * torch.finfo(summed_in).eps)


def share_of(part: float, whole: float, noise: float) -> float:
    """``part / whole``; NaN, for undefined, where ``whole`` is no more than ``noise`` or zero."""
    return math.nan if not abs(whole) > noise else part / whole


def relative_gap(accounted: float, difference: float, noise: float) -> float:
    """How far ``accounted`` is from ``difference``, as a share of it; NaN where that is noise."""
    return share_of(abs(accounted - difference), abs(difference), noise)


def accounts_for(accounted: float, difference: float, noise: float, *, within: float) -> bool:
    """Whether the relative gap is less than ``within``, or the gap itself only rounding."""
    gap = abs(accounted - difference)
    return gap <= noise or gap < within * abs(difference)


def account(accounted: float, difference: float, noise: float, *, within: float) -> str:
    """How far estimates are from what they must account for, in words."""
    off = relative_gap(accounted, difference, noise)
    by = "which is no more than rounding" if math.isnan(off) else f"off by {off:.0%}"
    converged = accounts_for(accounted, difference, noise, within=within)
    return (
        f"Estimated is {accounted:+z.2f} of the metric difference of {difference:+z.2f}, {by}"
        f"{'' if converged else ': not converged, so read estimates as a ranking'}."
    )


def undefined(whole: str, difference: float, noise: float) -> str:
    """Why a share of ``whole`` is undefined, in words."""
    return (
        f"undefined: {whole} changes the metric by {difference:.1e}, and rounding alone by up to "
        f"{noise:.1e}, so there is nothing to divide by"
    )
