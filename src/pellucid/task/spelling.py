"""The bytes behind a token that is only part of a character.

Byte-level vocabularies write each byte as a letter of its own, sentencepiece ones as ``<0xF0>``.
"""

import re
from functools import cache

FALLBACK = re.compile(r"<0x([0-9A-F]{2})>")


def bytes_label(entry: str, decoded: str) -> str:
    """A vocabulary entry by its bytes, ``\\xf0\\x9f``; those that are whole characters as such.

    ``decoded`` is what the tokenizer makes of the token alone.
    """
    single = FALLBACK.fullmatch(entry)
    if single:
        raw = bytes.fromhex(single[1])
    elif all(letter in _byte_letters() for letter in entry):
        raw = bytes(_byte_letters()[letter] for letter in entry)
        # The same letters may be plain text in another kind of vocabulary.
        if raw.decode("utf-8", "replace") != decoded:
            return entry
    else:
        return entry
    return raw.decode("utf-8", "backslashreplace")


@cache
def _byte_letters() -> dict[str, int]:
    """The letter that stands for each byte in byte-level vocabularies (GPT-2's table).

    Printable bytes stand for themselves; the others follow from U+0100 on, in order.
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {
        chr(0x100 + number): byte for number, byte in enumerate(others)
    }
