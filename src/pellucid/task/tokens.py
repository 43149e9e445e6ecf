"""Text to token ids and back, with an error wherever a tokenizer would quietly do something else.

A *prompt* is tokenised by the tokenizer's own habit, special tokens included. A *continuation*
(an answer or a foil) is tokenised on its own and its ids are appended to the prompt's, so that the
prompt's tokens are the same whatever follows them. Tokenizers of the sentencepiece kind put a
space before any text given on its own; for them the continuation is read behind a newline instead,
so that " Mary" is the piece that really follows a word and "Mary" the one that really does not.
"""

import reprlib
from collections.abc import Iterable, Mapping, Sequence, Set
from difflib import get_close_matches
from operator import index
from typing import Any, Protocol, runtime_checkable

from pellucid.arguments import is_text
from pellucid.errors import TokenError
from pellucid.task.spelling import bytes_label

WORD_MARKS = ("Ġ", "▁", "##")
"""How vocabularies write "a space comes first" or "no space comes first" inside a piece."""


@runtime_checkable
class Tokenizer(Protocol):
    """The part of a Hugging Face tokenizer that is used here."""

    def __call__(self, text: Any, *args: Any, **kwargs: Any) -> Any:
        """Tokenise; the result has ``input_ids``."""

    def decode(self, token_ids: Any, *args: Any, **kwargs: Any) -> Any:
        """Text of the ids."""

    def convert_ids_to_tokens(self, ids: Any, *args: Any, **kwargs: Any) -> Any:
        """Vocabulary entries of the ids."""

    def __len__(self) -> int: ...

    def get_vocab(self) -> dict[str, int]:
        """Every vocabulary entry with its id."""


def prompt_ids(
    prompt: str | Sequence[int],
    tokenizer: Tokenizer | None,
    *,
    name: str = "prompt",
    vocab_size: int | None = None,
) -> tuple[int, ...]:
    """Ids of a prompt: a string by the tokenizer's own habit, ids as they are.

    **Raises** ``TokenError`` for an empty prompt, an id outside the vocabulary, a word that the
    tokenizer does not know, a string without a tokenizer, and a tokenizer that closes the prompt
    with its end token.
    """
    if not isinstance(prompt, str):
        return checked_ids(prompt, tokenizer, name=name, vocab_size=vocab_size)
    tokenizer = needed(tokenizer, prompt, name)
    plain = known(encode(tokenizer, prompt), prompt, tokenizer, name)
    ids = tuple(tokenizer(prompt)["input_ids"])
    if not plain:
        raise TokenError(
            f"The {name} {prompt!r} gives no tokens. Give at least one token of context."
        )
    end = getattr(tokenizer, "eos_token_id", None)
    if ids[-1] == end and plain[-1] != end:
        raise TokenError(
            f"The tokenizer closes the {name} {prompt!r} with its end token "
            f"{label(tokenizer, ids[-1])!r}, so that nothing can be asked after it. Set "
            "tokenizer.add_eos_token = False, or give the prompt as ids."
        )
    return checked_ids(ids, tokenizer, name=name, vocab_size=vocab_size)


def continuation_ids(
    text: str | int | Sequence[int],
    tokenizer: Tokenizer | None,
    *,
    name: str = "answer",
    vocab_size: int | None = None,
) -> tuple[int, ...]:
    """Ids of an answer or foil as they follow a prompt; an id or ids are taken as they are.

    **Raises** ``TokenError`` as ``prompt_ids`` does.
    """
    if isinstance(text, int):
        return checked_ids((text,), tokenizer, name=name, vocab_size=vocab_size)
    if not isinstance(text, str):
        return checked_ids(text, tokenizer, name=name, vocab_size=vocab_size)
    tokenizer = needed(tokenizer, text, name)
    ids = known(following(tokenizer, text), text, tokenizer, name)
    if not ids:
        raise TokenError(
            f"The {name} {text!r} gives no tokens. Give a {name} of at least one token, "
            f'with the space that separates it from the prompt, such as " Mary".'
        )
    return checked_ids(ids, tokenizer, name=name, vocab_size=vocab_size)


def token_id(
    tokenizer: Tokenizer | None, text_or_id: str | int, *, vocab_size: int | None = None
) -> int:
    """The id of exactly one token, for the places where a sequence has no meaning.

    **Raises** ``TokenError`` listing the pieces and the nearest single tokens when the text is
    several tokens.
    """
    ids = continuation_ids(text_or_id, tokenizer, name="token", vocab_size=vocab_size)
    if len(ids) == 1:
        return ids[0]
    assert tokenizer is not None
    assert isinstance(text_or_id, str)
    near = nearest_single(tokenizer, text_or_id)
    raise TokenError(
        f"{text_or_id!r} must be one token here, and is {len(ids)}: {listing(tokenizer, ids)}. "
        + (f"Nearest single tokens: {', '.join(map(repr, near))}. " if near else "")
        + "Give one of these, or the id of the token that is meant.",
        pieces=labels(tokenizer, ids),
        nearest=tuple(near),
    )


def labels(tokenizer: Tokenizer | None, ids: Iterable[int]) -> tuple[str, ...]:
    """What each token looks like in running text, leading space included.

    A token that is only part of a character is shown as its bytes, ``\\xf0\\x9f``; without a
    tokenizer the id itself is shown, and ``<id 151900>`` for an id that the tokenizer does not
    have, though the embedding has a row for it.
    """
    seen: dict[int, str] = {}
    return tuple(
        seen[i] if i in seen else seen.setdefault(i, label(tokenizer, i)) for i in map(int, ids)
    )


def label(tokenizer: Tokenizer | None, token: int) -> str:
    """``labels`` of one token."""
    if tokenizer is None:
        return str(token)
    piece = tokenizer.convert_ids_to_tokens(token)
    if not piece:
        return f"<id {token}>"  # a row of the embedding that the vocabulary does not reach
    # Decoding a token alone loses its leading space in sentencepiece; behind another it does not.
    before = following(tokenizer, "a")
    start, both = (read(tokenizer, (*before, *more)) for more in ((), (token,)))
    text = both[len(start) :] if both.startswith(start) else ""
    if text and "\ufffd" not in text:
        return text
    return bytes_label(str(piece), read(tokenizer, [token]))


def listing(tokenizer: Tokenizer | None, ids: Iterable[int]) -> str:
    """Tokens side by side, for messages: ``' Den' | 'ied'``."""
    return " | ".join(map(repr, labels(tokenizer, ids)))


SINGLE = ", a single token?"
"""How a hint ends that proposes another spelling."""


def spaced_hint(tokenizer: Tokenizer | None, text: object, name: str) -> str | None:
    """A note when the text has no leading space and would be one token with it."""
    # Digits go on a number, and signs on what is before them; a letter rarely does.
    if tokenizer is None or not isinstance(text, str) or not text[:1].isalpha():
        return None
    spaced, unknown = " " + text, getattr(tokenizer, "unk_token_id", None)
    ids = following(tokenizer, spaced)
    if len(ids) != 1 or ids[0] == unknown:
        return None
    bare = following(tokenizer, text)
    if bare == ids:
        return None  # the tokenizer splits at spaces, so that it makes no difference
    found = (
        f"is {len(bare)} tokens ({listing(tokenizer, bare)})" if len(bare) > 1 else "has no space"
    )
    return f"The {name} {text!r} {found}; did you mean {spaced!r}{SINGLE}"


def is_templated(tokenizer: Tokenizer | None, prompt: object) -> bool:
    """Whether a prompt holds special tokens written out, as a chat template writes them."""
    special = getattr(tokenizer, "all_special_tokens", None) or ()
    return isinstance(prompt, str) and any(token in prompt for token in special)


def doubled_start(tokenizer: Tokenizer | None, prompt: object, name: str) -> str | None:
    """A note when a prompt spells out the beginning token and the tokenizer adds another."""
    bos = getattr(tokenizer, "bos_token_id", None)
    if tokenizer is None or bos is None or not isinstance(prompt, str):
        return None
    if tuple(tokenizer(prompt)["input_ids"][:2]) != (bos, bos):
        return None
    start = str(getattr(tokenizer, "bos_token", ""))
    return (
        f"The {name} prompt begins with {start!r}, and the tokenizer puts another before it: the "
        f"model reads two. Leave {start!r} out of the text, as Contrast.chat does."
    )


def nearest_single(tokenizer: Tokenizer, text: str, most: int = 5) -> list[str]:
    """Single tokens that look like ``text``: other case or spacing first, then close spellings."""
    bare = text.strip()
    forms = (" " + bare, bare, " " + bare.capitalize(), " " + bare.lower(), bare.lower())
    found = [form for form in dict.fromkeys(forms) if len(following(tokenizer, form)) == 1]
    words: dict[str, int] = {}
    for piece, token in tokenizer.get_vocab().items():
        word = piece.lstrip("".join(WORD_MARKS))
        if word[:1] == bare[:1] and abs(len(word) - len(bare)) <= 2:
            words.setdefault(word, token)
    close = get_close_matches(bare, words, n=most, cutoff=0.6)
    found += [label(tokenizer, words[word]) for word in close]
    return list(dict.fromkeys(form for form in found if form != text))[:most]


def following(tokenizer: Tokenizer, text: str) -> tuple[int, ...]:
    """Ids of ``text`` as they would come after other text."""
    own = encode(tokenizer, text)
    break_, letter = encode(tokenizer, "\n"), encode(tokenizer, "a")
    if encode(tokenizer, "\na") == break_ + letter:
        return own  # nothing is put before a text that stands alone
    joint = encode(tokenizer, "\n" + text)
    return joint[len(break_) :] if joint[: len(break_)] == break_ else own


def encode(tokenizer: Tokenizer, text: str) -> tuple[int, ...]:
    """Ids of ``text`` with no special tokens added."""
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])


def read(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    """Text of ``ids``, spaces as they are."""
    return str(tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))


def checked_ids(
    ids: Iterable[int], tokenizer: Tokenizer | None, *, name: str, vocab_size: int | None
) -> tuple[int, ...]:
    """``ids`` as a tuple, none of them outside the vocabulary."""
    ids = whole_numbers(ids, name)
    if not ids:
        raise TokenError(f"The {name} is empty. Give at least one token.")
    size = vocab_size if vocab_size is not None else vocabulary_size(tokenizer, max(ids))
    for place, i in enumerate(ids):
        if i < 0 or (size is not None and i >= size):
            limit = "0 or more" if size is None else f"0 to {size - 1}"
            raise TokenError(
                f"Id {i} at place {place} of the {name} is outside the vocabulary (ids are "
                f"{limit}). Check that the ids come from this model's own tokenizer."
            )
    return ids


def whole_numbers(ids: Iterable[int], name: str) -> tuple[int, ...]:
    """``ids`` as plain integers.

    **Raises** ``TokenError`` for anything that is not one list of whole numbers.
    """
    listed = ids.tolist() if hasattr(ids, "tolist") else ids
    try:
        if isinstance(listed, bytes | bytearray | Set | Mapping):
            raise TypeError(f"a {type(ids).__name__} is no list")
        found = tuple(listed)
        if any(isinstance(i, bool) for i in found):
            raise TypeError("True and False are no ids")
        return tuple(index(i) for i in found)
    except TypeError as error:
        raise TokenError(
            f"The {name} is {reprlib.repr(ids)}: {error}. Give a string, or one list of token ids."
        ) from error


def vocabulary_size(tokenizer: Tokenizer | None, largest: int) -> int | None:
    """The tokenizer's number of ids; exact when ``largest`` does not clearly fit."""
    if tokenizer is None:
        return None
    count = len(tokenizer)
    # A vocabulary with holes has ids above its count; building the whole table is slow.
    return count if largest < count else max(tokenizer.get_vocab().values()) + 1


def needed(tokenizer: Tokenizer | None, text: str, name: str) -> Tokenizer:
    """The tokenizer, or an error saying why the string cannot be read."""
    if tokenizer is None:
        raise TokenError(
            f"The {name} {text!r} is a string, and there is no tokenizer to read it. "
            "Give token ids, or open the model with tokenizer= (--tokenizer on the command line)."
        )
    if not is_text(text):
        raise TokenError(
            f"The {name} {text!r} holds half a character (a lone surrogate), which no tokenizer "
            "reads. Take it out."
        )
    return tokenizer


def known(ids: tuple[int, ...], text: str, tokenizer: Tokenizer, name: str) -> tuple[int, ...]:
    """``ids``, none of them the unknown token unless the text spells it out."""
    unknown = getattr(tokenizer, "unk_token_id", None)
    if unknown is None or unknown not in ids or str(getattr(tokenizer, "unk_token", "")) in text:
        return ids
    hint = None if name.endswith("prompt") else spaced_hint(tokenizer, text, name)
    raise TokenError(
        f"The {name} {text!r} holds something that the tokenizer does not know (token "
        f"{ids.index(unknown)} of {listing(tokenizer, ids)}). "
        + (hint or "Use other words, or give ids if the unknown token is meant."),
        pieces=labels(tokenizer, ids),
    )
