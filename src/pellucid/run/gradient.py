"""One forward and one backward: values at sites, and the metric's gradient there.

All gradients come from one ``torch.autograd.grad`` call on live tensors. The embedding output is
the leaf, parameters are frozen, so no parameter gradient is computed or left behind.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.errors import NonFiniteError, TaskError
from pellucid.model.model import Model
from pellucid.model.running.forward import Batch, forward, undisturbed
from pellucid.model.running.taps import Tap
from pellucid.model.sites import Site
from pellucid.run.paired_call import only_first_rows
from pellucid.run.sites import EMBED
from pellucid.task.encode import Encoded
from pellucid.task.metrics import Metric

Change = Callable[[Site, Tensor], Tensor]


@dataclass(frozen=True)
class Objective:
    """What is differentiated: a metric of the clean prompts of a question."""

    encoded: Encoded
    metric: Metric
    variants: int = 1
    """How often the rows hold the question."""


@dataclass(frozen=True)
class Gradients:
    """What one forward and one backward give."""

    values: dict[Site, Tensor]
    """What the model computed at each site, before any change; also where only observed."""
    gradients: dict[Site, Tensor]
    """The metric's gradient at each site, after the change; each row has its own."""
    metric: Float[Tensor, " example"]
    logits: Float[Tensor, "row read d_vocab"]


Beside: TypeAlias = tuple[dict[Site, Tensor], Float[Tensor, "row read d_vocab"]]
"""Values and logits on the prompts that rode along."""


class Watched:
    """Taps at sites, and what they saw: values, and the live tensors to differentiate by."""

    def __init__(self, sites: Sequence[Site], observed: Sequence[Site], change: Change | None):
        self.sites = list(dict.fromkeys(sites))
        self.kept = list(dict.fromkeys([*sites, *observed]))
        self.values: dict[Site, Tensor] = {}
        self.live: dict[Site, Tensor] = {}
        self._change = change

    def taps(self) -> dict[Site, Tap]:
        """The embedding is always one of them: it is the leaf."""
        live = dict.fromkeys([EMBED, *self.sites])
        taps: dict[Site, Tap] = {site: partial(self._see, site) for site in live}
        return taps | {site: partial(self._observe, site) for site in self.kept if site not in live}

    def _see(self, site: Site, value: Tensor) -> Tensor:
        if site == EMBED:
            value = value.detach().requires_grad_()
        self.values[site] = value.detach()
        # A copy, so that a model that adds in place cannot move what was recorded.
        self.live[site] = value.clone() if self._change is None else self._change(site, value)
        return self.live[site]

    def _observe(self, site: Site, value: Tensor) -> None:
        self.values[site] = value.detach().clone()


def differentiate(
    model: Model,
    objective: Objective,
    sites: Sequence[Site],
    *,
    observed: Sequence[Site] = (),
    change: Change | None = None,
) -> Gradients:
    """Run the clean prompts, changing each site's tensor by ``change`` first if given, and
    differentiate their metric.

    Sites ``observed`` give values without gradients.

    **Cost** 1 forward and 1 backward, for each variant of the objective.
    **Raises** ``NonFiniteError`` when the metric is not finite.
    """
    encoded, watched = objective.encoded, Watched(sites, observed, change)
    with undisturbed(model.module), torch.enable_grad():
        batch = Batch(
            tokens=encoded.clean.clone(),
            real=encoded.real,
            reads=encoded.reads,
            forwards=objective.variants,
        )
        logits = forward(model.module, model.anatomy, batch, taps=watched.taps())
        return _gradients(objective, logits, watched)


def differentiate_paired(
    model: Model,
    objective: Objective,
    sites: Sequence[Site],
    *,
    observed: Sequence[Site] = (),
    caches: list[Any] | None = None,
) -> tuple[Gradients, Beside]:
    """The clean prompts differentiated, with the corrupted ones riding in the same call.

    **Cost** 2 forwards and 1 backward, in 1 call.
    **Raises** ``NonFiniteError`` when the metric is not finite.
    """
    encoded, watched = objective.encoded, Watched(sites, observed, None)
    n = len(encoded.clean)
    with (
        undisturbed(model.module),
        torch.enable_grad(),
        only_first_rows(model.module, model.anatomy.unembed, n),
    ):
        batch = Batch(
            tokens=torch.cat([encoded.clean, encoded.corrupted]),
            real=encoded.real.repeat(2, 1),
            reads=encoded.reads.repeat(2, 1),
            forwards=2,
            backwards=1,
        )
        taps = watched.taps()
        logits = forward(model.module, model.anatomy, batch, taps=taps, caches=caches)
        found = _gradients(objective, logits[:n], watched)
    return found, ({s: watched.values[s][n:] for s in watched.kept}, logits.detach()[n:])


def _gradients(objective: Objective, logits: Tensor, watched: Watched) -> Gradients:
    """The metric of the first rows, as many as there are logits, differentiated."""
    n = len(logits)
    per_example = objective.metric(logits, objective.encoded)
    demand_finite(per_example, "metric")
    if not per_example.requires_grad:
        raise TaskError(
            "The metric does not depend on the logits in a differentiable way (an argmax, a "
            "comparison, or detached). Return a smooth function of the logits."
        )
    live = [watched.live[site] for site in watched.sites]
    gradients = torch.autograd.grad(per_example.sum(), live, allow_unused=True)
    return Gradients(
        values={site: watched.values[site][:n] for site in watched.kept},
        gradients={
            site: torch.zeros_like(watched.values[site][:n]) if gradient is None else gradient[:n]
            for site, gradient in zip(watched.sites, gradients, strict=True)
        },
        metric=per_example.detach(),
        logits=logits.detach(),
    )


def demand_finite(values: Tensor, what: str) -> None:
    """**Raises** ``NonFiniteError`` naming the first value that is not finite."""
    if not bool(values.isfinite().all()):
        bad = int((~values.isfinite()).sum())
        raise NonFiniteError(
            f"The {what} is not finite in {bad} of {values.numel()} values. The weights hold NaN "
            "or infinity, or the dtype overflows: load the model with dtype='float32' and try "
            "again."
        )
