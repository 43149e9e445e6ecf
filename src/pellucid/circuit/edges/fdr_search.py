"""The size of a circuit chosen by itself, each choice by another kind of evidence.

1. *Proposed.* On two thirds of the examples, each edge's scores are tested by flipping signs; those
   that Benjamini & Hochberg (1995) keep at a false discovery rate of 5 % are proposed.
2. *Ranked.* In the order of their mean score there, the smallest prefix whose sufficiency on the
   held-out third reaches the target is taken.
3. *Connected.* What lies on no path from the embedding to the logits is left out.
4. *Pruned.* Edge by edge whatever can go without missing the target on the choosing examples goes,
   until nothing can.

Where the proposed edges miss the target all together, the share of what they keep becomes the
target, and the note says so. What is reported at the end is measured on the held-out examples,
which chose the size but neither an edge nor an order.
"""

import torch
from jaxtyping import Bool, Float
from scipy.stats import false_discovery_control
from torch import Tensor

from pellucid.attribution.edges.scores import EdgeScores
from pellucid.circuit.edges.measure import EdgeMeasure
from pellucid.circuit.edges.outcome import SearchOutcome, halves, steps_of
from pellucid.circuit.edges.search import prune_edges, smallest_size
from pellucid.circuit.edges.sets import EdgeSet, connected, top
from pellucid.errors import TaskError
from pellucid.results.refusal import Refusal
from pellucid.stats.signflip import sign_flip_each

_RATE = 0.05
_FEWEST = 12
"""With eight examples to choose from, an edge's p-value can be as small as 1/128."""


def demand_examples(n_examples: int) -> None:
    """**Raises** ``TaskError`` when there are too few examples to choose from and to hold out."""
    if n_examples < _FEWEST:
        raise TaskError(
            f"method='automatic' tests every edge over examples and holds a third of them out; "
            f"{n_examples} are too few. Give a ContrastBatch of at least {_FEWEST}, better 30."
        )


def automatic(
    measure: EdgeMeasure, scores: EdgeScores, target: float, *, seed: int = 0
) -> SearchOutcome:
    """Steps 1 to 4 of the module's note.

    **Cost** forwards for the sizes and for pruning, as the budget of ``measure`` allows.
    """
    anatomy = measure.setup.model.anatomy
    choosing, held_out = halves(len(scores.scale), seed)
    mean, p = tested(scores, choosing)
    proposed = discoveries(p, anatomy.edges)
    n = int(proposed.sum())
    if n == 0:
        least = 2.0 ** (1 - len(choosing))
        edges, examples = int(anatomy.edges.sum()), len(choosing)
        refusal = Refusal(
            code="no_edge_beyond_chance",
            text=f"no edge is beyond chance at a false discovery rate of {_RATE:.0%}; with "
            f"{examples} examples to choose from, p can be as small as {least:.1g} and has to "
            f"pass among {edges} edges: more examples can find more",
            data={"rate": _RATE, "examples": examples, "edges": edges, "least_p": least},
        )
        return SearchOutcome.refused(measure.none, refusal)
    ranking = mean.masked_fill(~proposed, 0.0)

    def first(size: int) -> EdgeSet:
        return top(anatomy, ranking, size)

    whole = measure.fraction([connected(anatomy, proposed)], held_out)[0]
    goal, said = target, ""
    if whole < target:
        goal = target * max(whole, 0.0)
        said = (
            f"the {n} edges beyond chance keep {whole:.0%} together, less than the target of "
            f"{target:.0%}; the circuit keeps {target:.0%} of that"
        )
    size, note = smallest_size(measure, first, n, goal, held_out)
    if size is None or whole <= 0:
        return SearchOutcome.unreached(measure.none, said or note, goal)
    start = first(size)
    kept, unfinished = prune_edges(measure, start, ranking, goal, choosing)
    steps = steps_of(
        measure, {"proposed": proposed, "ranked": _prefix(ranking, size), "connected": start,
                  "pruned": kept}, held_out,
    )  # fmt: skip
    notes = "; ".join(filter(None, (said, note, unfinished)))
    return SearchOutcome(kept, notes, minimal=not unfinished, steps=steps)


def tested(
    scores: EdgeScores, examples: Tensor
) -> tuple[Float[Tensor, "sender slot"], Float[Tensor, "sender slot"]]:
    """Mean and two-sided p-value of symmetry of every edge over ``examples``; 0 and 1 elsewhere."""
    values = scores.per_example[examples]
    p = torch.ones(scores.exists.shape, dtype=torch.float64)
    p[scores.exists] = torch.from_numpy(sign_flip_each(values[:, scores.exists].double().numpy()))
    return values.mean(0), p


def discoveries(
    p: Float[Tensor, "sender slot"], exists: Bool[Tensor, "sender slot"], rate: float = _RATE
) -> EdgeSet:
    """Edges that Benjamini and Hochberg keep at a false discovery rate."""
    found = torch.zeros_like(exists)
    adjusted = false_discovery_control(p[exists].numpy(), method="bh")
    found[exists] = torch.from_numpy(adjusted) <= rate
    return found


def _prefix(ranking: Float[Tensor, "sender slot"], size: int) -> EdgeSet:
    kept = torch.zeros_like(ranking, dtype=torch.bool)
    kept.view(-1)[ranking.abs().flatten().argsort(descending=True, stable=True)[:size]] = True
    return kept
