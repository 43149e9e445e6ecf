"""Counting what a result really cost.

A *forward* is one evaluation of all rows of a question, a *backward* one gradient of it. Variants
ride in the batch, so many forwards may be one *call* of the model.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from pellucid.results.passes import Passes


class Meter:
    """Adds up passes while it is open, telling ``notify`` each time; meters nest."""

    def __init__(self, notify: Callable[[Passes], None] | None = None) -> None:
        self.passes = Passes()
        self.notify = notify

    def add(self, more: Passes) -> None:
        """Count more passes."""
        self.passes += more
        if self.notify is not None:
            self.notify(self.passes)


_meters: ContextVar[tuple[Meter, ...]] = ContextVar("meters", default=())


@contextmanager
def metering(notify: Callable[[Passes], None] | None = None) -> Iterator[Meter]:
    """A meter that counts every pass made inside the block."""
    meter = Meter(notify)
    token = _meters.set((*_meters.get(), meter))
    try:
        yield meter
    finally:
        _meters.reset(token)


def count(*, forwards: int = 0, backwards: int = 0, calls: int = 0) -> None:
    """Add to every open meter."""
    for meter in _meters.get():
        meter.add(Passes(forwards=forwards, backwards=backwards, calls=calls))
