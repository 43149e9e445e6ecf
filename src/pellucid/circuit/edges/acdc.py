"""ACDC: cut every edge whose loss the output distribution does not feel. (Conmy et al. 2023)

1. Slots are visited from the logits downwards; of each slot, senders from the last computed to the
   first.
2. An edge stays cut if cutting it makes the distance KL(clean run || run) *rise* by less than tau
   above what it is with all edges cut so far.

Every decision depends on those before it, so in principle one run follows another. Here the run of
decisions is guessed: that the next edges will all be cut, which is what happens to nearly all. The
guesses are one batch; they are taken up to the first that turns out wrong, which gives the very
sets that one run after another would have given. After a wrong guess fewer decisions are guessed,
after a batch without one twice as many.

With every edge cut, KL is that of the corrupted run.
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from pellucid.circuit.edges.sets import EdgeSet
from pellucid.errors import BudgetError

GUESSED = 32
"""Decisions guessed at a time, at most."""


def acdc(
    edges: EdgeSet,
    distance: Callable[[list[EdgeSet]], Float[Tensor, " set"]],
    tau: float,
    *,
    guessed: int = GUESSED,
) -> tuple[EdgeSet, str]:
    """The edges kept, and a note when the budget ended first.

    ``distance`` gives the mean KL of the runs that keep each of the given sets.

    **Cost** one forward per edge, and for each edge that is kept those of the guesses behind it.
    """
    kept = edges.clone()
    waiting = [
        (sender, slot)
        for slot in reversed(range(edges.shape[1]))
        for sender in reversed(edges[:, slot].nonzero()[:, 0].tolist())
    ]
    present = float(distance([kept])[0])
    ahead = 1
    while waiting:
        batch = waiting[:ahead]
        guesses: list[EdgeSet] = []
        for sender, slot in batch:
            further = (guesses[-1] if guesses else kept).clone()
            further[sender, slot] = False
            guesses.append(further)
        try:
            found = distance(guesses).tolist()
        except BudgetError:
            return kept, f"the budget ended with {len(waiting)} edges not yet tried"
        taken, wrong = 0, False
        for guess, value in zip(guesses, found, strict=True):
            taken += 1
            if value - present >= tau:
                wrong = True
                break
            kept, present = guess, value
        ahead = taken if wrong else min(guessed, 2 * ahead)
        waiting = waiting[taken:]
    return kept, ""
