"""Many edited runs of the same prompts, batched: one boolean mask says what is replaced in each.

1. Variants are sorted by the first layer they touch and cut into chunks that fit the memory
   budget.
2. A chunk starts at its first touched layer, with the stream that the recording holds.
3. Positions that both prompts share are not run again when nothing there is replaced by anything
   else: their keys and values come from the recording.
4. In each chunk the rows are repeated once per variant, and every touched site takes the
   replacement where the mask says so.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from jaxtyping import Bool
from torch import Tensor

from pellucid.model.anatomy import Node
from pellucid.model.parts import PartKind, kind_called
from pellucid.model.running.foreign import foreign_hooks
from pellucid.model.running.forward import Batch, Start, forward, undisturbed
from pellucid.model.running.prefix_cache import repeat_past
from pellucid.model.running.taps import Tap
from pellucid.model.sites import Site, site_of
from pellucid.run.gradient import demand_finite
from pellucid.run.setup import Setup
from pellucid.shapes import Mask, PerExample

Base: TypeAlias = Literal["clean", "corrupted"]

POSITIONS_PER_CALL = {"cpu": 448}
"""Beyond this many positions a call gains nothing more from batching; other devices take more."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One column of a mask: a whole site, or one head (or neuron) of it, or a piece."""

    site: Site
    head: int | None = None
    kind: str = ""
    """The kind of part, which may be cut from the site's tensor in a way of its own."""
    source: int | None = None
    """The row of the values that all prompts take; None where each prompt has its own."""

    @property
    def cut_by(self) -> PartKind | None:
        """The kind, where it cuts in a way of its own."""
        kind = kind_called(self.kind) if self.kind else None
        return kind if kind is not None and kind.cut is not None else None


def unit_of(node: Node) -> Unit:
    """The unit that replaces a node's output."""
    return Unit(site_of(node), node.head, node.kind)


def run_variants(
    setup: Setup,
    units: Sequence[Unit],
    replaced: Mask,
    values: Mapping[Site, Tensor],
    *,
    base: Base = "clean",
    positions: Bool[Tensor, "variant pos"] | None = None,
) -> PerExample:
    """The metric ``[variant example]`` of each variant of the ``base`` prompts.

    In variant i, every unit j with ``replaced[i, j]`` has its output replaced by ``values`` at
    ``positions[i]`` (default: everywhere); whatever is downstream is computed again.

    **Assumes** that the trace holds the streams of ``base`` (``stream_sites``) if later starts are
    to be used; without them every chunk starts at the embedding.
    **Cost** 1 forward per variant, in as few calls as the memory budget allows.
    **Raises** ``NonFiniteError`` when a variant's metric is not finite.
    """
    layers = torch.tensor([unit.site.layer for unit in units])
    touched = torch.where(replaced.cpu(), layers, setup.model.anatomy.n_layers)
    first = touched.min(dim=1).values if units else touched.new_zeros(len(replaced))
    order = torch.argsort(first, stable=True)
    run = VariantRun(setup, units, values, base, shared_positions(setup, values))
    results: dict[int, Tensor] = {}
    for chunk in order.split(variants_per_call(setup, run.shared)):
        found = run.metric_of(
            replaced[chunk.to(replaced.device)],
            None if positions is None else positions[chunk.to(positions.device)],
            int(first[chunk].min()),
        )
        results |= dict(zip(chunk.tolist(), found, strict=True))
    stacked = torch.stack([results[i] for i in range(len(replaced))])
    demand_finite(stacked, "metric of an edited run")
    return stacked


def shared_positions(setup: Setup, values: Mapping[Site, Tensor]) -> int:
    """How many leading positions no variant can change.

    Those before the first difference, when every replacement comes from the paired run; there,
    replacing puts in what was there already. None while others have hooks on the model.
    """
    trace = setup.trace
    if trace.past is None or foreign_hooks(setup.model.module):
        return 0
    paired = all(
        value is trace.corrupted.get(site) or value is trace.clean.get(site)
        for site, value in values.items()
    )
    return trace.past.length if paired else 0


def variants_per_call(setup: Setup, shared: int) -> int:
    """How many variants ride in one call.

    The activations of one position are bounded by some thirty vectors of the stream's width plus
    its attention scores and the logits read.
    """
    model, encoded = setup.model, setup.trace.encoded
    rows, length = encoded.clean.shape
    width = 30 * model.anatomy.d_model + length * max(
        (b.attention.n_heads for b in model.anatomy.blocks if b.attention), default=0
    )
    per_row = (length - shared) * width + 3 * encoded.reads.shape[1] * model.anatomy.d_vocab
    by_memory = setup.memory_budget // (4 * rows * per_row)
    by_speed = POSITIONS_PER_CALL.get(model.device.type, 1 << 15) // (rows * (length - shared))
    return max(1, min(by_memory, by_speed))


def copies(setup: Setup, base: Base, n: int, *, start: int, shared: int) -> Batch:
    """The ``base`` prompts ``n`` times, run from layer ``start`` and behind ``shared`` positions.

    From the embedding where the trace does not hold the stream there, or the model was not shown to
    start late exactly.
    """
    model, trace = setup.model, setup.trace
    encoded, clean = trace.encoded, base == "clean"
    layer = min(start, model.anatomy.n_layers - 1)
    stream = (trace.clean if clean else trace.corrupted).get(Site("resid_pre", layer))
    begin = None
    if layer > 0 and model.check.can_start_late and stream is not None:
        begin = Start(layer, stream[:, shared:].repeat(n, 1, 1))
    return Batch(
        tokens=(encoded.clean if clean else encoded.corrupted)[:, shared:].repeat(n, 1),
        real=None if shared else encoded.real.repeat(n, 1),
        reads=encoded.reads.repeat(n, 1),
        lengths=encoded.real.sum(1).repeat(n),
        start=begin,
        past=repeat_past(trace.past, n) if shared and trace.past is not None else None,
        forwards=n,
    )


@dataclass(frozen=True)
class VariantRun:
    """What all chunks of one call of ``run_variants`` have in common."""

    setup: Setup
    units: Sequence[Unit]
    values: Mapping[Site, Tensor]
    base: Base
    shared: int
    """Leading positions that are not run again."""

    def metric_of(
        self, replaced: Mask, positions: Bool[Tensor, "variant pos"] | None, start: int
    ) -> PerExample:
        """The metric of one chunk of variants, none of which touches a layer before ``start``."""
        model, trace, n = self.setup.model, self.setup.trace, len(replaced)
        taps = self._taps(replaced, positions)
        with undisturbed(model.module), torch.no_grad():
            batch = copies(self.setup, self.base, n, start=start, shared=self.shared)
            logits = forward(model.module, model.anatomy, batch, taps=taps)
            return trace.metric(logits.unflatten(0, (n, -1)), trace.encoded)

    def _taps(
        self, replaced: Mask, positions: Bool[Tensor, "variant pos"] | None
    ) -> dict[Site, Tap]:
        """Taps at every site that some variant touches."""
        columns: dict[tuple[Site, int | None, PartKind | None, bool], list[int]] = {}
        for j in replaced.any(dim=0).nonzero()[:, 0].tolist():
            unit = self.units[j]
            key = (unit.site, unit.source, unit.cut_by, unit.head is None)
            columns.setdefault(key, []).append(j)
        at = None if positions is None else positions[:, self.shared :]
        taps: dict[Site, Tap] = {}
        for (site, source, kind, _), js in columns.items():
            heads = [self.units[j].head for j in js]
            value = self._value(site, source)
            if kind is None:
                tap = replacing_tap(value, replaced[:, js], heads, at)
            else:
                tap = putting_tap(kind, value, replaced[:, js], heads, at)
            taps[site] = one_after_other(taps[site], tap) if site in taps else tap
        return taps

    def _value(self, site: Site, source: int | None) -> Tensor:
        value = self.values[site]
        value = value if source is None else value[source : source + 1]
        return value[:, self.shared :] if value.shape[1] > 1 else value


def replacing_tap(
    value: Tensor,
    replaced: Mask,
    heads: Sequence[int | None],
    positions: Bool[Tensor, "variant pos"] | None,
) -> Callable[[Tensor], Tensor]:
    """A tap that puts ``value`` where the mask says so, in rows repeated once per variant."""

    def tap(current: Tensor) -> Tensor:
        spread = current.unflatten(0, (len(replaced), -1))  # variant row pos (head) d
        if heads[0] is None:
            where = replaced.any(dim=1).reshape(-1, *[1] * (spread.ndim - 1))
        else:
            by_head = replaced.new_zeros(len(replaced), spread.shape[3])
            by_head[:, list(heads)] = replaced
            where = by_head.reshape(len(replaced), 1, 1, -1, *[1] * (spread.ndim - 4))
        if positions is not None:
            where = where & positions.reshape(len(replaced), 1, -1, *[1] * (spread.ndim - 3))
        return torch.where(where, value.to(current.dtype), spread).reshape(current.shape)

    return tap


def putting_tap(
    kind: PartKind,
    value: Tensor,
    replaced: Mask,
    indices: Sequence[int | None],
    positions: Bool[Tensor, "variant pos"] | None,
) -> Callable[[Tensor], Tensor]:
    """A tap that puts parts of ``value``, cut as ``kind`` says, where the mask says so."""

    def tap(current: Tensor) -> Tensor:
        spread = current.unflatten(0, (len(replaced), -1)).clone()  # variant row pos ...
        given = value.to(current.dtype)
        for index, rows in zip(indices, replaced.T, strict=True):
            assert kind.cut is not None
            assert kind.put is not None
            assert index is not None
            piece = kind.cut(given, index)
            for variant in rows.nonzero()[:, 0].tolist():
                before = spread[variant]
                new = kind.put(before, piece.expand(*before.shape[:2], -1), index)
                if positions is not None:
                    where = positions[variant].reshape(1, -1, *[1] * (before.ndim - 2))
                    new = torch.where(where, new, before)
                spread[variant] = new
        return spread.reshape(current.shape)

    return tap


def one_after_other(
    first: Callable[[Tensor], Tensor | None], second: Callable[[Tensor], Tensor]
) -> Callable[[Tensor], Tensor]:
    """A tap that changes what another tap has changed."""

    def tap(current: Tensor) -> Tensor:
        changed = first(current)
        return second(current if changed is None else changed)

    return tap
