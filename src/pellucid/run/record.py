"""Recording a contrast once: two forwards and one backward, from which scores are computed.

1. The corrupted prompts run; values at the sites asked for are kept.
2. The clean prompts run with the embedding as the leaf; values are kept.
3. One backward gives the metric's gradient at the same sites.

Short prompts do 1 and 2 in one call (``paired_call.py``). A second point beside the clean prompt is
recorded where it is asked for (``mixture.py``).

When the model can continue from cached keys and values, the corrupted run also leaves those of
the prefix that both prompts share, so that later variants need not run it again.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.arguments import checks_kinds
from pellucid.errors import EditError
from pellucid.model.model import Model
from pellucid.model.running.changes import leaves_nothing
from pellucid.model.running.foreign import foreign_hooks
from pellucid.model.running.forward import Batch, Past, forward, undisturbed
from pellucid.model.running.prefix_cache import first_positions
from pellucid.model.sites import Site
from pellucid.options import METRIC
from pellucid.passes import metering
from pellucid.results.passes import Passes
from pellucid.run.gradient import (
    Objective,
    Together,
    demand_finite,
    differentiate,
    differentiate_together,
)
from pellucid.run.mixture import Mixture, changed_together, mixture_from, run_mixture
from pellucid.run.paired_call import ride_together
from pellucid.run.question import encode_contrast
from pellucid.run.sites import first_mlp, node_sites
from pellucid.task.contrast import Contrasts
from pellucid.task.encode import Encoded, Padding
from pellucid.task.metrics import KL, Metric, Nearness, logit_diff, logit_diff_per_token
from pellucid.task.metrics import metric as resolve_metric
from pellucid.task.noise import metric_noise


@dataclass(frozen=True, kw_only=True)
class Trace:
    """One recording of a contrast; every score is a tensor function of it.

    ``clean``, ``corrupted`` and ``gradient`` map a site to its tensor, rows first; ``gradient`` is
    that of each row's own metric on the clean run.
    """

    weights: str
    """Hash of the weights that were recorded."""
    encoded: Encoded
    metric: Metric
    clean: dict[Site, Tensor]
    corrupted: dict[Site, Tensor]
    gradient: dict[Site, Tensor]
    metric_clean: Float[Tensor, " example"]
    metric_corrupted: Float[Tensor, " example"]
    logits_clean: Float[Tensor, "row read d_vocab"]
    """Logits on the clean prompts at the positions that the metric reads."""
    logits_corrupted: Float[Tensor, "row read d_vocab"]
    passes: Passes
    past: Past | None = field(default=None, repr=False)
    """Keys and values of the shared prefix, if the model can continue from them."""
    mixture: Mixture | None = field(default=None, repr=False)
    """The second point, if it was recorded."""

    @property
    def objective(self) -> Objective:
        """The metric of the question, as what is differentiated."""
        return Objective(self.encoded, self.metric)

    @property
    def difference(self) -> Float[Tensor, " example"]:
        """Metric on the clean minus metric on the corrupted prompt."""
        return self.metric_clean - self.metric_corrupted

    @property
    def preference(self) -> Float[Tensor, " example"]:
        """Log-probability of answer minus foil on the clean prompt, whatever the metric.

        A token, where the metric is one by token.
        """
        compare = logit_diff_per_token if self.metric is logit_diff_per_token else logit_diff
        return compare(self.logits_clean, self.encoded)

    @cached_property
    def noise(self) -> float:
        """Largest difference of the metric's mean between two runs that rounding explains."""
        return self.noise_of(self.metric)

    def noise_of(self, metric: Metric) -> float:
        """``noise`` in the unit of another metric of the same logits."""
        held = [self.logits_clean, *self.clean.values()]
        stored = max({tensor.dtype for tensor in held}, key=lambda dtype: torch.finfo(dtype).eps)
        return metric_noise(
            metric, self.encoded, (self.logits_clean, self.logits_corrupted), stored
        )


@checks_kinds
@leaves_nothing
def record(
    model: Model,
    contrast: Contrasts,
    *,
    metric: str | Metric = METRIC,
    sites: Iterable[Site] | None = None,
    observed: Iterable[Site] = (),
    padding: Padding = "right",
    mixture: bool = False,
) -> Trace:
    """Values on both prompts and gradients on the clean one, at ``sites`` (default: all nodes).

    At sites ``observed`` values are kept, and no gradients. ``mixture`` records the second point
    that ``attribute`` needs for its default, at all nodes and ``sites``.

    **Cost** 2 forwards, 1 backward, whatever the number of sites (``metric="kl"`` one forward more,
    for its reference; ``mixture`` 2 forwards and 1 backward more); memory for the sites asked for.
    **Raises** ``TaskError`` for a question that is not well posed, ``NonFiniteError`` when the
    model returns NaN, ``EditError`` for no site, and for one that the model does not have.
    """
    encoded = encode_contrast(model, contrast, padding=padding)
    wanted = node_sites(model) if sites is None else list(dict.fromkeys(sites))
    if not wanted:
        raise EditError(
            "sites=[] names no site to record. Name one, or leave it out for all nodes."
        )
    if mixture:
        wanted = list(dict.fromkeys([*wanted, *node_sites(model)]))
    with metering() as meter:
        measure = _nearness(model, encoded) if metric == "kl" else resolve_metric(metric)
        found = _recorded(model, Objective(encoded, measure), wanted, list(observed), mixture)
        demand_finite(found.metric_corrupted, "metric on the corrupted prompt")
    return replace(found, passes=meter.passes)


def record_alone(
    model: Model, encoded: Encoded, *, metric: str | Metric, sites: Sequence[Site]
) -> Trace:
    """Values of a prompt that is compared with no other (``encode_plain``), and no gradients.

    **Cost** 1 forward.
    **Raises** ``NonFiniteError`` when the metric is not finite.
    """
    measure = resolve_metric(metric)
    with metering() as meter:
        values, logits, _ = run_corrupted(model, encoded, sites)
    found = measure(logits, encoded)
    demand_finite(found, "metric on the prompt")
    return Trace(
        weights=model.weight_hash,
        encoded=encoded,
        metric=measure,
        clean=values,
        corrupted=values,
        gradient={},
        metric_clean=found,
        metric_corrupted=found,
        logits_clean=logits,
        logits_corrupted=logits,
        passes=meter.passes,
    )


def _recorded(
    model: Model,
    objective: Objective,
    sites: Sequence[Site],
    observed: Sequence[Site],
    mixture: bool,
) -> Trace:
    encoded, second = objective.encoded, None
    groups = [encoded.clean, encoded.corrupted]
    if mixture:
        without = [] if first_mlp(model) is None else [encoded.clean]
        groups = [encoded.clean, encoded.clean, encoded.corrupted, *without]
    if ride_together(encoded.clean, len(groups)):
        caches: list[Any] | None = [] if _shares(model, encoded) else None
        (found, *at_mixture), ((values, logits), *beside) = differentiate_together(
            model,
            objective,
            sites,
            Together(groups, 2, changed_together(model)) if mixture else Together(groups),
            observed=observed,
            caches=caches,
        )
        past = _shared_past(encoded, caches)
        if mixture:
            second = mixture_from(at_mixture[0], beside, objective)
    else:
        every = list(dict.fromkeys([*sites, *observed]))
        values, logits, past = run_corrupted(model, encoded, every)
        found = differentiate(model, objective, sites, observed=observed)
        if mixture:
            second = run_mixture(model, objective, values)
    return Trace(
        weights=model.weight_hash,
        encoded=encoded,
        metric=objective.metric,
        clean=found.values,
        corrupted=values,
        gradient=found.gradients,
        metric_clean=found.metric,
        metric_corrupted=objective.metric(logits, encoded),
        logits_clean=found.logits,
        logits_corrupted=logits,
        passes=Passes(),
        past=past,
        mixture=second,
    )


def _nearness(model: Model, encoded: Encoded) -> Metric:
    """Minus the KL divergence from the clean run: 0 there, lower further away.

    Its gradient on the clean run is zero, so only integrated methods can attribute it.

    **Cost** 1 forward.
    """
    with undisturbed(model.module), torch.no_grad():
        reference = forward(
            model.module,
            model.anatomy,
            Batch(tokens=encoded.clean.clone(), real=encoded.real, reads=encoded.reads),
        )
    return Nearness(KL(reference))


def run_corrupted(
    model: Model, encoded: Encoded, sites: Iterable[Site]
) -> tuple[dict[Site, Tensor], Float[Tensor, "row read d_vocab"], Past | None]:
    """Values at ``sites`` on the corrupted prompts, their logits, and the shared prefix.

    **Cost** 1 forward.
    """
    seen: dict[Site, Tensor] = {}

    def reader(site: Site) -> Callable[[Tensor], None]:
        def read(value: Tensor) -> None:
            seen[site] = value.clone()

        return read

    caches: list[Any] | None = [] if _shares(model, encoded) else None
    with undisturbed(model.module), torch.no_grad():
        logits = forward(
            model.module,
            model.anatomy,
            Batch(tokens=encoded.corrupted.clone(), real=encoded.real, reads=encoded.reads),
            taps={site: reader(site) for site in sites},
            caches=caches,
        )
    return seen, logits, _shared_past(encoded, caches)


def _shares(model: Model, encoded: Encoded) -> bool:
    return (
        model.check.can_share_prefix
        and encoded.first_difference > 0
        and not foreign_hooks(model.module)
    )


def _shared_past(encoded: Encoded, caches: list[Any] | None) -> Past | None:
    if not caches:
        return None
    rows, length = encoded.clean.shape
    return first_positions(caches[0], rows, encoded.first_difference, length)
