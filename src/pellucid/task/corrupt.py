"""Making the corrupted prompt: the same sentence with the deciding word changed.

A corrupted prompt is good when it is as natural as the clean one, differs in as few positions as
possible, and makes the foil right where the answer was. Then patching in both directions means
something: noising asks what the answer needs, denoising what suffices to bring it back (symmetric
token replacement, Zhang & Nanda 2023, arXiv:2309.16042). Candidates in order of preference:

1. *repeat*: answer and foil both stand in the prompt and one stands there more often: its last
   repetition becomes the other. "Mary and John ..., John gave" -> "Mary and John ..., Mary gave".
   One position changes, everything before it is the same, and the answer flips.
2. *swap*: answer and foil change places everywhere. The answer flips too, but more positions
   change, and what depends on order alone ("the second name is the repeated one") is the same in
   both prompts, so that no patching can find it.
3. *replace answer*: only the answer (or only the foil) stands in the prompt; the other takes its
   place.
4. *replace word*: a word of a known class becomes another word of that class with as many tokens,
   for example "France" -> "Italy".
5. *replace verb*: a verb takes its other number, "has" -> "have". That mostly makes the sentence
   ungrammatical, which moves any metric a little and decides nothing: it counts only when it makes
   the foil preferred, and is never proposed as a start for one written by hand.

No candidate is believed: ``judge`` measures each one on the model. The foil is never appended to a
prompt.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pellucid.errors import AlignmentError, BehaviourError, CorruptionError
from pellucid.task.align import check_alignment
from pellucid.task.chat import around_message
from pellucid.task.contrast import Contrast
from pellucid.task.propose import Continuation, How, Proposal, proposed_ids, proposed_texts
from pellucid.task.tokens import Tokenizer, continuation_ids, prompt_ids
from pellucid.task.words import SETS

if TYPE_CHECKING:
    import pandas

ORDER: tuple[How, ...] = ("repeat", "swap", "replace answer", "replace word", "replace verb")
LATE = ("replace word", "replace verb")
"""Kinds of which there are many, measured only when nothing better works."""
LEAST_FALL = 0.5
"""A corrupted prompt counts when it takes away at least this part of the clean metric."""
_WORTH_A_START = 0.25
"""Part of the clean metric that a candidate moves, to be named where none works."""

Measure = Callable[[Sequence[Contrast]], Sequence[tuple[float, float]]]


@dataclass(frozen=True)
class Candidate:
    """A corrupted prompt that could be used, and how it was made."""

    contrast: Contrast
    how: How
    what: str
    """What became what, for people: "'France' -> 'Italy'"."""
    changed: tuple[int, ...]
    """Positions whose tokens differ."""


@dataclass(frozen=True)
class Judged:
    """A candidate with its metric on both prompts."""

    candidate: Candidate
    clean: float
    corrupted: float

    @property
    def drop(self) -> float:
        """How far the metric falls, in its own unit."""
        return self.clean - self.corrupted

    @property
    def verdict(self) -> Literal["flips", "falls", "falls too little"]:
        """ "flips": the foil is preferred; "falls": at least half of the clean metric is gone."""
        if self.drop < LEAST_FALL * self.clean or not self.drop:
            return "falls too little"
        if self.corrupted < 0:
            return "flips"
        return "falls too little" if self.candidate.how == "replace verb" else "falls"


@dataclass(frozen=True)
class Judgement:
    """The candidate to use, and every one that was measured, in order of preference."""

    best: Candidate
    table: tuple[Judged, ...]

    def to_frame(self) -> "pandas.DataFrame":
        """One line a candidate: how, what, clean, corrupted, drop, changed, verdict."""
        import pandas

        return pandas.DataFrame(
            {
                "how": one.candidate.how,
                "what": one.candidate.what,
                "corrupted_prompt": one.candidate.contrast.corrupted,
                "changed": one.candidate.changed,
                "clean": one.clean,
                "corrupted": one.corrupted,
                "drop": one.drop,
                "verdict": one.verdict,
            }
            for one in self.table
        )


def candidates(
    tokenizer: Tokenizer | None,
    prompt: str | Sequence[int],
    answer: Continuation,
    foil: Continuation,
) -> list[Candidate]:
    """Corrupted prompts worth measuring, most preferred first; every one aligns with the prompt.

    A prompt given as ids is only searched for the ids of answer and foil; of a prompt that the
    tokenizer's chat template wrote, the user's message alone is changed. May be empty.

    **Cost** no passes.
    **Raises** ``TokenError`` when prompt, answer or foil are not usable themselves.
    """
    if isinstance(prompt, str):
        proposals = _proposed(tokenizer, prompt, answer, foil)
    else:
        ids = [continuation_ids(text, tokenizer) for text in (answer, foil)]
        proposals = proposed_ids(tuple(prompt), *ids)
    found: dict[str | tuple[int, ...], Candidate] = {}
    for how, what, corrupted, steps in proposals:
        if corrupted in found or corrupted == prompt:
            continue
        contrast = Contrast(prompt, corrupted, answer, foil)
        try:
            resolved = contrast.resolve(tokenizer)
            # Two words of unequal token counts cancel in length and shift what stands between.
            for step in steps:
                check_alignment(resolved.clean, prompt_ids(step, tokenizer), tokenizer)
        except AlignmentError:
            continue
        pairs = enumerate(zip(resolved.clean, resolved.corrupted, strict=True))
        changed = tuple(at for at, (one, other) in pairs if one != other)
        found[corrupted] = Candidate(contrast, how, what, changed)
    return sorted(found.values(), key=lambda one: ORDER.index(one.how))


def _proposed(
    tokenizer: Tokenizer | None, prompt: str, answer: Continuation, foil: Continuation
) -> Iterator[Proposal]:
    """``proposed_texts`` of the prompt, or of the user's message in it, back in its template."""
    before, message, after = around_message(tokenizer, prompt)
    for how, what, corrupted, steps in proposed_texts(message, answer, foil):
        yield how, what, f"{before}{corrupted}{after}", [f"{before}{s}{after}" for s in steps]


def judge(proposed: Sequence[Candidate], measure: Measure) -> Judgement:
    """The candidate to use: the most preferred kind that works, in it the largest fall.

    ``measure`` gets contrasts that all have one clean prompt, and returns the metric on the clean
    and on the corrupted prompt for each. A candidate works when the metric falls by at least
    ``LEAST_FALL`` of its clean value, a replaced verb only when it falls below zero. Replaced words
    and verbs, which are many, are measured only when nothing better works.

    **Cost** at most two calls of ``measure``.
    **Raises** ``CorruptionError`` when there is no candidate or none works, ``BehaviourError`` when
    the clean metric is not positive.
    """
    if not proposed:
        raise CorruptionError(
            "No corrupted prompt could be made: neither answer nor foil stands in the prompt, and "
            "no word of it has a counterpart of as many tokens in the word lists "
            f"({', '.join(SETS)}, plural, gender, opposite). {by_hand(None)}"
        )
    table: list[Judged] = []
    for late in (False, True):
        some = [one for one in proposed if (one.how in LATE) is late]
        if not some:
            continue
        values = measure([one.contrast for one in some])
        table += [Judged(one, *map(float, pair)) for one, pair in zip(some, values, strict=True)]
        check_behaviour(table[0])
        table.sort(key=lambda one: (ORDER.index(one.candidate.how), -one.drop))
        works = [one for one in table if one.verdict != "falls too little"]
        if works:
            return Judgement(works[0].candidate, tuple(table))
    raise _none(table)


def most_changing(proposed: Sequence[Candidate], measure: Measure) -> Candidate:
    """The corrupted prompt to use where the answer is not preferred, so that nothing can fall.

    Of those that move the metric by at least ``LEAST_FALL`` of its clean value, either way, the
    most preferred kind, in it the one that moves it most; no replaced verbs.

    **Cost** one call of ``measure``.
    **Raises** ``CorruptionError`` when none does.
    """
    values = measure([one.contrast for one in proposed])
    table = [Judged(one, *map(float, pair)) for one, pair in zip(proposed, values, strict=True)]
    table.sort(key=lambda one: (ORDER.index(one.candidate.how), -abs(one.drop)))
    for one in table:
        enough = abs(one.drop) >= LEAST_FALL * abs(one.clean) and one.drop
        if enough and one.candidate.how != "replace verb":
            return one.candidate
    raise _none(table)


def judgings(proposed: Sequence[Candidate]) -> int:
    """How often ``judge`` and ``most_changing`` together call their measure at most."""
    return len({one.how in LATE for one in proposed}) + 1


def _none(table: list[Judged]) -> CorruptionError:
    """That nothing works, with everything that was tried."""
    table.sort(key=lambda one: -one.drop)
    tried = tuple(str(one.candidate.contrast.corrupted) for one in table)
    return CorruptionError(none_works(table), tried=tried)


def check_behaviour(judged: Judged) -> None:
    """The clean metric is positive, so that there is something to take away."""
    if judged.clean > 0:
        return
    contrast = judged.candidate.contrast
    raise BehaviourError(
        f"The clean metric is {judged.clean:.3g}: after {contrast.clean!r} the model does not "
        f"prefer {contrast.answer!r} to {contrast.foil!r}, so no corrupted prompt can take that "
        "away. Exchange answer and foil, or ask something that the model does.",
        metric=judged.clean,
    )


def none_works(tried: Sequence[Judged]) -> str:
    """What was tried, the largest fall first, the bar, and what to do."""
    clean, lines = tried[0].clean, []
    for one in tried[:8]:
        what = f"{one.candidate.how}: {one.candidate.what}"
        lines.append(f"  {what}: {one.clean:.3g} -> {one.corrupted:.3g}")
    if len(tried) > 8:
        lines.append(f"  and {len(tried) - 8} more")
    listed = "\n".join(lines)
    if clean > 0:
        bar = (
            f"takes away {LEAST_FALL:.0%} of the clean metric ({clean:.3g}, so at most "
            f"{clean * (1 - LEAST_FALL):.3g} may be left)"
        )
    else:
        bar = (
            f"moves the clean metric by {LEAST_FALL:.0%} ({clean:.3g}: the model prefers the foil; "
            "perhaps exchange answer and foil)"
        )
    starts = [
        one.candidate.contrast for one in tried
        if one.candidate.how != "replace verb" and one.drop >= _WORTH_A_START * abs(clean)
    ]  # fmt: skip
    return (
        f"None of {len(tried)} corrupted prompts {bar}:\n{listed}\n"
        f"{by_hand(starts[0] if starts else None)}"
    )


def by_hand(contrast: Contrast | None) -> str:
    """How to give a corrupted prompt oneself."""
    if contrast is None:
        return (
            'Give one: corrupted="..." with the same number of tokens as the prompt, in which '
            "the word that decides between answer and foil is another one."
        )
    return (
        f"Give one: corrupted={contrast.corrupted!r} is the best of these; write it with the "
        f"deciding word changed so that {contrast.foil!r} follows, in as many tokens."
    )
