"""What each token of a prompt is, so that the labels put together spell the prompt.

1. Special tokens are labelled by their own name; the text between them is read piece by piece.
2. A token whose text ends on a whole character is labelled by what it adds to the text before it.
3. Tokens that share a character (an emoji in a byte-level vocabulary) are labelled by their bytes,
   ``\\xf0\\x9f``; those bytes put together spell the character.
"""

from collections.abc import Iterator, Sequence

from pellucid.task.spelling import bytes_label
from pellucid.task.tokens import Tokenizer, read

BROKEN = "\ufffd"
"""What a tokenizer decodes to where bytes are not yet a character."""


def token_labels(tokenizer: Tokenizer | None, ids: Sequence[int]) -> tuple[str, ...]:
    """One label a token; without a tokenizer its number.

    **Assumes** that decoding ids together gives the text they came from; a tokenizer that changes
    text (lower case, say) is labelled by the changed text.
    """
    if tokenizer is None:
        return tuple(map(str, ids))
    special = set(getattr(tokenizer, "all_special_ids", ()))
    found: list[str] = []
    for run in _runs(ids, special):
        one = run[0] in special
        found += [_entry(tokenizer, run[0])] if one else _spelled(tokenizer, run)
    return tuple(found)


def _runs(ids: Sequence[int], special: set[int]) -> Iterator[list[int]]:
    """Special tokens one by one, and what stands between them together."""
    run: list[int] = []
    for i in map(int, ids):
        if i not in special:
            run.append(i)
            continue
        if run:
            yield run
        yield [i]
        run = []
    if run:
        yield run


def _spelled(tokenizer: Tokenizer, ids: list[int]) -> list[str]:
    found: list[str] = []
    text = ""
    for end in range(1, len(ids) + 1):
        longer = read(tokenizer, ids[:end])
        waiting = ids[len(found) : end]
        if not longer.startswith(text) or longer.endswith(BROKEN):
            continue
        added = longer[len(text) :]
        whole = len(waiting) == 1 and BROKEN not in added
        found += [added] if whole else [_bytes_label(tokenizer, i) for i in waiting]
        text = longer
    return found + [_bytes_label(tokenizer, i) for i in ids[len(found) :]]


def _bytes_label(tokenizer: Tokenizer, token: int) -> str:
    return bytes_label(_entry(tokenizer, token), read(tokenizer, [token]))


def _entry(tokenizer: Tokenizer, token: int) -> str:
    return str(tokenizer.convert_ids_to_tokens(token))
