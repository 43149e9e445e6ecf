"""Corrupted versions of a prompt, before anybody checked that they align or work."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, TypeVar

from pellucid.task.words import PAIRED, SETS, VERBS

T = TypeVar("T")
Continuation = str | int | Sequence[int]
How = Literal["repeat", "swap", "replace answer", "replace word", "replace verb"]

_NUMBERED = {*VERBS, *VERBS.values()}
Proposal = tuple[How, str, str | tuple[int, ...], list[str]]
"""How, what, the corrupted prompt, and the prompts with one of its changes only (when several)."""


def proposed_texts(prompt: str, answer: Continuation, foil: Continuation) -> Iterator[Proposal]:
    """Corrupted versions of a prompt given as text, the aligned and the others."""
    if isinstance(answer, str) and isinstance(foil, str) and answer.strip() and foil.strip():
        yield from proposed_names(prompt, answer.strip(), foil.strip())
    for match in re.finditer(r"\w+", prompt):
        for other in counterparts(match.group()):
            what = f"{match.group()!r} -> {other!r}"
            how: How = "replace verb" if match.group().lower() in _NUMBERED else "replace word"
            yield how, what, replaced(prompt, match.span(), other), []


def proposed_names(prompt: str, answer: str, foil: str) -> Iterator[Proposal]:
    """Corrupted versions in which answer and foil, as whole words, stand for each other."""
    other = {answer: foil, foil: answer}
    either = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in longest(other)))
    places = list(either.finditer(prompt))
    how, often = kind([match.group() for match in places], answer, foil)
    if often is not None:
        last = [match for match in places if match.group() == often][-1]
        text = replaced(prompt, last.span(), other[often])
        yield "repeat", f"last {often!r} -> {other[often]!r}", text, []
    steps = [replaced(prompt, match.span(), other[match.group()]) for match in places]
    if how is not None:
        text = either.sub(lambda match: other[match.group()], prompt)
        yield how, f"{answer!r} <-> {foil!r}", text, steps


def proposed_ids(
    prompt: tuple[int, ...], answer: tuple[int, ...], foil: tuple[int, ...]
) -> Iterator[Proposal]:
    """Corrupted prompts for a prompt of ids, when answer and foil are one token each."""
    if len(answer) != 1 or len(foil) != 1:
        return
    other = {answer[0]: foil[0], foil[0]: answer[0]}
    how, often = kind([token for token in prompt if token in other], answer[0], foil[0])
    if often is not None:
        last = max(at for at, token in enumerate(prompt) if token == often)
        changed = (*prompt[:last], other[often], *prompt[last + 1 :])
        yield "repeat", f"last {often} -> {other[often]}", changed, []
    if how is not None:
        swapped = tuple(other.get(token, token) for token in prompt)
        yield how, f"{answer[0]} <-> {foil[0]}", swapped, []


def kind(found: Sequence[T], answer: T, foil: T) -> tuple[How | None, T | None]:
    """What can be done with these occurrences, and which of the two is repeated, if one is."""
    first, second = found.count(answer), found.count(foil)
    if not first or not second:
        return ("replace answer" if found else None), None
    often = None if first == second else (answer if first > second else foil)
    return "swap", often


def longest(names: Iterable[str]) -> list[str]:
    """Longer names first, so that one that begins another is not found inside it."""
    return sorted(names, key=len, reverse=True)


def replaced(text: str, span: tuple[int, int], by: str) -> str:
    """``text`` with the characters of ``span`` replaced."""
    return text[: span[0]] + by + text[span[1] :]


def counterparts(of: str) -> list[str]:
    """Words that can stand where ``of`` stands; it keeps its capital."""
    plain = of.lower()
    found = [
        partner
        for pairs in PAIRED
        for one, two in pairs.items()
        for word_, partner in ((one, two), (two, one))
        if word_ == plain
    ]
    if of[:1].isupper() and of != "I":
        found = [partner.capitalize() for partner in found]
    for members in SETS.values():
        if of in members:
            found += [member for member in members if member != of]
    if of.isdigit() and len(of) == 4:
        found += [of[:2] + end for end in ("01", "25", "50", "75", "99")]
    elif of.isdigit() and len(of) == 1:
        found += list("0123456789")
    return [one for one in dict.fromkeys(found) if one != of]
