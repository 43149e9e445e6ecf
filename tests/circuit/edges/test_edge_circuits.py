"""Circuits of edges: where the circuit is known, and where every set can be enumerated."""

from dataclasses import replace
from itertools import combinations

import pytest
import torch
from torch.testing import assert_close

import pellucid
from pellucid import BudgetError, Contrast, ContrastBatch, EditError, Model, TaskError
from pellucid.circuit.edges.acdc import acdc
from pellucid.circuit.edges.fdr_search import discoveries
from pellucid.circuit.edges.measure import EdgeMeasure
from pellucid.circuit.edges.sets import connected, greedy, top
from pellucid.run.setup import setup_of
from tests.models.handbuilt import induction_model, induction_questions

KNOWN = {("embed", "L1KV2.v"), ("L1H2", "logits")}
"""With corrupted values only the token that is copied differs: see test_induction.py."""


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.build(induction_model())


@pytest.fixture(scope="module")
def questions():
    return induction_questions()


def measure_of(model, contrast) -> EdgeMeasure:
    return EdgeMeasure(setup_of(model, contrast))


def set_of(model: Model, names) -> torch.Tensor:
    kept = torch.zeros_like(model.anatomy.edges)
    rows = [node.name for node in model.nodes]
    columns = [slot.name for slot in model.slots]
    for sender, slot in names:
        kept[rows.index(sender), columns.index(slot)] = True
    return kept


@pytest.mark.parametrize(
    "options",
    [{"method": "verified"}, {"method": "acdc", "tau": 0.01}, {"method": "top", "size": 2}],
)
def test_the_known_circuit_is_found(model, questions, options):
    found = pellucid.discover_edges(model, questions, insist=True, **options)
    assert set(found.names) == KNOWN
    assert found.sufficiency == pytest.approx(1, abs=1e-9)
    assert found.minimal == (options["method"] == "verified")


def test_the_known_circuit_is_the_smallest_of_all_by_enumeration(model, questions):
    measure = measure_of(model, questions)
    scores = pellucid.attribute_edges(model, questions, method="exact")
    frame = scores.to_frame()
    candidates = frame[frame.effect.abs() > 1e-9]
    assert set(zip(candidates.sender, candidates.slot, strict=True)) == KNOWN
    smaller = [[], *([pair] for pair in KNOWN)]
    values = measure.fraction([set_of(model, names) for names in smaller])
    assert values == pytest.approx([0, 0, 0], abs=1e-9)


def test_nothing_kept_is_zero_and_everything_one(one_tiny, batch):
    measure = measure_of(one_tiny, batch)
    assert measure.fraction([measure.none, measure.all]) == pytest.approx([0, 1], abs=1e-12)
    assert_close(measure.metric([measure.none])[0], measure.setup.trace.metric_corrupted)


def test_what_is_not_connected_changes_nothing(one_tiny, batch):
    measure = measure_of(one_tiny, batch)
    anatomy = one_tiny.anatomy
    generator = torch.Generator().manual_seed(0)
    sets = [
        (torch.rand(anatomy.edges.shape, generator=generator) < density) & anatomy.edges
        for density in (0.05, 0.1, 0.2, 0.4)
    ]
    closed = [connected(anatomy, kept) for kept in sets]
    assert any(not torch.equal(a, b) for a, b in zip(sets, closed, strict=True))
    assert_close(measure.metric(sets), measure.metric(closed), atol=1e-11, rtol=1e-9)


def test_the_connected_edges_are_those_on_a_path_by_enumeration(one_tiny):
    """Paths walked one by one, from the embedding to the logits."""
    anatomy = one_tiny.anatomy
    generator = torch.Generator().manual_seed(1)
    kept = (torch.rand(anatomy.edges.shape, generator=generator) < 0.08) & anatomy.edges
    on_path = torch.zeros_like(kept)
    end = len(anatomy.slots) - 1

    def walk(node: int, path: list[tuple[int, int]]) -> None:
        for slot in kept[node].nonzero()[:, 0].tolist():
            further = [*path, (node, slot)]
            if slot == end:
                for edge in further:
                    on_path[edge] = True
            for fed in anatomy.feeds[slot].nonzero()[:, 0].tolist() if slot != end else ():
                walk(fed, further)

    walk(0, [])
    assert torch.equal(connected(anatomy, kept), on_path)


def test_top_and_greedy_take_the_best_of_what_they_may(one_tiny):
    anatomy = one_tiny.anatomy
    scores = torch.rand(anatomy.edges.shape, generator=torch.Generator().manual_seed(2))
    total = int(anatomy.edges.sum())
    assert torch.equal(top(anatomy, scores, total), anatomy.edges)
    assert torch.equal(greedy(anatomy, scores, total), anatomy.edges)
    assert int(top(anatomy, scores, 0).sum()) == 0
    first = greedy(anatomy, scores.index_fill(0, torch.tensor([0]), 2.0), 1)
    assert first.nonzero().tolist() == [[0, len(anatomy.slots) - 1]]
    with pytest.raises(EditError, match="cannot have fewer than 0"):
        top(anatomy, scores, -1)
    with pytest.raises(EditError, match="Scores of shape"):
        top(anatomy, scores[1:], 3)


def acdc_one_by_one(edges, distance, tau):
    """The algorithm as published, one run after another."""
    kept = edges.clone()
    present = float(distance([kept])[0])
    for slot in reversed(range(edges.shape[1])):
        for sender in reversed(edges[:, slot].nonzero()[:, 0].tolist()):
            smaller = kept.clone()
            smaller[sender, slot] = False
            value = float(distance([smaller])[0])
            if value - present < tau:
                kept, present = smaller, value
    return kept


@pytest.mark.parametrize("guessed", [1, 3, 32])
def test_guessing_decisions_gives_the_sets_that_one_run_after_another_gives(guessed):
    generator = torch.Generator().manual_seed(3)
    edges = torch.rand(6, 9, generator=generator) < 0.7
    weight = torch.rand(6, 9, generator=generator)

    def distance(sets):
        return torch.stack([((edges & ~s) * weight).sum() ** 1.5 for s in sets])

    kept, note = acdc(edges, distance, 0.8, guessed=guessed)
    assert note == ""
    assert torch.equal(kept, acdc_one_by_one(edges, distance, 0.8))


def test_acdc_stops_where_the_budget_ends_and_says_so(model, questions):
    found = pellucid.discover_edges(
        model, questions, method="acdc", tau=0.01, budget=10, insist=True
    )
    assert "budget ended" in found.note


def test_everything_pruned_was_needed(one_tiny, pair):
    found = pellucid.discover_edges(one_tiny, pair, insist=True, target=0.9, budget=4000)
    assert found.minimal
    assert found.sufficiency >= 0.9
    measure = measure_of(one_tiny, pair)
    smaller = []
    for row, column in found.kept.nonzero().tolist():
        without = found.kept.clone()
        without[row, column] = False
        smaller.append(connected(one_tiny.anatomy, without))
    assert max(measure.fraction(smaller)) < 0.9
    assert [step.name for step in found.steps] == ["ranked", "pruned"]
    assert found.steps[-1].sufficiency == pytest.approx(found.sufficiency)


def test_a_budget_too_small_for_the_first_curve_is_refused(model, questions):
    with pytest.raises(BudgetError):
        pellucid.discover_edges(model, questions, budget=2, insist=True)


def test_nothing_is_claimed_of_random_weights(one_tiny, pair):
    found = pellucid.discover_edges(one_tiny, pair)
    assert (len(found), found.sufficiency) == (0, None)
    assert found.note


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "nothing"}, "choose a method"),
        ({"method": "top"}, "size"),
        ({"method": "verified", "size": 3}, "size"),
        ({"method": "acdc"}, "tau"),
        ({"method": "acdc", "tau": -1.0}, "0 or more"),
        ({"target": 1.5}, "target"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(model, questions, options, said):
    with pytest.raises(EditError, match=said):
        pellucid.discover_edges(model, questions, **options)


def many_questions(n: int) -> list[Contrast]:
    """Induction over different tokens, all of six positions."""
    generator = torch.Generator().manual_seed(4)
    found = []
    for _ in range(n):
        a, b, c, x, y, z = torch.randperm(12, generator=generator)[:6].tolist()
        found.append(Contrast([x, a, b, y, z, a], [x, a, c, y, z, a], b, c))
    return found


def test_the_size_is_chosen_and_every_choice_reported(model):
    found = pellucid.discover_edges(model, many_questions(24), method="automatic")
    assert set(found.names) == KNOWN
    assert [step.name for step in found.steps] == ["proposed", "ranked", "connected", "pruned"]
    assert all(step.interval is not None for step in found.steps)
    assert found.steps[-1].sufficiency == pytest.approx(1, abs=1e-9)
    assert found.minimal


def test_automatic_needs_examples(model, questions):
    with pytest.raises(TaskError, match="too few"):
        pellucid.discover_edges(model, questions, method="automatic", insist=True)


def test_discoveries_are_those_of_the_step_up_rule():
    p = torch.tensor([[0.001, 0.012, 0.03, 0.9], [0.039, 0.2, 0.6, 0.0]])
    exists = torch.ones(2, 4, dtype=torch.bool)
    exists[1, 3] = False  # no edge there, whatever its p
    found = discoveries(p, exists, rate=0.07)
    # Sorted: .001 .012 .03 .039 .2 ... against .01 .02 .03 .04 .05: the fourth is the last below.
    assert found.tolist() == [[True, True, True, False], [True, False, False, False]]


def test_a_circuit_is_measured_in_every_sense(model, questions):
    found = pellucid.edge_faithfulness(model, questions, KNOWN, random_sets=4)
    assert found.sufficiency == pytest.approx(1, abs=1e-9)
    assert found.comprehensiveness == pytest.approx(1, abs=1e-9)
    assert (found.category, found.kept_right, found.size) == ("faithful", 1.0, 2)
    assert found.completeness_gap == pytest.approx(0, abs=1e-9)
    assert found.percentile_connected == 100
    assert len(found.random_like) == 4
    assert found.sufficiency_interval.why == "3 prompts, and 10 are needed"
    frame = found.to_frame().set_index("measure")
    senses = ["sufficiency", "comprehensiveness", "f1", "completeness_gap", "kept_right"]
    assert frame.effect.to_dict() == {sense: getattr(found, sense) for sense in senses}
    assert frame[["low", "high"]].isna().all(axis=None)


def test_a_circuit_that_is_right_on_every_prompt_is_sure(model, questions):
    twelve = ContrastBatch(tuple(questions) * 4)
    found = pellucid.edge_faithfulness(model, twelve, KNOWN)
    assert found.sufficiency_interval.ends == pytest.approx((1, 1), abs=1e-9)
    frame = found.to_frame().set_index("measure")
    assert (frame.low["sufficiency"], frame.high["sufficiency"]) == found.sufficiency_interval.ends
    assert frame.low[["f1", "completeness_gap", "kept_right"]].isna().all()
    as_one = ContrastBatch(tuple(replace(one, group=str(i % 3)) for i, one in enumerate(twelve)))
    few = pellucid.edge_faithfulness(model, as_one, KNOWN)
    assert "share 3 labels of 'group'" in few.sufficiency_interval.why


def test_half_of_a_circuit_is_not_complete(model, questions):
    """In the model the gap of an empty part is 1 - f: what the circuit lacks shows."""
    found = pellucid.edge_faithfulness(model, questions, [("L1H2", "logits")])
    assert found.sufficiency == pytest.approx(0, abs=1e-9)
    assert found.comprehensiveness == pytest.approx(1, abs=1e-9)
    assert found.largest_gap == pytest.approx(1, abs=1e-9)
    assert found.category == "incomplete"


def test_the_ends_of_faithfulness_are_exact(one_tiny, batch):
    anatomy = one_tiny.anatomy
    whole = pellucid.edge_faithfulness(one_tiny, batch, anatomy.edges)
    nothing = pellucid.edge_faithfulness(one_tiny, batch, torch.zeros_like(anatomy.edges))
    assert (whole.sufficiency, whole.comprehensiveness) == pytest.approx((1, 1), abs=1e-9)
    assert (nothing.sufficiency, nothing.comprehensiveness) == pytest.approx((0, 0), abs=1e-9)


def test_the_curve_s_areas_are_those_of_its_points(model, questions):
    scores = pellucid.attribute_edges(model, questions, method="exact")
    curve = pellucid.edge_curve(model, questions, scores, random_sets=3)
    total = int(model.anatomy.edges.sum())
    assert curve.asked == tuple(int(f * total) for f in curve.fractions)
    by_hand = sum(
        (b - a) * (abs(1 - f) + abs(1 - g)) / 2
        for (a, f), (b, g) in zip(
            zip(curve.fractions[:-1], curve.f[:-1], strict=True),
            zip(curve.fractions[1:], curve.f[1:], strict=True),
            strict=True,
        )
    )
    assert curve.cmd == pytest.approx(by_hand)
    assert curve.f[-1] == pytest.approx(1)
    assert all(
        f == pytest.approx(float(n >= 2), abs=1e-9)
        for n, f in zip(curve.asked, curve.f, strict=True)
    )
    assert len(curve.random) == 10
    assert len(curve.random[0]) == 3
    assert list(curve.to_frame().columns) == [
        "fraction", "asked", "size", "effect", "low", "high", "kept_right",
    ]  # fmt: skip


def test_signed_order_takes_supporters_first(one_tiny, pair):
    scores = pellucid.attribute_edges(one_tiny, pair, method="exact")
    by_sign = pellucid.edge_curve(
        one_tiny, pair, scores, order="signed", selection="top", fractions=(0.02, 1.0)
    )
    best = scores.matrix.masked_fill(~scores.exists, -torch.inf).flatten()
    kept = torch.zeros_like(scores.exists)
    kept.view(-1)[best.argsort(descending=True)[: by_sign.asked[0]]] = True
    measure = measure_of(one_tiny, pair)
    assert by_sign.f[0] == pytest.approx(measure.fraction([kept])[0], abs=1e-9)


@pytest.mark.parametrize("fractions", [(), (0.5, 0.1), (0.0, 1.0), (0.5, 1.5)])
def test_fractions_have_to_rise(model, questions, fractions):
    scores = pellucid.attribute_edges(model, questions, method="eap")
    with pytest.raises(EditError, match="rise"):
        pellucid.edge_curve(model, questions, scores, fractions=fractions)


def test_results_are_read_back_as_they_were(model, tmp_path):
    found = pellucid.discover_edges(model, many_questions(24), method="automatic")
    scores = pellucid.attribute_edges(model, many_questions(5), method="eap")
    for result in (
        found,
        pellucid.edge_faithfulness(model, many_questions(5), found.names, random_sets=2),
        pellucid.edge_curve(model, many_questions(5), scores),
    ):
        again = type(result).load(result.save(tmp_path / type(result).__name__))
        assert again.to_json() == result.to_json()
        assert str(again) == str(result)


def test_all_pairs_of_edges_agree_with_cutting_them_together(model, questions):
    """Two edges of the circuit: together they do all, alone nothing; enumerated."""
    measure = measure_of(model, questions)
    names = sorted(KNOWN)
    sets = [set_of(model, some) for n in range(3) for some in combinations(names, n)]
    assert measure.fraction(sets) == pytest.approx([0, 0, 0, 1], abs=1e-9)
