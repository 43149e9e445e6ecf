"""A plan with one question to it, and the edges that were built to carry the answer.

Which edges carry a behaviour depends on the corruption: what is the same in both prompts cannot
matter. So a case is a plan and a corruption, and its edges are stated for that corruption.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import TypeAlias

from pellucid.model.parts import name_of
from pellucid.task.contrast import Contrast, ContrastBatch
from pellucid.zoo.plan import Plan

EdgeName: TypeAlias = tuple[str, str]
"""Names of sender and slot, as ``("L0H1", "L1KV2.k")``."""

N_EXAMPLES = 8
"""Questions on which a truth is certified and rankings are judged, the first of a case's."""
MANY = 36
"""Questions of a case, where there are so many: a search that tests edges over examples needs
more."""
TRIES = 20
CASES: dict[str, Callable[[], "Case"]] = {}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One behaviour under one corruption; edges are written with the plan's own head names."""

    plan: Plan
    contrast: ContrastBatch
    truth: str
    """Edges as ``"embed>prev.v prev>logits"``: all that are necessary or in a sufficient set."""
    hidden: str = ""
    """Edges that matter only while edges of ``truth`` are cut: neither true nor idle."""
    opposes: str = ""
    """Those of ``truth`` and ``hidden`` that work against the answer."""
    sufficient: tuple[str, ...] = ()
    """Minimal sufficient sets; when not given, ``truth`` is the only one."""
    necessary: str | None = None
    """Those of ``truth`` that break the behaviour when cut alone: all, if none has a stand-in."""


def case(name: str) -> Callable[[Callable[[], Case]], Callable[[], Case]]:
    """Put a function that makes a case under ``behaviour/corruption``."""

    def put(make: Callable[[], Case]) -> Callable[[], Case]:
        CASES[name] = make
        return make

    return put


def asked(draw: Callable[[Random], Contrast], *, seed: int = 0) -> ContrastBatch:
    """Contrasts from a seed, no two alike: ``MANY``, or fewer where there are not so many."""
    random = Random(seed)
    found: dict[Contrast, None] = {}
    for tried in count():
        if len(found) == MANY or (len(found) >= N_EXAMPLES and tried >= TRIES * MANY):
            break
        found[draw(random)] = None
    return ContrastBatch(tuple(found))


def changed(prompt: Iterable[int], changes: dict[int, int]) -> list[int]:
    """``prompt`` with other tokens at some positions."""
    new = list(prompt)
    for position, token in changes.items():
        new[position] = token
    return new


def true_edges(text: str, plan: Plan, group: int) -> frozenset[EdgeName]:
    """The edges of ``text`` under the names that the model gives to its parts."""
    places = plan.places(group)

    def sender(role: str) -> str:
        if role not in places:
            return role
        layer, head = places[role]
        return name_of("head", layer, head)

    def slot(role: str) -> str:
        owner, _, kind = role.partition(".")
        if not kind:
            return role
        layer, head = places[owner]
        return name_of(kind, layer, head if kind == "q" else head // group)

    pairs = (edge.split(">") for edge in text.split())
    return frozenset((sender(u), slot(v)) for u, v in pairs)
