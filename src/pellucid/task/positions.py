"""Positions as a caller gives them, counted from the start of the prompt."""

from collections.abc import Iterable

from pellucid.errors import EditError


def positions_from_start(
    positions: Iterable[int], length: int, *, given: object, otherwise: str = "", at: str = ""
) -> tuple[int, ...]:
    """The positions of a prompt of ``length`` tokens, negative ones counted from its end.

    **Raises** ``EditError`` for none, or for one outside the prompt. Its text shows what was
    ``given``, at which site (``at``), and ends in ``otherwise``.
    """
    listed = tuple(int(position) for position in positions)
    if not listed or any(not -length <= position < length for position in listed):
        raise EditError(
            f"{at}{': ' if at else ''}positions={given!r}: the prompt has {length} positions, "
            f"0 to {length - 1} (or -{length} to -1 from the end){otherwise}."
        )
    return tuple(position % length for position in listed)
