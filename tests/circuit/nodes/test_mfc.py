"""The minimum faithful circuit, step by step on numbers made by hand."""

from types import SimpleNamespace

import pytest
import torch

from pellucid import Node, Passes
from pellucid.circuit.nodes.circuit import Circuit
from pellucid.circuit.nodes.discover import minimum_faithful

SCORES = {Node("head", 0, head): score for head, score in enumerate((1.0, 4.0, 2.0, -3.0, 1.5))}


def found(
    clean: float, corrupted: float, target: float, needed: set[int] | None
) -> tuple[str, ...]:
    """Where comprehensiveness is 1 of sets that hold all of ``needed``, else 0; 0 for None."""
    trace = SimpleNamespace(
        metric_clean=torch.tensor([clean]), metric_corrupted=torch.tensor([corrupted])
    )
    measure = SimpleNamespace(
        setup=SimpleNamespace(trace=trace),
        noise=0.0,
        over=tuple(SCORES),
        forwards_left=100,
        comprehensiveness=lambda sets: [
            float(needed is not None and needed <= {node.head for node in one}) for one in sets
        ],
    )
    blank = Circuit(
        nodes=(), over="heads", method="mfc", ablation="corrupted", target=target, estimates=(),
        sufficiency=None, comprehensiveness=None, minimal=False, drops=(), note="", budget=100,
        passes=Passes(),
    )  # fmt: skip
    return minimum_faithful(measure, blank, SCORES).names


@pytest.mark.parametrize(
    ("corrupted", "target", "added"),
    [
        (0.0, 0.5, [1, 2]),  # (0 + 4) / 10 is below 0.5, (0 + 4 + 2) / 10 is not
        (0.0, 0.4, [1]),
        (3.0, 0.5, [1]),  # 3 + 4 reach it at once
        (-3.0, 0.4, [1, 2, 4]),  # -3 + 4 + 2 + 1.5
        (-3.0, 0.9, [0, 1, 2, 4]),  # never reached: all that support it, and no opponent
    ],
)
def test_nodes_are_added_by_estimate_until_it_reaches_the_target(corrupted, target, added):
    names = tuple(f"L0H{head}" for head in added)
    assert found(10.0, corrupted, target, needed=None) == names


def test_what_comprehensiveness_does_not_need_is_dropped_last_added_first():
    assert found(10.0, -3.0, 0.4, needed={2}) == ("L0H2",)
    assert found(10.0, -3.0, 0.4, needed={1, 4}) == ("L0H1", "L0H4")
