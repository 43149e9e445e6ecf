"""``probe_effect``: is what a probe reads used? Its direction is taken away, and the model asked.

    new = x - ((x - mean) . u) u        u the probe's normal, at every position

so that along u every position lies in the middle of the two classes, and nothing else changes. The
same is done along random directions u.
Decodable is not used: a direction can be read perfectly and move nothing. (Elazar et al. 2021,
arXiv:2006.00995, amnesic probing)
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.callbacks import expect
from pellucid.errors import EditError, TaskError
from pellucid.model.model import Model, opened
from pellucid.model.running.taps import Tap
from pellucid.model.sites import site_named
from pellucid.options import METRIC, SEED
from pellucid.passes import metering
from pellucid.probing.result import Probe
from pellucid.results.passes import Passes
from pellucid.results.result import Result
from pellucid.results.views import shown
from pellucid.run.gradient import demand_finite
from pellucid.run.prompts import run_tapped
from pellucid.run.provenance import with_provenance
from pellucid.run.question import encode_contrast
from pellucid.task.contrast import Contrasts
from pellucid.task.metrics import Metric
from pellucid.task.metrics import metric as resolve_metric

_RANDOM = 10


@dataclass(frozen=True, kw_only=True)
class ProbeEffect(Result):
    """The metric on the clean prompts as they are, and with directions taken away."""

    site: str
    metric_clean: Float[Tensor, " example"]
    without: Float[Tensor, " example"]
    """With the probe's direction taken away."""
    without_random: Float[Tensor, "direction example"]
    passes: Passes

    @property
    def effect(self) -> float:
        """What is lost with the direction, mean over examples."""
        return float((self.metric_clean - self.without).mean())

    @property
    def random_effects(self) -> Float[Tensor, " direction"]:
        """What is lost with each random direction."""
        return (self.metric_clean - self.without_random).mean(1)

    @property
    def p_value(self) -> float:
        """Share of directions, this one among them, that lose or gain at least as much."""
        larger = int((self.random_effects.abs() >= abs(self.effect)).sum())
        return (1 + larger) / (1 + len(self.random_effects))

    def __str__(self) -> str:
        return str(shown(self, "text"))


@with_provenance
def probe_effect(
    model: Model,
    probe: Probe,
    contrast: Contrasts,
    *,
    metric: str | Metric = METRIC,
    random_directions: int = _RANDOM,
    seed: int = SEED,
) -> ProbeEffect:
    """Take the direction that a probe reads away, and measure the model's own answer.

    **Assumes** a site whose values are vectors of the width that the probe has read, at every
    position of the prompts.
    **Cost** 1 forward, and 1 for each direction.
    **Raises** ``TaskError`` for fewer than one random direction, ``EditError`` for a probe of other
    values than the model has there.
    """
    opened(model)
    if random_directions < 1:
        raise TaskError(f"random_directions={random_directions}: give at least 1 to compare with.")
    site = site_named(probe.rows[probe.best].site)
    encoded = encode_contrast(model, contrast)
    measure = resolve_metric(metric)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(random_directions, len(probe.weights), generator=generator).double()
    expect(2 + random_directions)

    def measured(tap: Tap | None) -> Tensor:
        taps = {} if tap is None else {site: tap}
        logits = run_tapped(model, encoded.clean, taps, reads=encoded.reads)
        found = measure(logits, encoded)
        demand_finite(found, "metric")
        return found.cpu()

    with metering() as meter:
        plain = measured(None)
        without = measured(_away(probe.direction, probe.mean))
        others = [measured(_away(one / one.norm(), probe.mean)) for one in drawn]
    return ProbeEffect(
        site=site.name,
        metric_clean=plain,
        without=without,
        without_random=torch.stack(others),
        passes=meter.passes,
    )


def _away(direction: Float[Tensor, " d"], mean: Float[Tensor, " d"]) -> Tap:
    """A tap that moves every value to ``mean`` along ``direction``."""
    middle = float(mean.double() @ direction)

    def tap(value: Tensor) -> Tensor:
        flat = value.flatten(2)
        if flat.shape[-1] != len(direction):
            raise EditError(
                f"The probe has read {len(direction)} numbers, and this site has {flat.shape[-1]}. "
                "Use a probe of this model."
            )
        along = direction.to(value.device, value.dtype)
        new = flat - (flat @ along - middle)[..., None] * along
        return new.reshape(value.shape)

    return tap
