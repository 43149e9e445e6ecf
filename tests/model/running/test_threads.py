"""A model that other threads and forked processes use meanwhile."""

import multiprocessing
import threading
import warnings

import pytest
import torch

import pellucid
from pellucid import Edit, Site
from pellucid.model.running.changes import MixedForwardWarning
from tests.models.every_call import IDS, QUESTION, logits_of, state_of, tiny_llama


@pytest.fixture
def model():
    opened = pellucid.load(tiny_llama())
    opened.module.train()
    return opened


@pytest.fixture
def in_a_call(model):
    """A thread that stands in the middle of a call; the event lets it go on."""
    inside, go_on = threading.Event(), threading.Event()

    def waiting(value):
        inside.set()
        assert go_on.wait(60)
        return value * 0

    edits = [Edit(site=Site("resid_pre", 1), value=waiting)]
    thread = threading.Thread(target=pellucid.run_edited, args=(model, QUESTION.clean, edits))
    thread.start()
    assert inside.wait(60)
    yield go_on
    go_on.set()
    thread.join()


def test_a_forward_of_another_thread_waits_and_is_as_ever(model, in_a_call):
    wanted = logits_of(tiny_llama().train())
    losses = []

    def train():
        logits = model.module(IDS).logits
        logits.square().mean().backward()
        losses.append((logits.detach(), model.module.training))

    user = threading.Thread(target=train)
    user.start()
    user.join(0.3)
    assert not losses, "it did not wait"
    in_a_call.set()
    user.join(60)
    assert torch.equal(losses[0][0], wanted)
    assert losses[0][1]
    assert all(parameter.grad is not None for parameter in model.module.parameters())


def test_a_part_called_by_another_thread_waits_too(model, in_a_call):
    stream = torch.randn(1, 3, 32)
    found = []
    part = model.module.model.layers[1]
    user = threading.Thread(target=lambda: found.append(part.input_layernorm(stream)))
    user.start()
    user.join(60)
    assert torch.equal(found[0], tiny_llama().model.layers[1].input_layernorm(stream))

    def rest():
        with pytest.warns(MixedForwardWarning, match="take turns"):
            found.append(model.module.model(IDS)[0])

    whole = threading.Thread(target=rest)
    whole.start()
    whole.join(0.3)
    assert len(found) == 1, "a part with a hook of ours did not wait"
    in_a_call.set()
    whole.join(60)
    assert torch.equal(found[1], tiny_llama().train().model(IDS)[0])


def test_forwards_of_another_thread_never_see_a_call_or_say_so(model):
    wanted, over, mixed = logits_of(model.module), threading.Event(), []

    def user():
        while not over.is_set():
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always", MixedForwardWarning)
                same = torch.equal(logits_of(model.module), wanted)
            if not same and not said:
                mixed.append(over)

    thread = threading.Thread(target=user)
    thread.start()
    try:
        for _ in range(5):
            pellucid.patch(model, QUESTION)
            pellucid.attention(model, QUESTION.clean)
    finally:
        over.set()
        thread.join()
    assert not mixed


def _in_child(model, state, found):
    clean = state_of(model.module) == state
    found.put((clean, pellucid.patch(model, QUESTION).per_example.tolist()))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_forked_during_a_call_runs_the_model_as_it_was(model):
    state, wanted = state_of(model.module), pellucid.patch(model, QUESTION).per_example.tolist()
    inside, go_on = threading.Event(), threading.Event()

    def waiting(value):
        inside.set()
        assert go_on.wait(60)
        return value

    edits = [Edit(site=Site("z", 1), value=waiting)]
    thread = threading.Thread(target=pellucid.run_edited, args=(model, QUESTION.clean, edits))
    thread.start()
    assert inside.wait(60)
    fork = multiprocessing.get_context("fork")
    found = fork.SimpleQueue()
    child = fork.Process(target=_in_child, args=(model, state, found))
    try:
        child.start()
        child.join(60)
        assert child.exitcode == 0
    finally:
        child.kill()
        go_on.set()
        thread.join()
    clean, values = found.get()
    assert clean, "the child's model had hooks of the parent's call"
    assert values == wanted


class _Prompts(torch.utils.data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, i):
        return [1 + i, 2, 3]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_texts_may_come_from_forked_workers(model):
    loader = torch.utils.data.DataLoader(_Prompts(), batch_size=None, num_workers=1)
    found = pellucid.activations(model, (ids for ids in loader), "resid_pre")
    assert found.n_texts == 4
