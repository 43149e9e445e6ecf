"""Text as it can be drawn: every character visible, none without a glyph.

Tokens hold spaces, newlines, halves of characters and scripts that the fonts at hand may lack. A
character that cannot be drawn is shown by its code point (``U+1F600``), never as an empty box.
"""

import unicodedata
from functools import lru_cache

FALLBACKS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "PingFang SC",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Arial Unicode MS",
    "Noto Sans Devanagari",
    "Noto Sans Symbols 2",
)
"""Used after DejaVu Sans, which matplotlib brings along, where they are installed."""

MARKS = {" ": "␣", "\n": "↵", "\t": "⇥", "\r": "\\r"}
UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@lru_cache(maxsize=1)
def families() -> tuple[str, ...]:
    """The font families that are used, in order; all of them are installed."""
    from matplotlib import font_manager

    installed = set(font_manager.fontManager.get_font_names())
    return ("DejaVu Sans", *(name for name in FALLBACKS if name in installed))


@lru_cache(maxsize=1)
def _files() -> tuple[str, ...]:
    from matplotlib import font_manager

    return tuple(font_manager.findfont(name) for name in families())


@lru_cache(maxsize=1)
def _glyphs() -> frozenset[int]:
    from matplotlib import font_manager

    return frozenset().union(*(font_manager.get_font(file).get_charmap() for file in _files()))


def printable(text: str) -> str:
    """``text`` with every character that cannot be drawn shown by its code point."""
    return "".join(c if c == "\n" or _can_be_drawn(c) else _point(c) for c in text)


def visible(token: str, most: int = 16) -> str:
    r"""A token as a label: spaces and line ends shown, at most ``most`` characters.

    ``␣`` a space, ``↵`` a newline, ``⇥`` a tab, ``\r`` a carriage return, ``∅`` an empty token.
    """
    shown = "".join(MARKS.get(c) or (_point(c) if c.isspace() else c) for c in token)
    shown = printable(shown) or "∅"
    return shown if len(shown) <= most else shown[: most - 1] + "…"


@lru_cache(maxsize=4096)
def width(text: str, size: float) -> float:
    """Width in points of one line of ``text`` set at ``size`` points."""
    from matplotlib import font_manager

    font = font_manager.get_font(_files())
    font.set_size(size, 72)
    font.set_text(text)
    return font.get_width_height()[0] / 64


def widest(texts: list[str], size: float) -> float:
    """Width in points of the widest line among ``texts``; 0 when there are none."""
    return max((width(line, size) for text in texts for line in text.split("\n")), default=0.0)


def wrapped(text: str, size: float, room: float) -> str:
    """``text`` in lines no wider than ``room`` points, broken at spaces where there are any."""
    lines = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}" if line else word
            if line and width(longer, size) > room:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return "\n".join(lines)


def _point(character: str) -> str:
    return f"U+{ord(character):04X}"


def _can_be_drawn(character: str) -> bool:
    return unicodedata.category(character) not in UNSEEN and ord(character) in _glyphs()
