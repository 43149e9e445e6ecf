"""Random sets match in what their rule names, and in nothing else."""

import random
from collections import Counter

import pytest
import torch

from pellucid.circuit.edges.sets import connected, top
from pellucid.circuit.nodes.circuit import replaceable, resolve_nodes
from pellucid.model.random_sets import (
    random_connected,
    random_edges,
    random_nearby,
    random_nodes,
)

COUNTED = {
    "size": lambda node: None,
    "kinds": lambda node: node.kind,
    "layers": lambda node: (node.kind, node.layer),
}


@pytest.mark.parametrize("rule", COUNTED)
def test_random_nodes_match_by_their_rule(one_tiny, rule):
    pool, rng = replaceable(one_tiny, "heads+mlps"), random.Random(0)
    like = frozenset(resolve_nodes(one_tiny, ["L0H1", "L0H2", "L2H3", "M1"]))
    drawn = [random_nodes(like, pool, rng, matched=rule) for _ in range(40)]
    wanted = Counter(map(COUNTED[rule], like))
    assert all(Counter(map(COUNTED[rule], one)) == wanted for one in drawn)
    assert len(set(drawn)) > 1
    assert frozenset().union(*drawn) > like
    again = random.Random(0)
    assert drawn == [random_nodes(like, pool, again, matched=rule) for _ in range(40)]


def test_the_rules_differ(one_tiny):
    pool, rng = replaceable(one_tiny, "heads+mlps"), random.Random(0)
    like = frozenset(resolve_nodes(one_tiny, ["L0H1", "L0H2", "M1"]))
    by_size = [random_nodes(like, pool, rng, matched="size") for _ in range(40)]
    by_kind = [random_nodes(like, pool, rng, matched="kinds") for _ in range(40)]
    assert len({Counter(node.kind for node in one)["mlp"] for one in by_size}) > 1
    assert len({tuple(sorted(str(node.layer) for node in one)) for one in by_kind}) > 1


def test_a_pool_with_too_few_gives_what_it_has(one_tiny):
    like = frozenset(resolve_nodes(one_tiny, ["M0", "M1", "L0H0"]))
    pool = resolve_nodes(one_tiny, ["M2", "L1H1", "L1H2"])
    drawn = random_nodes(like, pool, random.Random(0), matched="kinds")
    assert Counter(node.kind for node in drawn) == {"mlp": 1, "head": 1}


def test_nearby_sets_differ_and_stay_as_near_as_the_model_allows(one_tiny):
    pool = [node for node in replaceable(one_tiny, "heads+mlps") if node.name not in ("L1H0", "M1")]
    one = frozenset(resolve_nodes(one_tiny, ["L1H0"]))
    drawn = random_nearby(one, pool, random.Random(0), count=5)
    assert len(set(drawn)) == len(drawn) == 5
    assert {node.kind for only in drawn for node in only} == {"head"}
    # Eleven heads are left, and no more sets than that.
    assert len(random_nearby(one, pool, random.Random(0), count=99)) == 11
    both = frozenset(resolve_nodes(one_tiny, ["L1H0", "M1"]))
    for pair in random_nearby(both, pool, random.Random(0), count=5):
        assert Counter(node.kind for node in pair) == {"head": 1, "mlp": 1}
    # Three other heads beside each of three: 27 ordered choices are enough for one set.
    three = frozenset(resolve_nodes(one_tiny, ["L0H0", "L1H0", "L2H0"]))
    (near,) = random_nearby(three, pool, random.Random(0), count=1)
    assert sorted(node.layer for node in near) == [0, 1, 2]


def test_connected_edges_are_as_many_as_those_of_the_circuit(one_tiny):
    anatomy, generator = one_tiny.anatomy, torch.Generator().manual_seed(5)
    kept = top(anatomy, torch.rand(anatomy.edges.shape, generator=generator), 30)
    drawn = random_edges(kept, anatomy, generator, matched="connected")
    assert int(drawn.sum()) == int(kept.sum())
    assert torch.equal(drawn, connected(anatomy, drawn))


def test_random_circuits_have_the_shape_they_promise(one_tiny):
    anatomy = one_tiny.anatomy
    generator = torch.Generator().manual_seed(5)
    kept = top(anatomy, torch.rand(anatomy.edges.shape, generator=generator), 30)
    like = random_edges(kept, anatomy, generator, matched="layers")

    def layers(edges):
        return sorted(
            (anatomy.nodes[i].layer or -1, anatomy.nodes[i].kind, anatomy.slots[j].kind)
            for i, j in edges.nonzero().tolist()
        )

    assert layers(like) == layers(kept)
    assert bool((like & ~anatomy.edges).any()) is False
    for size in (1, 5, 30, int(anatomy.edges.sum()) - 1):
        grown = random_connected(anatomy, size, generator)
        assert torch.equal(grown, connected(anatomy, grown))
        assert int(grown.sum()) == size
