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
from pellucid.shapes import Tokens
from pellucid.task.encode import Encoded
from pellucid.task.metrics import Metric

Change = Callable[[Site, Tensor], Tensor]
ChangeTogether: TypeAlias = Callable[[Site, Sequence[Tensor]], list[Tensor]]
"""What each group of rows goes on with at a site, given what every group computed there."""


@dataclass(frozen=True)
class Objective:
    """What is differentiated: a metric of the clean prompts of a question."""

    encoded: Encoded
    metric: Metric
    variants: int = 1
    """How often the rows hold the question."""


@dataclass(frozen=True)
class Together:
    """Groups of prompts that run in one call, each with the rows of the question."""

    groups: Sequence[Tokens]
    differentiated: int = 1
    """How many of them, the first ones."""
    change: ChangeTogether | None = None


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
        (found,) = _gradients(objective, [logits], watched)
        return found


def differentiate_together(
    model: Model,
    objective: Objective,
    sites: Sequence[Site],
    together: Together,
    *,
    observed: Sequence[Site] = (),
    caches: list[Any] | None = None,
) -> tuple[list[Gradients], list[Beside]]:
    """Several groups of prompts in one call: the first are differentiated, the others ride.

    **Cost** 1 forward a group, 1 backward for each that is differentiated, in 1 call.
    **Raises** ``NonFiniteError`` when the metric is not finite.
    """
    encoded, change = objective.encoded, together.change
    n, k, differentiated = len(encoded.clean), len(together.groups), together.differentiated

    def changed(site: Site, value: Tensor) -> Tensor:
        return value.clone() if change is None else torch.cat(change(site, value.chunk(k)))

    watched = Watched(sites, observed, changed)
    with (
        undisturbed(model.module),
        torch.enable_grad(),
        only_first_rows(model.module, model.anatomy.unembed, differentiated * n, of=k * n),
    ):
        batch = Batch(
            tokens=torch.cat(list(together.groups)),
            real=encoded.real.repeat(k, 1),
            reads=encoded.reads.repeat(k, 1),
            forwards=k,
            backwards=differentiated,
        )
        logits = forward(model.module, model.anatomy, batch, taps=watched.taps(), caches=caches)
        found = _gradients(objective, logits[: differentiated * n].split(n), watched)
    beside = [
        (
            {s: watched.values[s][i * n : (i + 1) * n] for s in watched.kept},
            logits.detach()[i * n : (i + 1) * n],
        )
        for i in range(differentiated, k)
    ]
    return found, beside


def _gradients(objective: Objective, logits: Sequence[Tensor], watched: Watched) -> list[Gradients]:
    """The metric of the first groups of rows, as many as there are logits, differentiated."""
    per_group = [objective.metric(part, objective.encoded) for part in logits]
    for per_example in per_group:
        demand_finite(per_example, "metric")
    if not all(per_example.requires_grad for per_example in per_group):
        raise TaskError(
            "The metric does not depend on the logits in a differentiable way (an argmax, a "
            "comparison, or detached). Return a smooth function of the logits."
        )
    live = [watched.live[site] for site in watched.sites]
    whole = torch.stack([per_example.sum() for per_example in per_group]).sum()
    gradients = torch.autograd.grad(whole, live, allow_unused=True)
    found = []
    for i, (part, per_example) in enumerate(zip(logits, per_group, strict=True)):
        rows = slice(i * len(part), (i + 1) * len(part))
        found.append(
            Gradients(
                values={site: watched.values[site][rows] for site in watched.kept},
                gradients={
                    site: torch.zeros_like(watched.values[site][rows])
                    if gradient is None
                    else gradient[rows]
                    for site, gradient in zip(watched.sites, gradients, strict=True)
                },
                metric=per_example.detach(),
                logits=part.detach(),
            )
        )
    return found


def demand_finite(values: Tensor, what: str) -> None:
    """**Raises** ``NonFiniteError`` naming the first value that is not finite."""
    if not bool(values.isfinite().all()):
        bad = int((~values.isfinite()).sum())
        raise NonFiniteError(
            f"The {what} is not finite in {bad} of {values.numel()} values. The weights hold NaN "
            "or infinity, or the dtype overflows: load the model with dtype='float32' and try "
            "again."
        )
