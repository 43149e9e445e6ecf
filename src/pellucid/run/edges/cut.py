"""Running the model with edges cut: many sets of cut edges as one batch, from one mask.

Where edge (u, v) is cut, slot v reads the stream with u's term replaced, while every other reader
of u still gets what u computes; whatever is downstream is computed again. (Path patching with
recomputed activations, Goldowsky-Dill et al. 2023.)

1. Variants are sorted by the first layer that has a cut slot and packed into chunks; a chunk
   starts at that layer, after the positions that both prompts share (as in ``variants.py``).
2. As the model runs, the change that replacing it would make is kept for every node: replaced
   minus computed, in the stream (``Changes``).
3. A slot with cut edges reads the stream plus the sum of its cut senders' changes: an MLP through
   its norm as it is, a head's query, key or value through norm and projection.
4. Slots without a cut edge are left alone, bit for bit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from jaxtyping import Bool
from torch import Tensor

from pellucid.model.running.forward import forward, undisturbed
from pellucid.model.running.taps import Tap, Taps
from pellucid.model.sites import Site
from pellucid.run.edges.node_deltas import Changes, Shares, touched
from pellucid.run.edges.slot_inputs import reading_taps
from pellucid.run.gradient import demand_finite
from pellucid.run.question import demand_sums_of_parts
from pellucid.run.setup import Setup
from pellucid.run.variants import POSITIONS_PER_CALL, Base, copies, shared_positions
from pellucid.shapes import Logits, PerExample
from pellucid.task.metrics import Metric

Cut: TypeAlias = Bool[Tensor, "variant sender slot"]


def run_cut(
    setup: Setup,
    cut: Cut,
    values: Mapping[Site, Tensor] | None = None,
    *,
    base: Base = "clean",
    metric: Metric | None = None,
) -> PerExample:
    """The metric ``[variant example]`` of the ``base`` prompts with each variant's edges cut.

    ``values`` replace the nodes' outputs on the cut edges (default: the setup's); ``metric``
    defaults to the trace's.

    **Assumes** that the trace holds node outputs and streams of ``base``; without the streams
    every chunk starts at the embedding.
    **Cost** 1 forward per variant with a cut edge, in as few calls as the memory budget allows.
    **Raises** ``NonFiniteError`` when a variant's metric is not finite, ``HookError`` where hooks
    of others change what is cut.
    """
    demand_sums_of_parts(setup.model, setup.trace.encoded)
    anatomy = setup.model.anatomy
    cut = cut.cpu() & anatomy.edges
    layers = torch.tensor([
        anatomy.n_layers if slot.layer is None else slot.layer for slot in anatomy.slots
    ])  # fmt: skip
    touched = torch.where(cut.any(1), layers, anatomy.n_layers)
    first = touched.min(dim=1).values
    whole = ~cut.any(2).any(1)
    values = setup.values() if values is None else values
    shared = shared_positions(setup, values)
    run = CutRun(setup, values, base, metric or setup.trace.metric, shared)
    results: dict[int, Tensor] = dict.fromkeys(whole.nonzero()[:, 0].tolist(), run.uncut())
    order = torch.argsort(first, stable=True)
    order = order[~whole[order]]
    for chunk in order.split(run.variants_per_call()) if len(order) else ():
        found = run.metric_of(cut[chunk], int(first[chunk].min()))
        results |= dict(zip(chunk.tolist(), found, strict=True))
    stacked = torch.stack([results[i] for i in range(len(cut))])
    demand_finite(stacked, "metric of a run with cut edges")
    return stacked


@dataclass(frozen=True)
class CutRun:
    """What all chunks of one call of ``run_cut`` have in common."""

    setup: Setup
    values: Mapping[Site, Tensor]
    base: Base
    metric: Metric
    shared: int

    def uncut(self) -> PerExample:
        """The metric with no edge cut: that of the recording, to the bit."""
        clean = self.base == "clean"
        logits = self.setup.trace.logits_clean if clean else self.setup.trace.logits_corrupted
        return self.metric(logits, self.setup.trace.encoded)

    def variants_per_call(self) -> int:
        """How many variants ride in one call: each holds every node's change of the stream."""
        anatomy, encoded = self.setup.model.anatomy, self.setup.trace.encoded
        rows, length = encoded.clean.shape
        width = 3 * len(anatomy.nodes) * anatomy.d_model
        read = 3 * encoded.reads.shape[1] * anatomy.d_vocab
        by_memory = self.setup.memory_budget // (4 * rows * ((length - self.shared) * width + read))
        positions = POSITIONS_PER_CALL.get(self.setup.model.device.type, 1 << 15)
        return max(1, min(by_memory, positions // (rows * (length - self.shared))))

    def metric_of(self, cut: Cut, start: int) -> PerExample:
        """The metric of one chunk of variants, none of which has a cut slot before ``start``."""
        logits = self.logits_of(cut, start)
        return self.metric(logits.unflatten(0, (len(cut), -1)), self.setup.trace.encoded)

    def logits_of(
        self, cut: Shares, start: int, beside: Taps | None = None, forwards: int | None = None
    ) -> Logits:
        """Logits of one chunk; ``beside`` are taps at sites where nothing is cut.

        With shares of edges gradients pass to them, and to values that ask for them. A chunk counts
        as one forward a variant, or as ``forwards``.
        """
        model, trace = self.setup.model, self.setup.trace
        recorded = trace.clean if self.base == "clean" else trace.corrupted
        with undisturbed(model.module), torch.set_grad_enabled(cut.is_floating_point()):
            batch = copies(self.setup, self.base, len(cut), start=start, shared=self.shared)
            batch = batch if forwards is None else replace(batch, forwards=forwards)
            layer = 0 if batch.start is None else batch.start.layer
            taps = {**self._taps(cut.to(batch.tokens.device), layer, recorded), **(beside or {})}
            return forward(model.module, model.anatomy, batch, taps=taps)

    def _taps(self, cut: Shares, start: int, recorded: Mapping[Site, Tensor]) -> dict[Site, Tap]:
        """Taps that keep the change of every node that is cut, and rewrite what cut slots read."""
        anatomy = self.setup.model.anatomy
        changes = Changes(anatomy, cut, len(self.setup.trace.encoded.clean))
        taps: dict[Site, Tap] = {}
        for site in changes.sites:
            if start > 0 and site.layer < start:
                changes.note(site, self._value(site), recorded[site][:, self.shared :])
            else:
                taps[site] = self._keeping(changes, site)
        index = 0
        for group in anatomy.slot_groups:
            here = cut[:, :, index : index + len(group)]
            index += len(group)
            if bool(touched(here).any()):
                taps |= reading_taps(anatomy, changes, group, here)
        return taps

    def _value(self, site: Site) -> Tensor:
        value = self.values[site]
        return value[:, self.shared :] if value.shape[1] > 1 else value

    def _keeping(self, changes: Changes, site: Site) -> Tap:
        def tap(value: Tensor) -> None:
            changes.note(site, self._value(site), value)

        return tap
