"""Optimal ablation: what is cut gets the constants that hurt the circuit least.

Any fixed replacement (zero, mean) adds harm of its own, for what stays gets inputs that it never
saw. So each node's replacement is one constant vector, for all positions and examples, chosen to
bring the circuit's predictions as near to the whole model's as can be:

    argmin over constants of  mean KL(whole model || circuit with constants elsewhere)

(Li & Janson 2024, arXiv:2409.09951.) It starts from the mean and is found by Adam.
"""

import torch
from torch import Tensor

from pellucid.circuit.edges.sets import EdgeSet
from pellucid.model.sites import Site
from pellucid.run.ablation import replacements
from pellucid.run.edges.soft_cut import run_partly_cut
from pellucid.run.setup import Setup
from pellucid.run.sites import node_sites
from pellucid.task.metrics import KL

_STEPS = 50
_RATE = 0.03
"""Of each constant's typical size, a step."""


def optimal_constants(setup: Setup, kept: EdgeSet, *, steps: int = _STEPS) -> dict[Site, Tensor]:
    """A constant for each node, broadcastable to its site, with which cutting all but ``kept``
    moves the predictions least.

    **Cost** 1 forward and 1 backward a step.
    """
    model, trace = setup.model, setup.trace
    means = replacements(trace, "mean", node_sites(model))
    if not bool((model.anatomy.edges & ~kept).any()):
        return means
    shares = kept.to(model.device, model.dtype)
    divergence = KL(trace.logits_clean)
    best, least = means, float("inf")
    with torch.inference_mode(False), torch.enable_grad():
        # In units of its size each constant can be moved by the same rate.
        sizes = {s: v.square().mean().sqrt().clamp_min(1e-6) for s, v in means.items()}
        moved = {site: torch.zeros_like(value).requires_grad_() for site, value in means.items()}
        optimiser = torch.optim.Adam(list(moved.values()), lr=_RATE)
        for _ in range(steps):
            constants = {site: means[site] + sizes[site] * moved[site] for site in means}
            loss = run_partly_cut(setup, shares, constants, metric=divergence).mean()
            if float(loss.detach()) < least:
                best = {site: value.detach().clone() for site, value in constants.items()}
                least = float(loss.detach())
            found = torch.autograd.grad(loss, list(moved.values()), allow_unused=True)
            for value, gradient in zip(moved.values(), found, strict=True):
                value.grad = torch.zeros_like(value) if gradient is None else gradient
            optimiser.step()
    return best
