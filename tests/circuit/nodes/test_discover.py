"""The verified search on sets whose measure is known in closed form."""

import pytest

from pellucid import Circuit, Node
from pellucid.circuit.nodes.discover import verified
from pellucid.results.passes import Passes

BLANK = Circuit(
    nodes=(), over="heads", method="verified", ablation="corrupted", target=1.0, estimates=(),
    sufficiency=None, comprehensiveness=None, minimal=False, drops=(), note="", budget=10_000,
    passes=Passes(),
)  # fmt: skip


class Needed:
    """The share of the first ``needed`` nodes that are kept: only all of them reach 1."""

    forwards_left = 10_000

    def __init__(self, n_nodes: int, needed: int):
        self.over = tuple(Node("head", 0, i) for i in range(n_nodes))
        self.needed = frozenset(self.over[:needed])

    def unknown(self, sets):
        return list(sets)

    def fraction(self, sets):
        return [len(kept & self.needed) / len(self.needed) for kept in sets]


def searched(n_nodes: int, needed: int) -> Circuit:
    measure = Needed(n_nodes, needed)
    estimates = {node: 1.0 / (1 + i) for i, node in enumerate(measure.over)}
    return verified(measure, BLANK, estimates)


@pytest.mark.parametrize(("n_nodes", "needed"), [(12, 8), (36, 9), (40, 10), (400, 100)])
def test_a_quarter_of_the_nodes_or_eight_is_a_circuit(n_nodes, needed):
    found = searched(n_nodes, needed)
    assert found.nodes == tuple(Node("head", 0, i) for i in range(needed))
    assert (found.refusal, found.minimal, found.sufficiency) == (None, True, 1)
    assert found.drops == pytest.approx([1 / needed] * needed)


@pytest.mark.parametrize(("n_nodes", "needed"), [(12, 9), (35, 9), (39, 10), (400, 101)])
def test_more_than_that_explains_nothing(n_nodes, needed):
    found = searched(n_nodes, needed)
    assert found.nodes == ()
    assert found.refusal.code == "target_not_reached"
    assert found.refusal.data == {"target": 1.0, "smallest": needed, "out_of": n_nodes}
