"""A ranking of the edges learned so that every prefix of it is a good circuit.

After Matryoshka attribution. Each edge has a score; a budget k makes a mask of it,

    kept = sigmoid((score - t_k) / temperature),    t_k between the k-th and the next score

and each step draws k anew, log-uniformly from 1 to all edges, so that one ranking has to serve all
sizes. The loss is the distance of the metric with that mask from the whole model's, in units of
what the corruption takes away:

    mean over examples of |m(all) - m(kept)| / |mean of m(all) - m(none)|

Scores start from mask-IG's, as standard normal quantiles of their ranks, and are moved by Adam.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.run.edges.soft_cut import run_partly_cut
from pellucid.run.setup import Setup

LEARNING_STEPS = 60
_RATE = 0.05
TEMPERATURE = 0.1
"""In units of the scores' spread at the start."""


def learned_ranking(
    setup: Setup, start: Float[Tensor, "sender slot"], *, steps: int = LEARNING_STEPS
) -> Float[Tensor, "sender slot"]:
    """Positive scores, the edge to keep first largest; 0 where there is no edge.

    **Cost** 1 forward and 1 backward a step; a forward in which every edge is cut in part, so
    several times as long as a plain one.
    """
    model, trace = setup.model, setup.trace
    exists, values = model.anatomy.edges, setup.values()
    scores = quantiles_of_ranks(start[exists].abs()).to(model.device).requires_grad_()
    optimiser = torch.optim.Adam([scores], lr=_RATE)
    generator = torch.Generator().manual_seed(setup.seed)
    scale = trace.difference.mean().abs().clamp_min(1e-9)
    with torch.inference_mode(False), torch.enable_grad():
        for _ in range(steps):
            budget = drawn_budget(len(scores), generator)
            kept = scores.new_zeros(exists.shape).masked_scatter(
                exists.to(scores.device), soft_top(scores, budget)
            )
            metric = run_partly_cut(setup, kept.to(model.dtype), values)
            loss = (trace.metric_clean - metric).abs().mean() / scale
            (scores.grad,) = torch.autograd.grad(loss, [scores])
            optimiser.step()
    learned = torch.zeros(exists.shape, dtype=torch.float32)
    learned[exists] = (scores.detach() - scores.detach().min() + 1e-3).cpu().float()
    return learned


def soft_top(scores: Float[Tensor, " edge"], budget: int) -> Float[Tensor, " edge"]:
    """Nearly 1 for the ``budget`` largest scores and nearly 0 for the others."""
    order = scores.detach().sort(descending=True).values
    after = order[budget] if budget < len(order) else order[-1] - 10 * TEMPERATURE
    return ((scores - (order[budget - 1] + after) / 2) / TEMPERATURE).sigmoid()


def drawn_budget(n_edges: int, generator: torch.Generator) -> int:
    """From 1 to all edges, each size on the logarithmic axis as likely."""
    drawn = float(torch.rand((), generator=generator, dtype=torch.float32))
    return max(1, min(n_edges, round(math.exp(drawn * math.log(n_edges)))))


def quantiles_of_ranks(values: Float[Tensor, " edge"]) -> Float[Tensor, " edge"]:
    """Standard normal quantiles in the order of ``values``."""
    ranks = values.argsort(stable=True).argsort(stable=True).double()
    uniform = (ranks + 0.5) / len(values)
    return (math.sqrt(2) * torch.erfinv(2 * uniform - 1)).float()
