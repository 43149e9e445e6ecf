"""Every model is what it is said to be; and a certificate notices one that is not."""

from dataclasses import replace

import pytest
import torch

from pellucid.callbacks import Callback, watching
from pellucid.circuit.edges.sets import connected
from pellucid.errors import EditError
from pellucid.zoo import names
from pellucid.zoo.certify import certify, connected_sets, minimal, subsets
from pellucid.zoo.variety import VARIETIES
from tests.zoo.specimens import certified, demand_as_stated, opened, some


@pytest.mark.parametrize("name", some())
def test_enumeration_finds_what_is_stated(name):
    demand_as_stated(name)


def test_every_behaviour_and_every_variety_is_there():
    assert len(names()) >= 40
    behaviours = {name.split("/")[0] for name in names()}
    assert behaviours >= {
        "previous", "duplicate", "induction", "negative", "suppression", "and", "or", "backup",
        "xor", "gate", "lookup", "binding", "sort", "reverse", "fraction",
    }  # fmt: skip
    assert {name.split("@")[1] for name in names()} == set(VARIETIES)
    assert len({variety.gap for variety in VARIETIES.values()}) == 3


def test_every_case_and_every_variety_is_among_the_models_looked_at_here():
    for part in (0, 1):  # behaviour and corruption, variety
        assert {name.split("@")[part] for name in some()} == {n.split("@")[part] for n in names()}


def test_small_models_are_enumerated_whole():
    assert certified("duplicate/both@llama").exhaustive
    assert certified("duplicate/both@llama").enumerated > 1000


def test_either_of_two_edges_is_interchangeable_and_neither_necessary():
    certificate = certified("or/both@gpt")
    assert len(certificate.sufficient) == 2
    assert len(certificate.interchangeable) == 4
    assert certificate.necessary == (("M0", "logits"),)


def test_two_edges_suffice_where_five_are_necessary():
    certificate = certified("induction/all@gpt")
    assert len(certificate.necessary) == 5
    assert [len(found) for found in certificate.sufficient] == [2]


def test_signs_are_measured():
    certificate = certified("suppression/copied@gpt")
    assert len(certificate.opposes) == 4
    assert list(certificate.to_frame().sign).count(-1) == 4
    backup = certified("backup/source@gpt")
    assert backup.hidden == backup.opposes  # the look at the primary only ever keeps the spare out


@pytest.mark.parametrize(
    ("field", "claim"),
    [
        ("truth", "true edges"),
        ("necessary", "necessary edges"),
        ("opposes", "signs"),
    ],
)
def test_a_wrong_statement_is_noticed(field, claim):
    right = opened("negative/token@gpt")
    wrong = getattr(right, field).clone()
    wrong[tuple(right.truth.nonzero()[0])] ^= True
    assert claim in certify(replace(right, **{field: wrong})).wrong


def test_an_edge_left_out_of_a_sufficient_set_is_noticed():
    right = opened("induction/value@gpt")
    few = right.truth.clone()
    few[tuple(right.truth.nonzero()[0])] = False
    wrong = certify(replace(right, sufficient=(few,), truth=few, necessary=few)).wrong
    assert "minimal sufficient sets" in wrong
    assert "edges that do nothing alone" in wrong


def test_connected_sets_stand_for_all_subsets():
    anatomy = opened("previous/token@llama").model.anatomy
    every = {connected(anatomy, kept).numpy().tobytes() for kept in subsets(anatomy.edges)[::7]}
    found = {kept.numpy().tobytes() for kept in connected_sets(anatomy)}
    assert every <= found
    assert all(
        torch.equal(connected(anatomy, kept), kept) for kept in connected_sets(anatomy)[::50]
    )


def test_minimal_sets_hold_no_other():
    one, other, both = torch.eye(2).bool()[:, :, None], None, None
    one, other = one
    both = one | other
    assert len(minimal([both, one, other])) == 2
    assert len(minimal([both])) == 1


def test_a_certificate_can_be_saved(tmp_path):
    certificate = certified("or/both@gpt")
    assert type(certificate).load(certificate.save(tmp_path / "c")) == certificate


def test_a_name_that_is_not_there_is_refused():
    with pytest.raises(EditError, match="No model of the zoo"):
        opened("induction/key@nowhere")


def test_a_certificate_says_how_many_forwards_come():
    told = []

    class Totals(Callback):
        def on_end(self, progress, error):
            told.append(progress)

    with watching(Totals()):
        found = certify(opened("and/both@gpt"))
    outermost = next(one for one in told if one.depth == 0)
    assert found.passes.forwards == outermost.done <= outermost.total
