"""Limits on the forwards that a search may spend, opened as a block and closed with it."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pellucid.errors import BudgetError


@dataclass
class Limit:
    """One open block."""

    budget: float
    spent: int

    @property
    def left(self) -> float:
        """Forwards that may still be run in it."""
        return self.budget - self.spent


class Limited:
    """Something that runs forwards, within every limit that is open at the time."""

    def __init__(self) -> None:
        self._limits: list[Limit] = []

    @contextmanager
    def limited_to(self, budget: float, *, spent: int = 0) -> Iterator[None]:
        """Inside the block at most ``budget`` forwards are spent, ``spent`` of them already.

        Blocks nest: what is spent in one is spent in those around it. With the block the limit
        ends, also after an exception.
        """
        limit = Limit(budget, spent)
        self._limits.append(limit)
        try:
            yield
        finally:
            self._limits = [one for one in self._limits if one is not limit]

    @property
    def forwards_left(self) -> float:
        """Forwards that may still be run; infinite without a limit."""
        return min((limit.left for limit in self._limits), default=math.inf)

    def spend(self, forwards: int) -> None:
        """Take forwards out of every open limit.

        **Raises** ``BudgetError`` when fewer are left, and takes none.
        """
        for limit in self._limits:
            if forwards > limit.left:
                raise BudgetError(
                    f"{forwards} forwards are needed after the {limit.spent} that were spent, "
                    f"which is more than budget={limit.budget}. Pass "
                    f"budget={limit.spent + forwards} or more.",
                    budget=int(limit.budget),
                    needed=limit.spent + forwards,
                )
        for limit in self._limits:
            limit.spent += forwards
