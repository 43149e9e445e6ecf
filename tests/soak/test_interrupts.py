"""An interrupt at every change that every public call makes on a model, and 300 by real signals.

The short form is in ``tests/model/running/test_changes.py``.
"""

import random

import pytest
import torch

import pellucid
from pellucid import Model
from tests.models.every_call import CALLS, logits_of, state_of, tiny_llama
from tests.models.interrupting import at_change, at_line, interrupted, interrupted_by_signal

pytestmark = pytest.mark.soak
FEW = 300
"""Changes up to which a call is interrupted on both sides of each; else on one side by turns."""
LINES = 300
"""Lines that change models at which each call is interrupted, spread over all that it runs."""


@pytest.fixture(scope="module")
def model() -> Model:
    opened = pellucid.load(tiny_llama())
    opened.module.train()
    return opened


@pytest.mark.parametrize("name", CALLS)
def test_an_interrupt_at_every_change(model, name):
    CALLS[name](model)
    with at_change(0, "before") as changes:
        CALLS[name](model)
    state, logits = state_of(model.module), logits_of(model.module)
    for n in range(1, changes[0] + 1):
        sides = ("before", "after") if changes[0] <= FEW else (("before", "after")[n % 2],)
        for side in sides:
            assert interrupted(at_change(n, side), lambda: CALLS[name](model))
            assert state_of(model.module) == state, (side, n)
            assert torch.equal(logits_of(model.module), logits), (side, n)
    print(f"{name}: {changes[0]} changes")


# An interrupt while a generator is thrown away is told by Python, and goes no further.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", CALLS)
def test_an_interrupt_at_lines_that_change_models(model, name):
    CALLS[name](model)
    with at_line(0) as lines:
        CALLS[name](model)
    state, logits = state_of(model.module), logits_of(model.module)
    hits = 0
    for n in range(1, lines[0] + 1, max(1, lines[0] // LINES)):
        hits += interrupted(at_line(n), lambda n=n: CALLS[name](model))
        assert state_of(model.module) == state, n
        assert torch.equal(logits_of(model.module), logits), n
    assert hits > 0.9 * min(lines[0], LINES)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_at_300_random_moments(model):
    drawn = random.Random(0)
    state, logits = state_of(model.module), logits_of(model.module)
    names = sorted(set(CALLS) - {"analyze", "backups"})
    for name in names:
        CALLS[name](model)  # an import that is interrupted leaves a library half there
    hits = 0
    while hits < 300:
        name = drawn.choice(names)
        hits += interrupted_by_signal(drawn.random() * 0.05, lambda name=name: CALLS[name](model))
        assert state_of(model.module) == state, name
        assert torch.equal(logits_of(model.module), logits), name
