"""Texts put into calls that fit into memory: longest first, so that little of a call is padding."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pellucid.errors import BudgetError
from pellucid.run.corpus.reading import ReadCall, Reader, TextPlace

MOST_TOKENS = 4096
"""Of one call; beyond it, calls are not faster on the machines that were measured."""


@dataclass
class Filling:
    """A call that texts are still added to."""

    length: int
    packs: bool
    free: list[int] = field(default_factory=list)
    """Positions left in each row."""
    places: list[TextPlace] = field(default_factory=list)

    def row_for(self, length: int) -> int:
        """The first row with room, or the next new one."""
        fits = (row for row, free in enumerate(self.free) if self.packs and free >= length)
        return next(fits, len(self.free))

    def add(self, text: int, length: int) -> None:
        """Put a text behind those of its row."""
        row = self.row_for(length)
        if row == len(self.free):
            self.free.append(self.length)
        self.places.append(TextPlace(text, row, self.length - self.free[row], length))
        self.free[row] -= length

    @property
    def call(self) -> ReadCall:
        """As it is now."""
        return ReadCall(len(self.free), self.length, tuple(self.places))


def planned_calls(reader: Reader, lengths: Sequence[int], room: int) -> Iterator[ReadCall]:
    """Calls that read every text once and take at most ``room`` bytes each.

    **Raises** ``BudgetError`` when one text alone takes more.
    """
    filling: Filling | None = None
    for text in sorted(range(len(lengths)), key=lambda text: -lengths[text]):
        if filling is not None:
            rows = filling.row_for(lengths[text]) + 1
            fits = rows * filling.length <= max(MOST_TOKENS, filling.length)
            if rows > len(filling.free) and not (
                fits and reader.cost.of(rows, filling.length) <= room
            ):
                yield filling.call
                filling = None
        if filling is None:
            needed = reader.cost.of(1, lengths[text])
            if needed > room:
                raise BudgetError(
                    f"Reading a text of {lengths[text]} tokens takes about {_mb(needed)}, and "
                    f"memory_budget leaves {_mb(room)}. Give memory_budget= {_mb(needed - room)} "
                    "more, or shorter texts."
                )
            filling = Filling(lengths[text], reader.packs)
        filling.add(text, lengths[text])
    if filling is not None:
        yield filling.call


def _mb(size: float) -> str:
    return f"{max(size, 0) / 1e6:,.0f} MB"
