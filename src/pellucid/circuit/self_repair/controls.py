"""Step 3 of ``backups.py``: whether a growth is more than replacing other parts brings about.

Whatever is replaced, something grows: the model is curved. So random sets are replaced too, each
node of the circuit exchanged for one of its kind nearby (``random_nearby``), and of each set the
largest estimated growth of any node outside the circuit is taken (what the circuit's own do more
without a backup of theirs is no chance: it is the same interaction). How much grows depends on how
much is disturbed, and a circuit is chosen because it does much. Therefore the growth of a set that
moves what the final norm reads (root mean square where logits are read) less than the circuit does
is scaled up to the circuit's size, at most ``FURTHEST`` times: no straight line holds for ever.

All ablations are one comparison: growths are divided by their mean over all sets, the circuit among
them, and of each set the largest over ablations is taken. What is found grew more than in all but
one in twenty of the sets, the circuit counted: more than in all of 19, in all but four of 99. So
often is something found, over all nodes and ablations together, where a circuit is nothing special.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor

from pellucid.circuit.nodes.claim import CHANCE
from pellucid.circuit.nodes.measure import Nodes
from pellucid.circuit.self_repair.result import Growth
from pellucid.circuit.self_repair.search import BUDGET_ENDED, Round, Search, sets_per_call
from pellucid.errors import BudgetError
from pellucid.model.random_sets import random_nearby

FURTHEST = 10.0


@dataclass(frozen=True)
class Compared:
    """Growths held against random sets."""

    growths: tuple[Growth, ...]
    """With ``by_chance`` and ``found`` filled in where they were compared."""
    sets: int = 0
    """Random sets that were replaced in the first round."""
    p: float | None = None
    """Share of the sets of the first round, the circuit among them, in which as much grows."""


@dataclass(frozen=True)
class _Place:
    """One round under one ablation."""

    search: Search
    round: Round
    intact: Float[Tensor, "row read d_model"]

    def drawn(self, count: int, seed: int) -> list[Nodes]:
        """Random sets like what was replaced; the same under every ablation that replaced it."""
        pool = [node for node in self.search.nodes if node not in self.round.replaced]
        return random_nearby(self.round.replaced, pool, random.Random(seed), count=count)

    def largest(self, sets: Sequence[Nodes]) -> list[float]:
        """The largest growth with each set replaced, at the circuit's size of disturbance."""
        before, own = self.search.before, _moved(self.round.stream, self.intact)
        others = [node for node in self.search.nodes if node not in self.round.replaced]
        found = []
        for one, look in zip(sets, self.search.looks(sets), strict=True):
            grown = [look.estimates[node] - before[node] for node in others if node not in one]
            moved = _moved(look.stream, self.intact)
            scale = own / moved if moved else FURTHEST
            found.append(max([0.0, *grown]) * min(max(1.0, scale), FURTHEST))
        return found


def compared(
    searches: Sequence[Search], growths: Sequence[Growth], controls: int, seed: int
) -> Compared:
    """The ``growths`` that were measured beside those of ``controls`` random sets.

    A round after the first is compared only if something was found in the one before it.

    **Cost** 1 forward and 1 backward for each set under each ablation, and once more of each; fewer
    sets where it is clear that nothing is found. Nothing is found where the budget ends.
    """
    found = Compared(tuple(growths))
    if not controls or not any(growth.grew for growth in growths):
        return found
    try:
        (intact,) = searches[0].looks([frozenset()])
        for number in range(1, 1 + max(len(search.rounds) for search in searches)):
            places = [
                _Place(search, search.rounds[number - 1], intact.stream)
                for search in searches
                if len(search.rounds) >= number
            ]
            found = _with_round(found, number, places, controls, seed)
            if not any(growth.found for growth in found.growths if growth.round == number):
                break
    except BudgetError:
        for search in searches:
            search.note = search.note or BUDGET_ENDED
        return Compared(tuple(growths))
    return found


def _with_round(
    found: Compared, number: int, places: Sequence[_Place], controls: int, seed: int
) -> Compared:
    """What was found, with the growths of one round judged."""
    grew = [growth for growth in found.growths if growth.round == number and growth.grew]
    drawn = [place.drawn(controls, seed) for place in places]
    count, step = min(map(len, drawn)), sets_per_call(places[0].search.setup)
    allowed = max(1, int(CHANCE * (count + 1)))
    seen = [[max(0.0, place.round.largest)] for place in places]
    limits: dict[str, float] = {}
    for begin in range(0, count, step):
        for place, sets, largest in zip(places, drawn, seen, strict=True):
            largest += place.largest(sets[begin : min(begin + step, count)])
        values, p = _limits(seen, allowed)
        limits = {place.search.ablation: one for place, one in zip(places, values, strict=True)}
        if not any(growth.estimate > limits[growth.ablation] for growth in grew):
            break
    if not limits:
        return found
    judged = tuple(
        replace(g, by_chance=limits[g.ablation], found=g.estimate > limits[g.ablation])
        if g.round == number and g.grew
        else g
        for g in found.growths
    )
    if number > 1:
        return replace(found, growths=judged)
    return Compared(growths=judged, sets=len(seen[0]) - 1, p=p)


def _limits(seen: Sequence[Sequence[float]], allowed: int) -> tuple[list[float], float]:
    """What a growth must exceed under each ablation; and the share of sets that do as much.

    ``seen`` has under each ablation the circuit's own largest growth first, then those of the sets,
    of which one less than ``allowed`` may do more than a backup.
    """
    means = [sum(values) / len(values) for values in seen]
    own, *others = (
        max(value / mean if mean else 0.0 for value, mean in zip(of_set, means, strict=True))
        for of_set in zip(*seen, strict=True)
    )
    p = (1 + sum(other >= own for other in others)) / (1 + len(others))
    most = sorted(others, reverse=True)[min(allowed, len(others)) - 1]
    return [most * mean for mean in means], p


def _moved(stream: Float[Tensor, "row read d"], intact: Float[Tensor, "row read d"]) -> float:
    """Root mean square of the change of a stream."""
    return float((stream - intact).double().square().sum(-1).mean().sqrt())
