"""The foil that the page offers first: the strongest token that could stand in the answer's place.

The second likeliest token is often "the" or a comma, and what a part does for a name against a
comma says little about the name. A rival is of the answer's kind: a word of the same list that the
prompt names, then any of that list, then a name in the prompt, then any word of the same shape. The
likeliest of the first sort that there is is taken; where there is none, the second likeliest token.
"""

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

from pellucid.model.model import Model
from pellucid.task.tokens import label
from pellucid.task.words import CAPITALS, MEN, WOMEN

_LOOKED_AT = 200
"""Likeliest tokens among which a rival is looked for."""
_LISTS = (
    frozenset((*WOMEN, *MEN)),
    frozenset(CAPITALS.values()),
    frozenset(CAPITALS),
    frozenset(("he", "she", "they")),
    frozenset(("is", "are")),
    frozenset(("was", "were")),
)
_SHORTEST = 2
"""Letters that a rival has at least, where the answer has as many."""


def strongest_rival(
    model: Model, logits: Float[Tensor, " d_vocab"], prompt: Sequence[str]
) -> dict[str, Any]:
    """The foil to the likeliest token, with its probability and why it was chosen.

    ``prompt`` are the prompt's tokens as text.
    """
    best = logits.softmax(-1).topk(min(_LOOKED_AT, len(logits)))
    ids, chances = best.indices.tolist(), best.values.tolist()
    words = [label(model.tokenizer, token) for token in ids]
    place, why = rival_among(words, prompt)
    return {"id": ids[place], "token": words[place], "probability": chances[place], "why": why}


def rival_among(words: Sequence[str], prompt: Sequence[str]) -> tuple[int, str]:
    """Which of ``words``, likeliest first, is held against the first, and why."""
    answer = words[0]
    alike = [i for i, word in enumerate(words) if i and _shape(word) == _shape(answer)]
    said = {word.strip() for word in prompt}
    lists = [names for names in _LISTS if answer.strip() in names]
    other = [i for i in alike if not _same(words[i], answer)]
    listed = [i for i in other if any(words[i].strip() in names for names in lists)]
    both = [i for i in listed if words[i].strip() in said]
    for why, found in (
        ("of the answer's kind, and in the prompt", both),
        ("of the answer's kind", listed),
        ("a name in the prompt", [i for i in other if _named(words[i].strip(), said)]),
        ("the likeliest word of the answer's shape", other),
    ):
        if found:
            return found[0], why
    return min(1, len(words) - 1), "the second likeliest"


def _shape(word: str) -> tuple[bool, str, bool]:
    """Whether a space comes first, what kind of letter begins the word, whether it is longer."""
    text = word.strip()
    first = text[:1]
    kinds = {"upper": first.isupper(), "lower": first.isalpha(), "digit": first.isdigit()}
    kind = next((name for name, is_it in kinds.items() if is_it), "other")
    return word[:1].isspace(), kind, len(text) >= _SHORTEST


def _named(word: str, said: set[str]) -> bool:
    return word in said and word[:1].isupper()


def _same(one: str, other: str) -> bool:
    """Whether one is the other in another case, or its beginning, as "Par" is of "Paris"."""
    a, b = one.strip().lower(), other.strip().lower()
    return a.startswith(b) or b.startswith(a)
