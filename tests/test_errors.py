"""Errors carry what a program would have to read out of their text, also through a pickle."""

import copy
import inspect
import pickle
from dataclasses import replace

import pytest
import torch

import pellucid
from pellucid import Contrast, ContrastBatch, Model, errors
from pellucid.errors import BudgetError, EditError, PellucidError, TaskError, TokenError
from pellucid.model.tiny import TinyConfig, TinyTransformer

KINDS = [
    one
    for one in vars(errors).values()
    if inspect.isclass(one) and one.__module__ == errors.__name__
]
COPIES = (copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error)))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("again", COPIES)
def test_what_an_error_carries_survives_copies(kind, again):
    data = dict.fromkeys(kind.declared(), ("a", 3))
    error = kind("what was wrong", **data)
    found = again(error)
    assert type(found) is kind
    assert str(found) == "what was wrong"
    assert found.data == error.data == data
    named = found.about("here")
    assert (str(named), named.data) == ("here: what was wrong", data)
    assert str(found) == "what was wrong"
    assert kind("bare").data == {name: getattr(kind, name) for name in kind.declared()}


def test_what_is_not_declared_cannot_be_carried():
    with pytest.raises(TypeError, match="BudgetError does not declare needs"):
        BudgetError("too little", needs=3)


def test_the_budget_that_is_named_is_enough_for_the_step(one_tiny, pair):
    budget, errors_met = 3, 0
    while True:
        try:
            found = pellucid.discover(one_tiny, pair, budget=budget, insist=True)
        except BudgetError as error:
            met = error
        else:
            break
        errors_met += 1
        assert met.budget == budget < met.needed
        assert f"budget={met.needed} or more" in str(met)
        budget = met.needed
    assert 0 < errors_met < 20
    assert found.passes.forwards <= budget


def test_unknown_names_are_told_with_the_nearest(one_tiny, pair):
    calls = (
        lambda name: pellucid.patch(one_tiny, pair, only=[name]),
        lambda name: pellucid.composition(one_tiny, [name]),
        lambda name: pellucid.faithfulness(one_tiny, pair, [name]),
    )
    for call in calls:
        with pytest.raises(EditError) as raised:
            call("L0H11")
        assert raised.value.unknown == ("L0H11",)
        assert raised.value.nearest[0] == "L0H1"
    with pytest.raises(EditError) as raised:
        pellucid.patch_edges(one_tiny, pair, edges=[("L2H0", "L0H0.q")])
    assert raised.value.unknown == ("L2H0 -> L0H0.q",)


def test_a_layer_that_does_not_add_up_is_named():
    module = TinyTransformer(TinyConfig()).eval()
    own = module.layers[1].forward
    module.layers[1].forward = lambda *args: (out := own(*args)) + torch.sin(7 * out)
    with pytest.raises(pellucid.UnsupportedArchitectureError) as raised:
        Model.build(module)
    assert raised.value.layer == 1
    assert "layer 1" in str(raised.value)


def test_lengths_and_places_are_told(one_tiny):
    short = Contrast([1, 2, 3], [1, 5], 6, 8)
    with pytest.raises(pellucid.AlignmentError) as raised:
        pellucid.record(one_tiny, ContrastBatch((replace(short, corrupted=[1, 5, 3]), short)))
    assert (raised.value.lengths, raised.value.position) == ((3, 2), 1)
    assert str(raised.value).startswith("Contrast 1 of the batch: ")
    with pytest.raises(TaskError) as raised:
        pellucid.study(one_tiny, {"mine": short})
    assert str(raised.value).startswith("mine: ")
    assert raised.value.lengths == (3, 2)


def test_too_long_a_prompt_tells_length_and_limit(random_gpt2):
    model = pellucid.load(random_gpt2)
    with pytest.raises(pellucid.ContextLengthError) as raised:
        pellucid.logit_lens(model, [1] * 40)
    assert (raised.value.length, raised.value.limit) == (40, 32)


@pytest.mark.smol
def test_several_tokens_are_told_with_single_ones_like_them(smol):
    with pytest.raises(TokenError) as raised:
        pellucid.logit_lens(smol, "The capital of", targets=[" Xylophones"])
    assert "".join(raised.value.pieces) == " Xylophones"
    assert len(raised.value.pieces) > 1
    assert all(isinstance(one, str) for one in raised.value.nearest)


def test_every_attribute_is_documented_in_the_errors_page():
    from pathlib import Path

    page = (Path(__file__).parent.parent / "docs" / "errors.md").read_text()
    every = PellucidError.declared()
    assert f"| every one | `{every[0]}`" in page
    for kind in KINDS:
        if own := [name for name in kind.declared() if name not in every]:
            rows = [one.split("|") for one in page.splitlines() if one.startswith("| `")]
            (row,) = [row for row in rows if row[1].strip() == f"`{kind.__name__}`"]
            assert row[2].strip() == ", ".join(f"`{name}`" for name in own)
