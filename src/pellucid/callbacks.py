"""What is told while something long runs: progress bars, the app and trackers hang on it.

A long call opens a *task*; each task tells its start, its steps and its end to every callback that
is ``watching`` in the same context (a thread of its own has its own). Tasks nest: a study analyses,
an analysis discovers. Most count forwards, where the model is called (``passes.py``).

An exception of a callback ends the call, and the model is left as it was found.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType

from pellucid.arguments import checks_kinds

KNOWN_AFTER = 1.0
"""Seconds after which steps that are done say how long others will take."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a task is."""

    what: str
    """What it does, such as "Scoring edges"."""
    unit: str
    """What is counted: "forwards", mostly."""
    done: int
    total: int | None
    """How many there will be at most; None while that is not known."""
    seconds: float
    """Since it began."""
    depth: int
    """0 for the outermost task that is told, 1 for one inside it, and so on."""

    @property
    def left(self) -> float | None:
        """Seconds that the rest takes at the pace so far; None while that is not known.

        It is not in the first second, without a total, nor when more is done than was foreseen.
        """
        if self.total is None or not 0 < self.done <= self.total or self.seconds < KNOWN_AFTER:
            return None
        return self.seconds / self.done * (self.total - self.done)


class Callback:
    """Base of what is told; each method may be left out. All are called where the work is done."""

    def on_start(self, progress: Progress) -> None:
        """A task begins."""

    def on_step(self, progress: Progress) -> None:
        """More of it is done."""

    def on_end(self, progress: Progress, error: BaseException | None) -> None:
        """It is over; ``error`` is what ended it, if it did not come to its end."""


class LongTask:
    """A task that is told to ``callbacks``; without any, nothing is done."""

    def __init__(self, what: str, total: int | None, unit: str) -> None:
        self.what, self.total, self.unit = what, total, unit
        self.done = 0
        self.depth = len(_tasks.get())
        self.callbacks = _callbacks.get()
        self._began = time.monotonic()
        self._lock = threading.Lock()

    @property
    def progress(self) -> Progress:
        """How far it is now."""
        return Progress(
            what=self.what,
            unit=self.unit,
            done=self.done,
            total=self.total,
            seconds=time.monotonic() - self._began,
            depth=self.depth,
        )

    def step(self, more: int = 1) -> None:
        """Tell that ``more`` is done."""
        with self._lock:
            self.done += more
        progress = self.progress
        for callback in self.callbacks:
            callback.on_step(progress)

    def reach(self, done: int) -> None:
        """Tell that ``done`` is done in all."""
        if done > self.done:
            self.step(done - self.done)


_callbacks: ContextVar[tuple[Callback, ...]] = ContextVar("callbacks", default=())
_tasks: ContextVar[tuple[LongTask, ...]] = ContextVar("tasks", default=())


@checks_kinds
@contextmanager
def watching(*callbacks: Callback) -> Iterator[None]:
    """Tell ``callbacks`` about every long call inside the block, beside those told already."""
    token = _callbacks.set((*_callbacks.get(), *callbacks))
    try:
        yield
    finally:
        _callbacks.reset(token)


@contextmanager
def long_task(what: str, *, total: int | None = None, unit: str) -> Iterator[LongTask]:
    """A task whose steps are told with ``Task.step``."""
    made = LongTask(what, total, unit)
    if not made.callbacks:
        yield made
        return
    token = _tasks.set((*_tasks.get(), made))
    try:
        with ExitStack() as stack:
            for callback in made.callbacks:
                callback.on_start(made.progress)
                stack.push(_ending(made, callback))
            yield made
    finally:
        _tasks.reset(token)


@contextmanager
def counting_forwards(what: str, *, total: int | None = None) -> Iterator[None]:
    """A task whose steps are the forwards run inside the block."""
    with long_task(what, total=total, unit="forwards") as counted:
        if not counted.callbacks:
            yield
            return
        from pellucid.passes import metering

        with metering(lambda passes: counted.reach(passes.forwards)):
            yield


def expect(more: int) -> None:
    """Tell the innermost task that at most ``more`` forwards come, if that was not known."""
    for innermost in _tasks.get()[-1:]:
        if innermost.total is None:
            innermost.total = innermost.done + more


def _ending(
    ended: LongTask, callback: Callback
) -> Callable[[type[BaseException] | None, BaseException | None, TracebackType | None], None]:
    def end(
        kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            callback.on_end(ended.progress, error)
        except Exception:
            if error is None:
                raise
            # What ended the task, an interrupt say, must not be lost.
            logging.getLogger(__name__).exception("a callback failed")

    return end
