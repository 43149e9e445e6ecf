"""Drawing different contrasts from the words that are one token in a tokenizer."""

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import TypeVar

from pellucid.errors import TaskError, TokenError
from pellucid.task.contrast import Contrast, ContrastBatch
from pellucid.task.tokens import Tokenizer, encode, following

T = TypeVar("T")
_PATIENCE = 2000
"""Draws in a row that may bring nothing new."""


def distinct(name: str, draw: Callable[[Random], Contrast], n: int, seed: int) -> ContrastBatch:
    """``n`` different contrasts drawn from ``seed``; the same seed gives the same ones.

    **Raises** ``TaskError`` when there are not so many.
    """
    if n < 1:
        raise TaskError(f"{n} contrasts of {name!r} were asked for. Ask for at least one.")
    rng = Random(seed)
    found: dict[Contrast, None] = {}
    idle = 0
    while len(found) < n and idle < _PATIENCE:
        one = draw(rng)
        idle = idle + 1 if one in found else 0
        found[one] = None
    if len(found) == n:
        return ContrastBatch(tuple(found), name=name)
    raise TaskError(
        f"Only {len(found)} different contrasts of {name!r} were found for this tokenizer, and {n} "
        "were asked for. Ask for fewer."
    )


def single(tokenizer: Tokenizer, words: Iterable[str], least: int) -> list[str]:
    """Those of the words that are one token behind a space, with that space; at least ``least``."""
    words = [" " + word for word in words]
    return enough([word for word in words if is_single(tokenizer, word)], least, words)


def single_pairs(
    tokenizer: Tokenizer, pairs: Iterable[tuple[str, str]], least: int
) -> list[tuple[str, str]]:
    """``single`` for pairs of which both words must be one token."""
    pairs = [(" " + one, " " + two) for one, two in pairs]
    kept = [pair for pair in pairs if all(is_single(tokenizer, word) for word in pair)]
    return enough(kept, least, pairs)


def is_single(tokenizer: Tokenizer, text: str) -> bool:
    """Whether the text is one known token inside a sentence."""
    ids = following(tokenizer, text)
    return len(ids) == 1 and ids[0] != getattr(tokenizer, "unk_token_id", None)


def enough(kept: list[T], least: int, of: Sequence[T]) -> list[T]:
    """``kept``, or an error when there are fewer than ``least``."""
    if len(kept) >= least:
        return kept
    raise TokenError(
        f"The task needs {least} words that are one token in this tokenizer, and of {of[0]!r}, "
        f"{of[1]!r}, ... ({len(of)} in all) only {len(kept)} are. Choose another task, or write "
        "the contrasts yourself."
    )


def split_year(tokenizer: Tokenizer, century: str, rest: str) -> tuple[int, ...] | None:
    """Tokens of ``rest`` when a year is those of " 17" and then those of "43", else None."""
    after = following(tokenizer, rest)
    whole = encode(tokenizer, f"year {century}{rest}")
    return after if whole == encode(tokenizer, f"year {century}") + after else None


def whole_words(tokenizer: Tokenizer) -> list[int]:
    """Ids of plain lower-case words that begin with a space."""
    marks = ("Ġ", "▁")
    return sorted(
        token
        for piece, token in tokenizer.get_vocab().items()
        if piece[:1] in marks
        and len(piece) > 3
        and piece[1:].isascii()
        and piece[1:].islower()
        and piece[1:].isalpha()
    )


def plain_tokens(tokenizer: Tokenizer) -> list[int]:
    """Every id that is not a special token."""
    special = set(getattr(tokenizer, "all_special_ids", ()))
    return sorted(set(tokenizer.get_vocab().values()) - special)
