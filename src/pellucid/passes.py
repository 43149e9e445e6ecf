"""Counting what a result really cost.

A *forward* is one evaluation of all rows of a question, a *backward* one gradient of it. Variants
ride in the batch, so many forwards may be one *call* of the model.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from pellucid.results.registry import stored


@stored
@dataclass(frozen=True, kw_only=True)
class Passes:
    """Forwards and backwards spent, and the calls of the model that carried the forwards."""

    forwards: int = 0
    backwards: int = 0
    calls: int = 0

    def __add__(self, other: "Passes") -> "Passes":
        return Passes(
            forwards=self.forwards + other.forwards,
            backwards=self.backwards + other.backwards,
            calls=self.calls + other.calls,
        )

    def __str__(self) -> str:
        words = [f"{self.forwards} forward{'s' * (self.forwards != 1)}"]
        if self.backwards:
            words.append(f"{self.backwards} backward{'s' * (self.backwards != 1)}")
        return ", ".join(words) + f" in {self.calls} call{'s' * (self.calls != 1)}"


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
