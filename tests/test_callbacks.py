"""Long calls tell what they do; a callback that fails leaves the model as it was."""

import threading
import time
from typing import get_args

import pytest
import torch

import pellucid
from pellucid import Callback, options
from pellucid.callbacks import counting_forwards, expect, long_task, watching
from pellucid.passes import counter, metering
from pellucid.results.passes import Passes
from pellucid.run.record import record


class Log(Callback):
    """Keeps all that it is told."""

    def __init__(self):
        self.told = []

    def on_start(self, progress):
        self.told.append(("start", progress.what, progress.depth, progress.total))

    def on_step(self, progress):
        self.told.append(("step", progress.what, progress.depth, progress.done))

    def on_end(self, progress, error):
        self.told.append(("end", progress.what, progress.depth, type(error).__name__))


def count():
    counter()(Passes(forwards=1, calls=1))


def inner(forwards):
    with counting_forwards("inner"):
        expect(forwards)
        for _ in range(forwards):
            count()


def test_tasks_nest_and_count_forwards():
    log = Log()
    with watching(log), counting_forwards("outer", total=3):
        inner(2)
        count()
    assert log.told == [
        ("start", "outer", 0, 3),
        ("start", "inner", 1, None),
        ("step", "outer", 0, 1),
        ("step", "inner", 1, 1),
        ("step", "outer", 0, 2),
        ("step", "inner", 1, 2),
        ("end", "inner", 1, "NoneType"),
        ("step", "outer", 0, 3),
        ("end", "outer", 0, "NoneType"),
    ]


def test_callbacks_add_up_and_are_gone_afterwards():
    one, other = Log(), Log()
    with watching(one):
        with watching(other):
            inner(1)
        inner(1)
    inner(1)
    assert len(one.told) == 6
    assert other.told == one.told[:3]


def test_without_callbacks_nothing_is_counted_twice():
    with metering() as meter:
        inner(3)
    assert meter.passes.forwards == 3


def test_another_thread_is_not_told():
    log = Log()
    with watching(log):
        thread = threading.Thread(target=inner, args=(1,))
        thread.start()
        thread.join()
    assert log.told == []


def test_the_total_is_what_was_expected_when_it_was_not_known():
    log = Log()
    with watching(log), long_task("one", unit="texts") as one:
        one.step(2)
        expect(3)
        assert one.total == 5
        expect(100)
        assert one.total == 5


def test_time_left_is_none_until_it_is_known(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with watching(Log()), long_task("one", total=10, unit="texts") as one:
        lefts = []
        for seconds, more in [(0.5, 1), (0.6, 1), (1.9, 3), (4.0, 5), (1.0, 1)]:
            now[0] += seconds
            one.step(more)
            lefts.append(one.progress.left)
    assert lefts == [None, pytest.approx(1.1 / 2 * 8), pytest.approx(3 / 5 * 5), 0.0, None]
    with watching(Log()), long_task("of unknown length", unit="texts") as one:
        now[0] += 5
        one.step()
        assert one.progress.left is None


class Raising(Callback):
    def __init__(self, at, error):
        self.at, self.error = at, error

    def on_start(self, progress):
        if self.at == "start":
            raise self.error

    def on_step(self, progress):
        if self.at == "step":
            raise self.error

    def on_end(self, progress, error):
        if self.at == "end":
            raise self.error


def test_public_calls_tell_their_forwards_and_how_many_come(one_tiny, pair):
    log = Log()
    with watching(log):
        found = pellucid.study(one_tiny, {"one": pair, "two": pair}, insist=True, budget=60)
    outer = [told for told in log.told if told[2] == 0]
    assert outer[0] == ("start", "study", 0, None)
    assert outer[-2][3] == found.passes.forwards
    assert {told[1] for told in log.told} > {"study", "analyze", "discover", "faithfulness"}


class Outermost(Callback):
    """Where the outermost task was when it ended."""

    def on_end(self, progress, error):
        self.last = progress


CALLS = {
    "discover": lambda model, pair: pellucid.discover(model, pair, insist=True),
    "mfc": lambda model, pair: pellucid.discover(model, pair, method="mfc", insist=True),
    "patch": lambda model, pair: pellucid.patch(model, pair, sites="nodes", positions="each"),
    "patch_edges": pellucid.patch_edges,
    "tokens": pellucid.token_attribution,
    "faithfulness": lambda model, pair: pellucid.faithfulness(
        model, pair, ["L0H1"], random_sets=2, opponents=["L1H0"]
    ),
    "backups": lambda model, pair: pellucid.backups(model, pair, ["L0H0"], budget=60),
    "edge_faithfulness": lambda model, pair: pellucid.edge_faithfulness(
        model, pair, [("L0H1", "logits")], random_sets=2
    ),
    "edge_curve": lambda model, pair: pellucid.edge_curve(
        model, pair, pellucid.attribute_edges(model, pair, method="eap"), fractions=(0.1, 0.5)
    ),
    **{
        f"attribute_edges {method}": lambda model, pair, method=method: pellucid.attribute_edges(
            model, pair, method=method
        )
        for method in get_args(options.EdgeEstimate)
        if method != "atp*"
    },
    "edges": lambda model, pair: pellucid.discover_edges(model, pair, insist=True),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_long_call_says_how_many_forwards_come_at_the_most(call, one_tiny, pair):
    end = Outermost()
    with watching(end):
        found = CALLS[call](one_tiny, pair)
    assert (end.last.depth, end.last.unit) == (0, "forwards")
    assert found.passes.forwards == end.last.done <= end.last.total
    if call in ("patch", "patch_edges", "tokens"):
        assert end.last.done == end.last.total


def test_an_analysis_ends_within_the_total_that_it_told(one_tiny, pair):
    seen = []

    class Totals(Callback):
        def on_step(self, progress):
            if progress.depth == 0:
                seen.append((progress.done, progress.total))

    with watching(Totals()):
        pellucid.analyze(one_tiny, pair, insist=True)
    assert seen[-1][1] is not None
    assert all(total is None or done <= total for done, total in seen)
    assert len({total for _, total in seen if total is not None}) == 1


@pytest.mark.parametrize("at", ["start", "step", "end"])
@pytest.mark.parametrize("error", [ZeroDivisionError(), KeyboardInterrupt()])
def test_a_callback_that_raises_leaves_the_model_as_it_was(at, error, one_tiny, pair):
    module, log = one_tiny.module, Log()
    before = record(one_tiny, pair).metric_clean
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in module.modules()]
    module.train()
    with (
        pytest.raises(type(error)),
        watching(log, Raising(at, error)),
        counting_forwards("searching"),
    ):
        pellucid.discover(one_tiny, pair, insist=True)
    assert module.training
    module.eval()
    assert [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in module.modules()] == hooks
    assert torch.equal(record(one_tiny, pair).metric_clean, before)
    starts = [told for told in log.told if told[0] == "start"]
    ends = [told for told in log.told if told[0] == "end"]
    assert len(starts) == len(ends) > 0


def test_what_ended_a_task_is_not_lost_behind_a_callback_that_fails(caplog):
    with (
        pytest.raises(KeyboardInterrupt),
        watching(Raising("end", ZeroDivisionError())),
        long_task("one", unit="texts"),
    ):
        raise KeyboardInterrupt
    assert "a callback failed" in caplog.text
