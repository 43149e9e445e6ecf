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
sum counts when what is left is rounding alone and no other sum leaves clearly less, so that a
fitted number is exact to the precision of the recording. That the factors are the same for other
tokens is proved later (``selfcheck.py``).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import torch
from torch import Tensor, nn

from pellucid.model.detection.probe import Call, Record, same_values
from pellucid.model.detection.writes import (
    EQUATIONS_PER_TERM,
    MOST_CANDIDATES,
    MOST_WEIGHTED,
    Fit,
    as_fit,
    choices,
    least_squares,
)
from pellucid.model.residual_scaling import Factor, StoredFactor, times

ROUNDING = 4.0
"""How many units of rounding, relative to the sum, may be left over."""

CERTAIN = 1e-5
"""How uncertain (relative) a fitted number may be, or the recording's rounding if that is more."""


@dataclass(frozen=True)
class Sum:
    """``gain`` times the stream plus ``scales`` times terms, with the error left."""

    gain: Factor
    scales: tuple[Factor, ...]
    error: float
    doubt: float = 0.0
    """How far off (relative) a fitted number may be."""


@dataclass(frozen=True)
class Parts:
    """What the sums of one block are made of."""

    before: Tensor
    after: Tensor
    terms_a: list[Call]
    terms_m: list[Call]
    held: list[StoredFactor]


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
    for middle in _distinct(given, parts.before):
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


def _distinct(given: Sequence[Tensor | None], before: Tensor) -> Iterator[Tensor]:
    """Tensors of the stream's size, each once and shaped as it, without the stream itself."""
    seen = [before]
    for tensor in given:
        if tensor is None or tensor.numel() != before.numel():
            continue
        if not any(same_values(tensor, other) for other in seen):
            seen.append(tensor)
            yield tensor.reshape(before.shape)


def held_factors(block: nn.Module, width: int) -> list[StoredFactor]:
    """Scalars and vectors of ``width`` features that the block and its modules hold, nearest first.

    Those with a zero are left out: what a zero multiplies cannot be written to.
    """
    found: list[StoredFactor] = []
    for part in block.modules():
        for name, value in (*part._parameters.items(), *part._buffers.items()):
            if value is None or value.ndim > 1 or not value.is_floating_point():
                continue
            if value.numel() in (1, width) and bool((value != 0).all()):
                found.append(StoredFactor(part, name))
    return found[:MOST_CANDIDATES]


def solve(
    target: Tensor, stream: Tensor, terms: Sequence[Call], held: list[StoredFactor]
) -> Sum | None:
    """Factors with which ``stream`` and ``terms`` sum to ``target`` to rounding, or None.

    The plainest of those that no other beats clearly.
    """
    eps = torch.finfo(target.dtype).eps
    columns = [c.out.reshape(target.shape) for c in terms if c.out is not None]
    wanted, carried, *columns = in_units_of_rounding(target, stream, *columns)
    limit = ROUNDING * eps * wanted.numel() ** 0.5
    found = [
        sum_of(wanted, carried, columns, gain, scales)
        for gain, scales in proposals(len(columns), held)
    ]
    if min(s.error for s in found) > limit or coarse(target):
        fits = (_fitted(wanted, carried, columns, gain) for gain in (*held, None))
        found += [s for s in fits if s is not None]
    best = min(s.error for s in found)
    plainest = next(s for s in found if not clearly_better(best, s.error, wanted))
    certain = plainest.doubt <= max(CERTAIN, eps)
    return plainest if plainest.error <= limit and certain else None


def in_units_of_rounding(*tensors: Tensor) -> list[Tensor]:
    """Each number divided by the size of all that meet there, as rounding is proportional to it.

    On the CPU in double precision, where every solver is available.
    """
    numbers = [tensor.cpu().double() for tensor in tensors]
    size = sum(number.abs() for number in numbers)
    return [number / torch.as_tensor(size).clamp_min(1e-300) for number in numbers]


def coarse(tensor: Tensor) -> bool:
    """Whether rounding is so coarse that one factor can pass for another (half precision)."""
    return torch.finfo(tensor.dtype).eps > 1e-5


def clearly_better(error: float, other: float, wanted: Tensor) -> bool:
    """Whether an error is smaller than ``other`` by more than fitting noise explains.

    Twice the log-likelihood ratio of N rounded numbers is 2 N log(other / error), and above 20
    about once in fifty thousand for one number more to choose.
    """
    floor = 4 * torch.finfo(torch.float64).eps * float(wanted.norm())
    return other > error * math.exp(10 / wanted.numel()) + floor


def sum_of(
    wanted: Tensor,
    carried: Tensor,
    columns: list[Tensor],
    gain: Factor,
    scales: tuple[Factor, ...],
) -> Sum:
    """The sum with these factors, and its error."""
    parts = [times(column, scale) for column, scale in zip(columns, scales, strict=True)]
    return Sum(gain, scales, float((times(carried, gain) + sum(parts) - wanted).norm()))


def hides_gain(record: Record, block: nn.Module, fit: Fit) -> bool:
    """Whether a gain would explain the block clearly better than ``fit``, which has none.

    In half precision a sum without it can pass, where the stream is small beside what is added.
    """
    whole = record.of(block)
    assert whole is not None
    assert whole.given is not None
    assert whole.out is not None
    if not coarse(whole.out):
        return False
    terms = []
    for write in (*([fit.attention] if fit.attention else []), *fit.mlp):
        call = record.of(write.module)
        assert call is not None
        assert call.out is not None
        terms.append(write.term(call.out.reshape(whole.out.shape)))
    wanted, carried, *columns = in_units_of_rounding(whole.out, whole.given, *terms)
    ones = (1.0,) * len(columns)
    left = wanted - sum(columns)
    own = float((left * carried).sum() / carried.square().sum())
    others: list[Factor] = [*held_factors(block, wanted.shape[-1])]
    if abs(own - 1) > torch.finfo(whole.out.dtype).eps:
        others.append(own)
    plain = sum_of(wanted, carried, columns, 1.0, ones).error
    errors = [sum_of(wanted, carried, columns, gain, ones).error for gain in others]
    return clearly_better(min(errors, default=plain), plain, wanted)


def proposals(count: int, held: list[StoredFactor]) -> Iterator[tuple[Factor, tuple[Factor, ...]]]:
    """A gain, and scales that are all one or all the gain; one term may have a scale of its own."""
    yield 1.0, (1.0,) * count
    for gain in held:
        yield gain, (1.0,) * count
        yield gain, (gain,) * count
    if count == 1:
        one: list[Factor] = [1.0, *held]
        yield from ((gain, (scale,)) for gain in one for scale in held if scale != gain)


def _fitted(
    wanted: Tensor, carried: Tensor, columns: list[Tensor], gain: StoredFactor | None
) -> Sum | None:
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
    own, scales = (weights[0], weights[1:]) if gain is None else (gain, weights)
    doubt = max(3 * s / abs(w) for w, s in zip(weights, spread.tolist(), strict=True))
    return replace(sum_of(wanted, carried, columns, own, tuple(scales)), doubt=doubt)


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
