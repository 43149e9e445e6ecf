"""What a result cost, in passes of the model.

A *forward* is one evaluation of all rows of a question, a *backward* one gradient of it. Variants
ride in the batch, so many forwards may be one *call* of the model.
"""

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
