"""Counting what a result really cost.

A *forward* is one evaluation of all rows of a question, a *backward* one gradient of it. Variants
ride in the batch, so many forwards may be one *call* of the model.

They are counted where the model is called (``model/running/forward.py``), which knows how many
evaluations of a question its rows hold, and where a gradient passes the logits on its way back.
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


@contextmanager
def uncounted() -> Iterator[None]:
    """Passes made inside the block belong to no question: no meter sees them."""
    token = _meters.set(())
    try:
        yield
    finally:
        _meters.reset(token)


def counter() -> Callable[[Passes], None]:
    """What adds to the meters that are open now.

    Also from the threads in which gradients are computed, which see no meter of their own.
    """
    meters = _meters.get()

    def add(more: Passes) -> None:
        for meter in meters:
            meter.add(more)

    return add
