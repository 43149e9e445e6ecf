"""What a block multiplies the residual stream by, found by arithmetic.

    middle = g before + s a             a   what attention returned
    output = h middle + sum of s_i m_i  m_i what the MLP's parts returned

1. The middle is a tensor that some module outside attention is given, equal to one factor times
   the block's input plus another times an attention term.
2. The output is one factor times the middle plus factors times MLP terms.
3. A parallel block, or one with a single sublayer, has no middle: its output is one factor times
   its input plus factors times its terms.

A factor is one, a scalar or vector that the block holds, or a single number for all features. A
vector is never fitted: with one number to choose for each feature, too few equations are left. A
sum counts when what is left is rounding alone, so that a fitted number is exact to the precision of
the recording. That the factors are the same for other tokens is proved later (``selfcheck.py``).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import torch
from torch import Tensor, nn

from pellucid.model.factors import Factor, Held, times
from pellucid.model.probe import Call, Record, same
from pellucid.model.writes import (
    EQUATIONS_PER_TERM,
    MOST_CANDIDATES,
    MOST_WEIGHTED,
    Fit,
    as_fit,
    choices,
    least_squares,
)

ROUNDING = 4.0
"""How many units of rounding, relative to the sum, may be left over."""


@dataclass(frozen=True)
class Sum:
    """``gain`` times the stream plus ``scales`` times terms, with the error left."""

    gain: Factor
    scales: tuple[Factor, ...]
    error: float


@dataclass(frozen=True)
class Parts:
    """What the sums of one block are made of."""

    before: Tensor
    after: Tensor
    terms_a: list[Call]
    terms_m: list[Call]
    held: list[Held]


def fit_gains(
    record: Record,
    block: nn.Module,
    readers: set[nn.Module],
    terms_a: list[Call],
    terms_m: list[Call],
    hint: tuple[str, ...],
) -> Fit | None:
    """Writes and gains of a block that multiplies its stream by constants; None if none fit.

    ``readers`` are the modules outside attention; ``hint`` names the terms found in the layer
    before, which are tried first.
    """
    whole = record.of(block)
    assert whole is not None
    assert whole.given is not None
    assert whole.out is not None

    def unlike_before(call: Call) -> bool:
        return call.name not in hint

    parts = Parts(
        before=whole.given,
        after=whole.out,
        terms_a=sorted(terms_a, key=unlike_before),
        terms_m=sorted(terms_m[:MOST_WEIGHTED], key=unlike_before),
        held=held_factors(block, whole.out.shape[-1]),
    )
    given = [c.given for c in record.calls if c.module in readers]
    return in_sequence(parts, given) or at_once(parts)


def in_sequence(parts: Parts, given: Sequence[Tensor | None]) -> Fit | None:
    """Steps 1 and 2: by way of a middle among the tensors ``given`` to modules."""
    for middle in distinct(given, parts.before):
        for a in parts.terms_a:
            first = solve(middle, parts.before, [a], parts.held)
            if first is None:
                continue
            for chosen in (*choices([], parts.terms_m, 1), *choices([], parts.terms_m, 2)):
                second = solve(parts.after, middle, chosen, parts.held)
                if second is not None:
                    scales = (*first.scales, *second.scales)
                    fit = as_fit([a, *chosen], scales, parts.terms_a, second.error)
                    return replace(fit, gains=(first.gain, second.gain))
            break
    return None


def at_once(parts: Parts) -> Fit | None:
    """Step 3: every term added to the same stream."""
    for count in (1, 0, 2):
        for chosen in choices(parts.terms_a, parts.terms_m, count):
            found = solve(parts.after, parts.before, chosen, parts.held)
            if found is None:
                continue
            fit = as_fit(chosen, found.scales, parts.terms_a, found.error)
            if fit.attention is None:
                return replace(fit, gains=(1.0, found.gain))
            return replace(fit, gains=(found.gain, 1.0))
    return None


def distinct(given: Sequence[Tensor | None], before: Tensor) -> Iterator[Tensor]:
    """Tensors of the stream's size, each once and shaped as it, without the stream itself."""
    seen = [before]
    for tensor in given:
        if tensor is None or tensor.numel() != before.numel():
            continue
        if not any(same(tensor, other) for other in seen):
            seen.append(tensor)
            yield tensor.reshape(before.shape)


def held_factors(block: nn.Module, width: int) -> list[Held]:
    """Scalars and vectors of ``width`` features that the block and its modules hold, nearest first.

    Those with a zero are left out: what a zero multiplies cannot be written to.
    """
    found: list[Held] = []
    for part in block.modules():
        for name, value in (*part._parameters.items(), *part._buffers.items()):
            if value is None or value.ndim > 1 or not value.is_floating_point():
                continue
            if value.numel() in (1, width) and bool((value != 0).all()):
                found.append(Held(part, name))
    return found[:MOST_CANDIDATES]


def solve(target: Tensor, stream: Tensor, terms: Sequence[Call], held: list[Held]) -> Sum | None:
    """Factors with which ``stream`` and ``terms`` sum to ``target`` to rounding, or None."""
    limit = ROUNDING * torch.finfo(target.dtype).eps * float(target.double().norm())
    wanted, carried = numbers(target), numbers(stream)
    columns = [numbers(c.out.reshape(target.shape)) for c in terms if c.out is not None]
    best: Sum | None = None
    for gain, scales in proposals(len(columns), held):
        parts = [times(column, scale) for column, scale in zip(columns, scales, strict=True)]
        error = float((times(carried, gain) + sum(parts) - wanted).norm())
        if error <= limit and (best is None or error < best.error):
            best = Sum(gain, scales, error)
    if best is not None:
        return best
    found = (fitted(wanted, carried, columns, gain) for gain in (*held, None))
    return next((s for s in found if s is not None and s.error <= limit), None)


def proposals(count: int, held: list[Held]) -> Iterator[tuple[Factor, tuple[Factor, ...]]]:
    """A gain, and scales that are all one or all the gain; one term may have a scale of its own."""
    yield 1.0, (1.0,) * count
    for gain in held:
        yield gain, (1.0,) * count
        yield gain, (gain,) * count
    if count == 1:
        one: list[Factor] = [1.0, *held]
        yield from ((gain, (scale,)) for gain in one for scale in held if scale != gain)


def fitted(wanted: Tensor, carried: Tensor, columns: list[Tensor], gain: Held | None) -> Sum | None:
    """One number for each term, and for the stream too where no ``gain`` is given."""
    left = (wanted if gain is None else wanted - times(carried, gain)).flatten()
    matrix = [column.flatten() for column in ([carried] if gain is None else []) + columns]
    if not matrix or len(left) < EQUATIONS_PER_TERM * len(matrix):
        return None
    weights, error = least_squares(matrix, left)
    stacked = torch.stack(matrix, dim=1)
    inverse = torch.linalg.pinv(stacked.T @ stacked).diagonal().clamp_min(0).sqrt()
    spread = error * (len(left) - len(matrix)) ** -0.5 * inverse
    weights = [simplest(w, 3 * s) for w, s in zip(weights, spread.tolist(), strict=True)]
    if not all(abs(weight) > 1e-6 for weight in weights):
        return None
    sums = sum(w * column for w, column in zip(weights, matrix, strict=True))
    own, scales = (weights[0], weights[1:]) if gain is None else (gain, weights)
    return Sum(own, tuple(scales), float((sums - left).norm()))


def simplest(number: float, within: float) -> float:
    """The plainest number this close to a fitted one: few digits, the root of a fraction, or more.

    Depth-scaled residuals are multiplied by the square root of a ratio of small whole numbers.
    PyTorch rounds a number to single precision before it multiplies single precision by it.
    """
    within = max(within, 4 * abs(number) * torch.finfo(torch.float64).eps)
    root = float(Fraction(number * number).limit_denominator(256)) ** 0.5
    decimals = [float(f"{number:.{digits}g}") for digits in range(1, 17)]
    for plain in (*decimals[:5], math.copysign(root, number), *decimals[5:]):
        used = float(torch.tensor(plain, dtype=torch.float32))
        if min(abs(plain - number), abs(used - number)) <= within:
            return plain
    return number


def numbers(tensor: Tensor) -> Tensor:
    """On the CPU in double precision, where every solver is available."""
    return tensor.cpu().double()
