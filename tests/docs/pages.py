"""The project's pages as data: their blocks of code, links, headings and what blocks print."""

import re
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
FENCE = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]\d+)?%?")


@dataclass(frozen=True)
class Block:
    """One fenced block, and the ``text`` block right behind it, which is what it prints."""

    page: Path
    line: int
    kind: str
    title: str
    code: str
    prints: str | None


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    found = list(FENCE.finditer(text))
    listed = []
    for this, after in zip_longest(found, found[1:]):
        next_to = after is not None and not text[this.end() : after.start()].strip()
        title = re.search(r'title="([^"]*)"', this[2])
        listed.append(
            Block(
                page=page,
                line=text.count("\n", 0, this.start()) + 2,
                kind=this[1],
                title=title[1] if title else "",
                code=this[3],
                prints=after[3] if next_to and after[1] == "text" else None,
            )
        )
    return listed


def prose(page: Path) -> str:
    """The page without its blocks."""
    return FENCE.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """What ``#...`` can point at: the headings, as they are spelled in links."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings
    }


def same_output(shown: str, printed: str) -> bool:
    """Whether the words are equal and the numbers close; a line ``...`` stands for any lines."""
    want, found = (
        [line.strip() for line in text.strip().splitlines()] for text in (shown, printed)
    )
    if "..." in want:
        cut = want.index("...")
        head, tail = want[:cut], want[cut + 1 :]
        if len(found) < len(head) + len(tail):
            return False
        return same_lines(head, found[: len(head)]) and same_lines(
            tail, found[len(found) - len(tail) :]
        )
    return same_lines(want, found)


def same_lines(shown: list[str], printed: list[str]) -> bool:
    one, other = ("\n".join(lines) for lines in (shown, printed))
    words, found = (" ".join(NUMBER.sub("#", text).split()) for text in (one, other))
    numbers = zip(NUMBER.findall(one), NUMBER.findall(other), strict=False)
    return words == found and all(close(*pair) for pair in numbers)


def close(shown: str, printed: str) -> bool:
    """Equal if whole; else within 1 %, and never nearer than the last digits of another CPU."""
    if shown.endswith("%") or printed.endswith("%"):
        return abs(float(shown.rstrip("%")) - float(printed.rstrip("%"))) <= 1
    if "." not in shown:
        return shown == printed
    return abs(float(shown) - float(printed)) <= max(0.02, 0.01 * abs(float(shown)))
