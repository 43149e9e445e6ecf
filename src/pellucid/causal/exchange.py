"""Runs of base prompts with the values of source prompts at a place, in all of it or a subspace.

The source of a contrast is its clean prompt and the base its corrupted one: if the place holds what
tells the two apart, the base run with the source's value there says the answer, not the foil.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.errors import EditError
from pellucid.model.model import Model
from pellucid.model.running.forward import Batch, Start, forward, undisturbed
from pellucid.model.running.taps import Taps
from pellucid.model.sites import Site
from pellucid.run.gradient import demand_finite
from pellucid.task.encode import Encoded
from pellucid.task.metrics import metric as resolve_metric

Value = Float[Tensor, "row place d"]
Exchanged = Callable[[Value, Value], Value]
"""What stands there instead, from the base's own value and the source's."""


@dataclass(frozen=True)
class Exchange:
    """Both runs of a question, recorded up to one site; ``columns`` are the positions there."""

    model: Model
    encoded: Encoded
    site: Site
    columns: Int[Tensor, "row place"]
    source: Value
    base: Value
    start: Start | None
    metric_source: Float[Tensor, " example"]
    metric_base: Float[Tensor, " example"]

    def metric(self, change: Exchanged) -> Float[Tensor, " example"]:
        """Logit of the answer minus that of the foil in base runs with ``change`` at the place.

        Differentiable in what ``change`` uses, where gradients are on.

        **Cost** 1 forward, from the site's layer on where the model can start there.
        """
        new = change(self.base, self.source)

        def tap(value: Tensor) -> Tensor:
            flat = value.flatten(2)
            index = self.columns[..., None].expand(-1, -1, flat.shape[-1])
            return flat.scatter(1, index, new.to(flat.dtype)).reshape(value.shape)

        return self._run(self.encoded.corrupted, {self.site: tap}, self.start)

    def _run(
        self, tokens: Tensor, taps: Taps, start: Start | None = None
    ) -> Float[Tensor, " example"]:
        return _metric(self.model, self.encoded, tokens, taps, start)


def exchange_at(model: Model, encoded: Encoded, site: Site, positions: tuple[int, ...]) -> Exchange:
    """Record both runs at a site.

    Positions from 0 count from the start of a prompt, negative ones from its end.

    **Cost** 2 forwards.
    **Raises** ``EditError`` for a position outside a prompt.
    """
    columns = _columns(encoded, positions)
    seen: dict[str, dict[Site, Tensor]] = {}
    metrics = {}
    entering = Site("resid_pre", site.layer)
    late = model.check.can_start_late and 0 < site.layer < model.anatomy.n_layers
    for side, tokens in (("source", encoded.clean), ("base", encoded.corrupted)):
        kept: dict[Site, Tensor] = {}

        def keep(value: Tensor, at: Site, into: dict[Site, Tensor]) -> None:
            into[at] = value.detach().clone()

        taps: Taps = {
            at: lambda value, at=at, kept=kept: keep(value, at, kept)  # type: ignore[misc]
            for at in dict.fromkeys([site, *([entering] if late else [])])
        }
        with torch.no_grad():
            metrics[side] = _metric(model, encoded, tokens, taps, None)
        seen[side] = kept

    def at_columns(value: Tensor) -> Value:
        flat = value.flatten(2)
        return flat.gather(1, columns[..., None].expand(-1, -1, flat.shape[-1]))

    return Exchange(
        model=model,
        encoded=encoded,
        site=site,
        columns=columns,
        source=at_columns(seen["source"][site]),
        base=at_columns(seen["base"][site]),
        start=Start(site.layer, seen["base"][entering]) if late else None,
        metric_source=metrics["source"],
        metric_base=metrics["base"],
    )


def _columns(encoded: Encoded, positions: tuple[int, ...]) -> Int[Tensor, "row place"]:
    ends = encoded.reads[:, :1] + 1
    found = torch.cat([ends + p if p < 0 else torch.full_like(ends, p) for p in positions], dim=1)
    if bool((found < 0).any() | (found >= ends).any()):
        shortest = int(ends.min())
        raise EditError(
            f"positions={positions}: the shortest prompt has {shortest} tokens, 0 to "
            f"{shortest - 1} (or -{shortest} to -1 from the end)."
        )
    return found


def _metric(
    model: Model, encoded: Encoded, tokens: Tensor, taps: Taps, start: Start | None
) -> Float[Tensor, " example"]:
    with undisturbed(model.module):
        batch = Batch(tokens=tokens.clone(), real=encoded.real, reads=encoded.reads, start=start)
        logits = forward(model.module, model.anatomy, batch, taps=taps)
        found = resolve_metric("logit_diff")(logits, encoded)
    demand_finite(found, "metric")
    return found


def whole(base: Value, source: Value) -> Value:
    """All of the source's value."""
    return source


def within(basis: Float[Tensor, "k d"]) -> Exchanged:
    """The source's value within the span of orthonormal directions, the base's outside."""

    def change(base: Value, source: Value) -> Value:
        rows = basis.to(base.device, base.dtype)
        return base + (source - base) @ rows.T @ rows

    return change


def placebo(basis: Float[Tensor, "k d"], seed: int) -> Exchanged:
    """A random change of the size of ``within``'s, at every place."""

    def change(base: Value, source: Value) -> Value:
        moved = within(basis)(base, source) - base
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randn(moved.shape, generator=generator, dtype=torch.float64)
        drawn = (drawn / drawn.norm(dim=-1, keepdim=True)).to(moved.device, moved.dtype)
        return base + drawn * moved.norm(dim=-1, keepdim=True)

    return change


def random_basis(k: int, d: int, seed: int) -> Float[Tensor, "k d"]:
    """``k`` orthonormal directions, drawn alike from all."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(d, k, generator=generator, dtype=torch.float64)
    return torch.linalg.qr(drawn).Q.T
