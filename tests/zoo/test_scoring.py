"""Scoring methods by the zoo: the bounds that methods are held to, own functions, null models."""

from typing import get_args

import numpy as np
import pytest
import torch

import pellucid
from pellucid import attribute_edges, discover_edges
from pellucid.errors import EditError
from pellucid.options import EdgeMethod
from pellucid.zoo import METHODS, ZooResult, ZooScore, names, page, run
from pellucid.zoo.nulls import Calibration, calibrate
from pellucid.zoo.result import BLIND
from pellucid.zoo.scoring import SEARCHES, size_error
from tests.zoo.specimens import demand_found, demand_right_sizes, opened, ranked, some

FEW = ["and/both@gpt", "or/both@llama", "negative/token@saturated-junk"]


@pytest.mark.parametrize("name", some())
def test_cutting_edges_finds_what_is_necessary_and_slot_ig_what_is_redundant_too(name):
    demand_found(name)


def test_slot_ig_finds_nearly_everything():
    assert np.mean([ranked("slot-ig", name) for name in some()]) >= 0.97


def exact(model, contrast):
    """The whole truth where it is the necessary set."""
    return attribute_edges(model, contrast, method="exact")


def backwards(model, contrast):
    """A function that gives a matrix: the worst ranking there is."""
    return 1 / (1e-3 + exact(model, contrast).matrix.abs())


def proposing(model, contrast):
    """A function that gives a set: what is connected of the five largest."""
    scores = exact(model, contrast)
    return discover_edges(model, contrast, method="top", scores=scores, size=5)


@pytest.fixture(scope="module")
def result() -> ZooResult:
    return run(["exact", backwards, proposing], models=FEW, null_tests=2)


def test_own_functions_are_scored_beside_methods(result):
    frame = result.to_frame().set_index(["model", "method"])
    assert len(frame) == 9
    assert frame.auprc["and/both@gpt", "exact"] == frame.auprc["and/both@gpt", "proposing"] == 1
    assert frame.worst_rank["and/both@gpt", "exact"] == 5
    assert frame.auprc["and/both@gpt", "backwards"] < 0.3
    assert frame.worst_rank["and/both@gpt", "backwards"] == 23
    assert frame.forwards["and/both@gpt", "exact"] == 2 + 23


def test_a_proposed_set_is_held_against_the_nearest_right_one(result):
    frame = result.to_frame().set_index(["model", "method"])
    assert frame.size_error["and/both@gpt", "proposing"] == 0
    assert frame.n_proposed["and/both@gpt", "proposing"] == 5
    assert np.isnan(frame.size_error["and/both@gpt", "exact"])
    redundant = opened("or/both@gpt")  # either half, of three edges, is right
    assert size_error(redundant, torch.zeros_like(redundant.truth)) == -3
    assert size_error(redundant, redundant.sufficient[1]) == 0
    assert size_error(redundant, redundant.model.anatomy.edges) == 23 - 5


def test_a_perfect_ranking_is_as_faithful_as_can_be(result):
    """Prefixes 1, 2, 4 of an AND of five edges carry nothing, 8 and more everything."""
    (score,) = (s for s in result.scores if (s.model, s.method) == ("and/both@gpt", "exact"))
    assert score.log_cmd == pytest.approx(np.log(4 * 2**0.5) / np.log(23), abs=0.02)


def test_only_what_keeps_examples_apart_is_calibrated(result):
    assert [found.method for found in result.calibration] == ["exact"]
    summary = result.summary().set_index("method")
    assert np.isnan(summary.false_discoveries["backwards"])
    assert summary.false_discoveries["exact"] >= 0


def test_results_can_be_saved_and_written_as_a_page(result, tmp_path):
    again = ZooResult.load(result.save(tmp_path / "zoo"))
    assert again == result
    text = page(result)
    assert "| exact | 3 |" in text
    assert BLIND["exact"] in text
    assert "| and/both | 1 |" in text
    assert "exact" in str(result)


def test_every_method_says_what_it_cannot_see():
    found = run(METHODS, models="previous/token@gpt", null_tests=0)
    assert "dormant backup" in found.notes["slot-ig"]
    assert "held" in found.notes["relp"]
    assert all(found.notes[method] for method in METHODS)
    assert found.calibration == ()


def test_all_methods_are_scored_unless_some_are_named():
    assert (*get_args(EdgeMethod), *SEARCHES) == METHODS
    assert set(BLIND) < set(METHODS)
    assert pellucid.zoo.run is run


@pytest.mark.parametrize(
    ("methods", "words"),
    [
        ("guess", "not known"),
        (["exact", "exact"], "Give each once"),
        (lambda model, contrast: torch.zeros(2, 2), r"whose edges are a matrix of \(6, 14\)"),
    ],
)
def test_what_cannot_be_scored_is_refused(methods, words):
    with pytest.raises(EditError, match=words):
        run(methods, models="and/both@gpt", null_tests=0)


@pytest.mark.parametrize("method", ["eap", "mask-ig", "exact"])
def test_where_nothing_is_to_be_found_little_is(method):
    steps = {"steps": 4} if method.endswith("ig") else {}
    found = calibrate(method, lambda m, c: attribute_edges(m, c, method=method, **steps))
    assert found.tests == 200
    assert found.ratio <= 1.2
    assert found.below_5 <= 1.2 * 0.05
    assert found.below_1 <= 1.2 * 0.01


def test_a_score_that_favours_the_answer_is_caught_by_the_null_models():
    def favouring(model, contrast):
        scores = attribute_edges(model, contrast, method="eap")
        return type(scores)(**{**vars(scores), "halves": scores.halves.abs()})

    found = calibrate("favouring", favouring, tests=2)
    assert isinstance(found, Calibration)
    assert found.ratio == 10
    assert isinstance(run("eap", models=FEW[0], null_tests=1).scores[0], ZooScore)


def worst_seen(method: str, name: str, *slots: str) -> float:
    """Largest score a method gives true edges into slots ending so, in parts of the difference."""
    subject = opened(name)
    found = attribute_edges(subject.model, subject.contrast, method=method)
    ending = torch.tensor([slot.name.endswith(slots) for slot in found.slots])
    size = float(found.difference.abs().mean())
    return float(found.matrix[subject.truth & ending].abs().max()) / size


@pytest.mark.parametrize(
    ("method", "name", "slots"),
    [
        ("exact", "or/both@plain", (".v",)),
        ("eap", "or/both@plain", (".v",)),
        ("eap", "duplicate/both@saturated", (".q", ".k")),
        ("clean-corrupted", "duplicate/both@saturated", (".q", ".k")),
        ("eap-ig", "induction/all@gpt", (".q", ".k")),
        ("mask-ig", "induction/all@gpt", (".q", ".k")),
        ("relp", "duplicate/both@plain", (".q", ".k")),
        ("atp*", "or/both@plain", (".v",)),
    ],
)
def test_what_a_method_is_said_not_to_see_it_scores_near_0(method, name, slots):
    assert worst_seen(method, name, *slots) < 0.02
    assert worst_seen("slot-ig", name, *slots) > 0.1


def test_the_measured_search_ends_with_as_many_edges_as_there_are():
    demand_right_sizes(names("*@gpt")[::3])


def test_the_automatic_size_is_that_of_a_right_answer():
    some = ["induction/*@gpt", "duplicate/*@gpt", "or/*@gpt", "sort/*@gpt"]
    found = run("automatic", models=some, null_tests=0).to_frame()
    assert len(found) == 12
    assert (found.size_error.astype(int) == 0).all()
