"""One forward that is only looked at, and the model's own way from its last stream to its logits.

``read_out`` puts streams in where the last block's output would be, so that whatever the model
does behind it (norm, projection, unembedding, scaling, soft-capping) is done by the model itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from pellucid.model.model import Model
from pellucid.model.running.changes import Changed
from pellucid.model.running.foreign import foreign_hooks, without_foreign
from pellucid.model.running.forward import (
    Batch,
    Start,
    at_positions,
    backwards_counted,
    forward,
    undisturbed,
)
from pellucid.model.running.hooks import hook_after
from pellucid.model.running.taps import Taps, first
from pellucid.model.sites import Site
from pellucid.shapes import Stream, Tokens

View: TypeAlias = Callable[[Tensor], Tensor]
"""What is kept of a site's tensor."""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What one forward showed."""

    kept: dict[Site, Tensor] = field(default_factory=dict)
    """What each site's view made of the tensor there."""
    given: Float[Tensor, "row read d_unembed"]
    """What the unembedding reads."""
    raw: Float[Tensor, "row read d_vocab"]
    """What the unembedding returns."""
    logits: Float[Tensor, "row read d_vocab"]
    """What the model makes of that: equal to ``raw`` unless it scales or caps its logits."""


def observe(
    model: Model,
    tokens: Tokens,
    views: Mapping[Site, View],
    *,
    real: Bool[Tensor, "row pos"] | None = None,
    reads: Int[Tensor, "row read"] | None = None,
    variants: int = 1,
) -> Observation:
    """Run ``tokens`` once and keep what each view makes of its site's tensor.

    The rows hold ``variants`` evaluations of a question.

    **Cost** 1 forward per variant, in 1 call.
    **Raises** ``EditError`` for a site that the model does not have.
    """
    kept: dict[Site, Tensor] = {}

    def reader(site: Site, view: View) -> Callable[[Tensor], None]:
        def read(value: Tensor) -> None:
            # A copy, so that a model that adds in place cannot move what was kept.
            kept[site] = view(value).detach().clone()

        return read

    taps = {site: reader(site, view) for site, view in views.items()}
    with torch.no_grad():
        batch = Batch(tokens=tokens, real=real, reads=reads, forwards=variants)
        return _run(model, batch, taps, kept)


def read_out(
    model: Model,
    tokens: Tokens,
    streams: Stream,
    *,
    variants: int = 1,
) -> Observation:
    """What the model makes of ``streams`` put in behind its last block; differentiable in them.

    ``tokens`` give the shape ``[row pos]``; what the blocks compute from them is not used. The rows
    hold ``variants`` streams of the same prompts.

    **Cost** 1 forward per variant, of the last block only where the model can start late.
    """
    last = model.anatomy.n_layers
    start = Start(last - 1, streams.detach()) if model.check.can_start_late else None
    taps: Taps = {Site("resid_pre", last): lambda computed: streams}
    # Streams are those of a few positions, so hooks that count positions have no place here.
    with torch.enable_grad(), without_foreign(model.module):
        return _run(model, Batch(tokens=tokens, start=start, forwards=variants), taps, {})


def _run(model: Model, batch: Batch, taps: Taps, kept: dict[Site, Tensor]) -> Observation:
    unembedded: list[tuple[Tensor, Tensor, int]] = []

    def note(module: nn.Module, args: tuple, kwargs: dict, output: Any) -> None:
        unembedded[:] = [(args[0], first(output), first(output)._version)]

    with undisturbed(model.module):
        # A copy, since tensors made in inference mode could not be saved for a backward.
        batch = replace(batch, tokens=batch.tokens.clone())
        with Changed([hook_after(model.anatomy.unembed, note)]):
            logits = forward(model.module, model.anatomy, batch, taps=taps)
    given, raw, version = unembedded[0]
    # A model that caps its logits in place has changed what was noted.
    if raw._version != version:
        raw = first(model.anatomy.unembed.forward(given))
    if batch.reads is not None and foreign_hooks(model.module):  # the whole prompt was unembedded
        given, raw = at_positions(given, batch.reads), at_positions(raw, batch.reads)
    # Gradients that start here do not pass the logits, where they would be counted.
    counted = backwards_counted(given.view_as(given), batch.forwards)
    return Observation(kept=kept, given=counted, raw=raw, logits=logits)
