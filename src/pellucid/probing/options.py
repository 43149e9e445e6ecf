"""Options of ``probe``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from pellucid.options import PROBE_SIZES, SEED


@dataclass(frozen=True, kw_only=True)
class ProbeOptions:
    """Options of ``probe``.

    ``groups`` name what must not be split, a name or template, say; equal texts always stay
    together. ``sizes`` are numbers of coordinates, None for all. ``test_share`` of the groups is
    only scored. ``shuffles`` draws of shuffled labels, and the other random controls, come from
    ``seed``. ``random_model`` makes a second model of random weights. ``other`` is a set of another
    distribution, ``(texts, labels)``.
    """

    groups: Sequence[object] | None = None
    sizes: Sequence[int | None] = PROBE_SIZES
    test_share: float = 0.3
    shuffles: int = 3
    random_model: bool = True
    other: tuple[Sequence[str | Sequence[int]], Sequence[object]] | None = None
    seed: int = SEED


class ProbeKeywords(TypedDict, total=False):
    """Keywords of ``probe``, for type checkers and editors."""

    groups: Sequence[object] | None
    sizes: Sequence[int | None]
    test_share: float
    shuffles: int
    random_model: bool
    other: tuple[Sequence[str | Sequence[int]], Sequence[object]] | None
    seed: int
