"""Whatever happens in a call, the user's model is as it was."""

import copy
import random
import time
from itertools import count

import pytest
import torch

import pellucid
from pellucid import Model
from pellucid.model.running import changes
from pellucid.model.running.changes import Changed, Entry
from pellucid.model.running.forward import undisturbed
from pellucid.model.running.hooks import Hook, hook_before
from tests.models.every_call import CALLS, QUESTION, logits_of, state_of, tiny_llama
from tests.models.interrupting import at_change, at_line, interrupted, interrupted_by_signal


@pytest.fixture(scope="module")
def model() -> Model:
    """In training mode and learning, as the one that it belongs to left it."""
    opened = pellucid.load(tiny_llama())
    opened.module.train()
    return opened


def demand_as_before(model, state, logits, when):
    assert state_of(model.module) == state, when
    assert torch.equal(logits_of(model.module), logits), when


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize(("name", "stride"), [("run_edited", 1), ("record", 11), ("load", 173)])
def test_an_interrupt_at_a_change_leaves_nothing(model, name, stride, side):
    state, logits = state_of(model.module), logits_of(model.module)
    for n in count(1, stride):
        if not interrupted(at_change(n, side), lambda: CALLS[name](model)):
            break
        demand_as_before(model, state, logits, f"{name}, {side} change {n}")
    assert n > 4 * stride


def test_an_interrupt_at_a_line_that_changes_models_leaves_nothing(model):
    state, logits = state_of(model.module), logits_of(model.module)
    for n in count(1, 23):
        if not interrupted(at_line(n), lambda: CALLS["run_edited"](model)):
            break
        demand_as_before(model, state, logits, f"line {n}")
    assert n > 200


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_leaves_nothing_and_the_next_call_is_right(model):
    state, logits = state_of(model.module), logits_of(model.module)
    wanted = pellucid.patch(model, QUESTION).per_example
    start = time.perf_counter()
    pellucid.patch(model, QUESTION)
    takes, drawn = time.perf_counter() - start, random.Random(0)
    hits = [
        interrupted_by_signal(drawn.random() * takes, lambda: pellucid.patch(model, QUESTION))
        for _ in range(12)
    ]
    demand_as_before(model, state, logits, "after Ctrl-C")
    assert any(hits)
    assert torch.equal(pellucid.patch(model, QUESTION).per_example, wanted)


def test_an_error_inside_leaves_nothing(model):
    state, logits = state_of(model.module), logits_of(model.module)

    def failing(values, encoded):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        pellucid.record(model, QUESTION, metric=failing)
    demand_as_before(model, state, logits, "after an error")


def test_what_an_interrupted_call_left_is_undone_by_the_next(model):
    state, logits = state_of(model.module), logits_of(model.module)
    left = hook_before(model.module, lambda module, args, kwargs: 1 / 0)
    changes._turn.made.append((object(), left))
    left.make()
    assert state_of(model.module) != state
    pellucid.record(model, QUESTION)
    demand_as_before(model, state, logits, "after the next call")


def test_hooks_of_ours_on_a_copy_are_taken_off(model):
    with undisturbed(model.module):
        other = copy.deepcopy(model.module)
    assert any(isinstance(hook, Hook) for hook in other._forward_pre_hooks.values())
    pellucid.load(other)
    assert not other._forward_pre_hooks


def test_undoing_goes_on_when_it_is_interrupted():
    table = {"one": 1}

    class Interrupting(Entry):
        tried = 0

        def undo(self):
            super().undo()
            self.tried += 1
            if self.tried < 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Changed([Interrupting(table, "one", 2)]):
        assert table == {"one": 2}
    assert table == {"one": 1}


def test_inference_mode_is_left_and_entered_again(model):
    with torch.inference_mode():
        with undisturbed(model.module):
            assert not torch.is_inference_mode_enabled()
        assert torch.is_inference_mode_enabled()
    assert not torch.is_inference_mode_enabled()
