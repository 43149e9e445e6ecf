"""What attention and MLP write into the residual stream, found by arithmetic.

Among the recorded outputs of a block, the terms whose sum is (block output - block input) are its
writes. Post-norms, residual multipliers and residuals added inside a module need no special case:
another candidate fits, or a weight other than one. Blocks that multiply the stream itself are left
to ``residual_scaling.py``.

A fit can't be an accident: every candidate sum has at least ``EQUATIONS_PER_TERM`` numbers to
match for each weight, and plain sums have no weight to choose at all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product

import torch
from torch import Tensor, nn

from pellucid.model.anatomy import Write
from pellucid.model.detection.probe import Call, Record, same_values
from pellucid.model.residual_scaling import Factor

EQUATIONS_PER_TERM = 8
MOST_CANDIDATES = 16
MOST_WEIGHTED = 8


@dataclass(frozen=True)
class Fit:
    """The writes of one block, and the names under which they were found."""

    attention: Write | None
    mlp: tuple[Write, ...]
    names: tuple[str, ...]
    error: float
    gains: tuple[Factor, Factor] = (1.0, 1.0)

    @property
    def plain(self) -> bool:
        """Whether every term is added as it was returned."""
        writes = (*([self.attention] if self.attention else []), *self.mlp)
        return all(write.scale == 1.0 for write in writes)


def attention_terms(
    record: Record, attention: nn.Module | None, out_proj: nn.Module | None
) -> list[Call]:
    """Outputs that may be what attention writes: projection, module, a norm behind either."""
    if attention is None or out_proj is None:
        return []
    projected = record.of(out_proj)
    assert projected is not None
    assert projected.out is not None
    size = projected.out.numel()
    inside = [c for c in record.within(attention) if c.module is not out_proj]
    calls = [projected, *sorted(inside, key=lambda c: (c.name.count("."), -c.order))]
    calls = [c for c in calls if c.out is not None and c.out.numel() == size]
    return [*calls, *behind(record, calls)][:MOST_CANDIDATES]


def behind(record: Record, calls: Sequence[Call]) -> list[Call]:
    """Norms and dropouts whose input is the output of one of ``calls``, or of another of them."""
    reached = list(calls)
    found: list[Call] = []
    for call in record.calls:
        if call in reached or call.out is None or not is_plain(call.module):
            continue
        if not record.ran_once(call):
            continue
        if any(same_values(call.given, c.out) for c in reached) and same_size(call, reached[0]):
            reached.append(call)
            found.append(call)
    return found


def same_size(one: Call, other: Call) -> bool:
    """Whether two calls return equally many numbers."""
    return one.out is not None and other.out is not None and one.out.numel() == other.out.numel()


def mlp_terms(
    record: Record, block: nn.Module, attention: nn.Module | None, taken: list[Call], size: int
) -> list[Call]:
    """Outputs that may be what the MLP writes: modules outside attention, outermost first."""
    inside = set(attention.modules()) if attention is not None else set()
    found = [
        c
        for c in record.calls
        if c.module is not block
        and c.module not in inside
        and c not in taken
        and record.ran_once(c)
        and c.name.count(".") <= 2
        and c.out is not None
        and c.out.numel() == size
    ]
    # The last call of the outermost module first: that is what is usually added.
    found.sort(key=lambda c: (c.name.count("."), -c.order))
    return found[:MOST_CANDIDATES]


def fit_writes(
    block: nn.Module,
    before: Tensor,
    after: Tensor,
    terms_a: list[Call],
    terms_m: list[Call],
    hint: tuple[str, ...],
) -> Fit | None:
    """The terms, with weights, whose sum is ``after - before``; None when nothing fits.

    ``hint`` names the terms that fitted the layer before, tried first. Then attention and one MLP
    term, attention alone, and two or three MLP terms (a dense MLP beside experts); plain sums win
    over weighted ones.
    """
    target = numbers(after) - numbers(before)
    columns = {c.name: term_column(c) for c in terms_a + terms_m}
    # Sums are rounded at the stream's own size, which in bfloat16 can exceed the term's.
    rounding = torch.finfo(after.dtype).eps * float(after.double().norm())
    limit = 1e-5 * float(target.norm()) + rounding
    named = {c.name: c for c in terms_a + terms_m}
    if hint and all(name in named for name in hint):
        chosen = [named[name] for name in hint]
        error = float((sum(columns[n] for n in hint) - target).norm())
        if error <= limit:
            return as_fit(chosen, [1.0] * len(chosen), terms_a, error)
    given = (target, columns, terms_a, terms_m, limit)
    biases = [p for p in block.parameters() if p.shape == after.shape[-1:]]
    return plain_fit(*given) or weighted_fit(*given) or biased_fit(*given, biases)


def term_column(call: Call) -> Tensor:
    """A term's numbers in a row, in double precision."""
    assert call.out is not None
    return numbers(call.out)


def numbers(tensor: Tensor) -> Tensor:
    """All numbers in a row, in double precision, where every solver is available."""
    return tensor.cpu().double().flatten()


def plain_fit(
    target: Tensor,
    columns: dict[str, Tensor],
    terms_a: list[Call],
    terms_m: list[Call],
    limit: float,
) -> Fit | None:
    """The closest sum without weights, of the fewest kinds of term that fit at all."""
    for count in (1, 0, 2, 3):
        best: tuple[float, list[Call]] | None = None
        for chosen in choices(terms_a, terms_m, count):
            error = float((sum(columns[c.name] for c in chosen) - target).norm())
            if error <= limit and (best is None or error < best[0]):
                best = (error, chosen)
        if best is not None:
            return as_fit(best[1], [1.0] * len(best[1]), terms_a, best[0])
    return None


def weighted_fit(
    target: Tensor,
    columns: dict[str, Tensor],
    terms_a: list[Call],
    terms_m: list[Call],
    limit: float,
) -> Fit | None:
    """The first sum with one constant per term that fits."""
    for count in (1, 0, 2):
        for chosen in choices(terms_a[:MOST_WEIGHTED], terms_m[:MOST_WEIGHTED], count):
            if len(target) < EQUATIONS_PER_TERM * len(chosen):
                continue
            weights, error = least_squares([columns[c.name] for c in chosen], target)
            weights = [float(f"{w:.7g}") for w in weights]
            if error <= limit and all(abs(w) > 1e-6 for w in weights):
                return as_fit(chosen, weights, terms_a, error)
    return None


def biased_fit(
    target: Tensor,
    columns: dict[str, Tensor],
    terms_a: list[Call],
    terms_m: list[Call],
    limit: float,
    biases: list[nn.Parameter],
) -> Fit | None:
    """A plain sum that leaves one of the block's own parameters over, the same at each position."""
    for count, bias in product((1, 0), biases):
        constant = numbers(bias.detach()).repeat(len(target) // len(bias))
        for chosen in choices(terms_a, terms_m, count):
            error = float((sum(columns[c.name] for c in chosen) + constant - target).norm())
            if error <= limit:
                fit = as_fit(chosen, [1.0] * len(chosen), terms_a, error)
                if fit.attention is not None:
                    return replace(fit, attention=replace(fit.attention, bias=bias))
                return replace(fit, mlp=(replace(fit.mlp[0], bias=bias), *fit.mlp[1:]))
    return None


def choices(terms_a: list[Call], terms_m: list[Call], count: int) -> Iterator[list[Call]]:
    """One attention term, where there are any, with ``count`` MLP terms."""
    firsts: list[list[Call]] = [[a] for a in terms_a] or [[]]
    for first, others in product(firsts, combinations(terms_m, count)):
        if first or others:
            yield [*first, *others]


def as_fit(
    chosen: Sequence[Call], scales: Sequence[Factor], terms_a: list[Call], error: float
) -> Fit:
    """The chosen terms as writes; those of the MLP in the order in which they run."""
    pairs = zip(chosen, scales, strict=True)
    writes = {c.order: Write(c.module, scale) for c, scale in pairs}
    attention = [writes[c.order] for c in chosen if c in terms_a]
    mlp = [writes[c.order] for c in sorted(chosen, key=lambda c: c.order) if c not in terms_a]
    names = tuple(c.name for c in chosen)
    return Fit(attention[0] if attention else None, tuple(mlp), names, error)


def least_squares(columns: list[Tensor], target: Tensor) -> tuple[list[float], float]:
    """Weights that bring ``columns`` closest to ``target``, and the error left."""
    matrix = torch.stack(columns, dim=1)
    # Parts may repeat each other (a dropout returns its input); only gelsd is right about that.
    weights = torch.linalg.lstsq(matrix, target[:, None], driver="gelsd").solution[:, 0]
    return weights.tolist(), float((matrix @ weights - target).norm())


def is_norm(module: nn.Module) -> bool:
    """Whether a module's class says that it normalises."""
    return "norm" in type(module).__name__.lower()


def is_plain(module: nn.Module) -> bool:
    """Whether a module has no weight matrix anywhere inside: a norm, an activation, a dropout."""
    return all(p.ndim < 2 for p in module.parameters())
