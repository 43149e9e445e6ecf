"""One forward and one backward: values at sites, and the metric's gradient there.

All gradients come from one ``torch.autograd.grad`` call on live tensors. The embedding output is
the leaf, parameters are frozen, so no parameter gradient is computed or left behind.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.errors import NonFiniteError, TaskError
from pellucid.model.model import Model
from pellucid.model.running.forward import forward, undisturbed
from pellucid.model.running.taps import Tap
from pellucid.model.sites import Site
from pellucid.passes import count
from pellucid.run.paired_call import only_first_rows
from pellucid.run.sites import EMBED
from pellucid.shapes import Tokens
from pellucid.task.encode import Encoded
from pellucid.task.metrics import Metric

Change = Callable[[Site, Tensor], Tensor]


@dataclass(frozen=True)
class Gradients:
    """What one forward and one backward give."""

    values: dict[Site, Tensor]
    """What the model computed at each site, before any change; also where only observed."""
    gradients: dict[Site, Tensor]
    """The metric's gradient at each site, after the change; each row has its own."""
    metric: Float[Tensor, " example"]
    logits: Float[Tensor, "row read d_vocab"]
    beside: dict[Site, Tensor]
    """Values on the prompts that rode along; empty if there were none."""
    logits_beside: Float[Tensor, "row read d_vocab"] | None


def differentiate(
    model: Model,
    encoded: Encoded,
    tokens: Tokens,
    metric: Metric,
    sites: Sequence[Site],
    *,
    observed: Sequence[Site] = (),
    change: Change | None = None,
    beside: Tokens | None = None,
    caches: list[Any] | None = None,
) -> Gradients:
    """Run ``tokens``, changing each site's tensor by ``change`` first if given, and differentiate.

    Sites ``observed`` give values without gradients. Prompts ``beside`` ride in the same call and
    are not differentiated.

    **Cost** 1 forward (2 with ``beside``), 1 backward.
    **Raises** ``NonFiniteError`` when the metric is not finite.
    """
    n = len(tokens)
    values: dict[Site, Tensor] = {}
    live: dict[Site, Tensor] = {}

    def tap_for(site: Site) -> Callable[[Tensor], Tensor]:
        def tap(value: Tensor) -> Tensor:
            if site == EMBED:
                value = value.detach().requires_grad_()
            values[site] = value.detach()
            # A copy, so that a model that adds in place cannot move what was recorded.
            live[site] = value.clone() if change is None else change(site, value)
            return live[site]

        return tap

    def observer_for(site: Site) -> Callable[[Tensor], None]:
        def tap(value: Tensor) -> None:
            values[site] = value.detach().clone()

        return tap

    wanted = list(dict.fromkeys(sites))
    taps: dict[Site, Tap] = {site: tap_for(site) for site in dict.fromkeys([EMBED, *wanted])}
    taps |= {site: observer_for(site) for site in observed if site not in taps}
    times = 1 if beside is None else 2
    with undisturbed(model.module), torch.enable_grad(), ExitStack() as stack:
        if beside is not None:
            stack.enter_context(only_first_rows(model.module, model.anatomy.unembed, n))
        logits = forward(
            model.module,
            model.anatomy,
            tokens.clone() if beside is None else torch.cat([tokens, beside]),
            real=encoded.real.repeat(times, 1),
            reads=encoded.reads.repeat(times, 1),
            taps=taps,
            caches=caches,
        )
        per_example = metric(logits[:n], encoded)
        demand_finite(per_example, "metric")
        if not per_example.requires_grad:
            raise TaskError(
                "The metric does not depend on the logits in a differentiable way (an argmax, a "
                "comparison, or detached). Return a smooth function of the logits."
            )
        gradients = torch.autograd.grad(
            per_example.sum(), [live[s] for s in wanted], allow_unused=True
        )
        logits = logits.detach()
    count(forwards=times, backwards=1, calls=1)
    kept = list(dict.fromkeys([*wanted, *observed]))
    return Gradients(
        values={site: values[site][:n] for site in kept},
        gradients={
            site: torch.zeros_like(values[site][:n]) if gradient is None else gradient[:n]
            for site, gradient in zip(wanted, gradients, strict=True)
        },
        metric=per_example.detach(),
        logits=logits[:n],
        beside={site: values[site][n:] for site in kept} if beside is not None else {},
        logits_beside=logits[n:] if beside is not None else None,
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
