r"""Text of a prompt where it is read and copied: nothing unseen in it, and nothing of it lost.

``on_one_line``, ``safely``   for reading: what cannot be seen is shown by its escape, as ``\x1b``
``in_quotes``, ``python_call``   as Python writes it; evaluates to the same text
``shell_command``             for a POSIX shell (sh, dash, bash, zsh); gives the same words

Unseen are control characters, those that turn the direction of writing, and whatever has no width.
What is to be copied is broken where a break changes nothing, in lines that no page breaks again.
Of several spaces all but the first are escaped, since pages and paper draw them as one.
"""

import shlex
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

WIDTH = 76
"""Columns of what is to be copied."""
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"
"""Of no width, and parts of words and pictures; shown where text is read, escaped where copied."""
_NAMED = {"\n": r"\n", "\t": r"\t", "\r": r"\r"}


def on_one_line(text: str) -> str:
    """``text`` with everything unseen in it shown by its escape, line breaks too."""
    return "".join(_escape(c) if _unseen(c) and c not in _JOINERS else c for c in text)


def safely(text: str) -> str:
    """``text`` in its lines, with everything else that is unseen shown by its escape."""
    return "\n".join(map(on_one_line, text.split("\n")))


def in_quotes(text: str) -> str:
    """``text`` in double quotes, as Python writes it: it evaluates to ``text``."""
    return f'"{_inside(text)}"'


def literal(text: str, width: int = WIDTH) -> str:
    """``text`` as Python, in strings side by side, each on a line of its own."""
    return "\n".join(f'"{_inside(chunk, first)}"' for chunk, first in _chunks(text, width))


def python_call(name: str, arguments: Iterable[tuple[str, str]]) -> str:
    """A call with arguments, by name or (with an empty one) without, on lines of their own."""
    listed = [f"{own}={value}" if own else value for own, value in arguments]
    return _enclosed(f"{name}(", listed, ")")


def python_list(items: Sequence[str]) -> str:
    """A list of what is Python already."""
    return _enclosed("[", items, "]")


def _enclosed(opening: str, items: Sequence[str], closing: str) -> str:
    """Items on one line where they fit, else each on lines of its own."""
    short = f"{opening}{', '.join(items)}{closing}"
    if len(short) <= WIDTH and "\n" not in short:
        return short
    lines = [f"    {line}" for item in items for line in f"{item},".split("\n")]
    return "\n".join([opening, *lines, closing])


def shell_command(words: Sequence[str]) -> str:
    """``words`` for a POSIX shell; where they fill several lines, every option begins one.

    **Raises** ``ValueError`` for a word that no shell can be given: one that holds NUL.
    """
    lines = [""]
    for word in words:
        first, *rest = shell_word(word).split("\n")
        full = len(lines[-1]) + len(first) + 3 > WIDTH
        option = word.startswith("--") and len(lines) > 1
        if lines[-1].strip() and (full or option):
            lines[-1] += " \\"
            lines.append(" ")
        lines[-1] += f" {first}" if lines[-1] else first
        lines += rest
    return "\n".join(lines)


def shell_word(text: str) -> str:
    r"""``text`` as one word of a POSIX shell; a long one is joined from lines ending in ``\``.

    What is unseen goes through ``printf``, which POSIX has, unlike bash's ``$'...'``.

    **Raises** ``ValueError`` for NUL.
    """
    if "\0" in text:
        raise ValueError("a word of a command cannot hold NUL")
    if not any(_must_escape(text, at) for at in range(len(text))):
        chunks = [shlex.quote(chunk) for chunk, _ in _chunks(text, WIDTH)]
        return "\\\n".join(chunks)
    body = text.rstrip("\n")  # which a command substitution drops
    chunks = [f"'{_octal(chunk, first)}'" for chunk, first in _chunks(body, WIDTH - 12)]
    ends = "\n" * (len(text) - len(body))
    return f'"$(printf {_JOIN.join(chunks)}){ends}"'


_JOIN = "\\\n"


def _octal(text: str, first: bool) -> str:
    """What ``printf`` writes as ``text``."""
    found = []
    for at, c in enumerate(text):
        unsafe = _must_escape(text, at) or c in "\\%'" or (c == "-" and at == 0 and first)
        if c in ("\n", "\t"):
            found.append(_NAMED[c])
        elif unsafe:
            found += [f"\\{byte:03o}" for byte in c.encode("utf-8", "surrogateescape")]
        else:
            found.append(c)
    return "".join(found)


def _inside(text: str, first: bool = True) -> str:
    """``text`` as it stands between double quotes."""
    found = []
    for at, c in enumerate(text):
        if c in '\\"':
            found.append(f"\\{c}")
        else:
            found.append(_escape(c) if _must_escape(text, at) else c)
    return "".join(found)


def _must_escape(text: str, at: int) -> bool:
    """Whether a character is unseen, or a space behind another white character."""
    c = text[at]
    return _unseen(c) or (c.isspace() and (c != " " or (at > 0 and text[at - 1].isspace())))


def _unseen(c: str) -> bool:
    return unicodedata.category(c) in _UNSEEN


def _escape(c: str) -> str:
    if c in _NAMED:
        return _NAMED[c]
    code = ord(c)
    if code < 256:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


def _chunks(text: str, width: int) -> Iterator[tuple[str, bool]]:
    """``text`` in pieces that are at most ``width`` long once escaped, and whether it is the first.

    They end behind a space where there is one, and never between two.
    """
    begin = 0
    while begin == 0 or begin < len(text):
        end = begin + _that_fit(text[begin:], width)
        space = text.rfind(" ", begin, end)
        if end < len(text) and space > begin and not text[space + 1].isspace():
            end = space + 1
        yield text[begin:end], begin == 0
        if end == begin:
            return
        begin = end


def _that_fit(text: str, width: int) -> int:
    """How many characters fit; at least one."""
    room = width
    for at, c in enumerate(text):
        escaped = _must_escape(text, at) or c in "\\\"'%"
        room -= 4 * len(c.encode("utf-8", "replace")) if escaped else 1
        if room < 0:
            return max(at, 1)
    return len(text)
