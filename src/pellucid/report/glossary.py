"""Every term of art in a sentence or two: ``glossary.json``, for the page, the report and the docs.

``python -m pellucid.report.glossary`` writes ``docs/glossary.md``; ``make web`` puts the terms into
the page. A test holds all three together.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

GLOSSARY = Path(__file__).with_name("glossary.json")
_HEAD = """# Glossary

The words of the pages, the reports and the app, each in a sentence or two. In the app and in a
report a word with a dotted line under it opens this list at its place.
"""


@dataclass(frozen=True)
class GlossaryTerm:
    """A word of the field, what it says, and the other forms in which it is written."""

    term: str
    says: str
    also: tuple[str, ...]


@cache
def terms() -> tuple[GlossaryTerm, ...]:
    """All of them, in the order of the alphabet."""
    found = json.loads(GLOSSARY.read_text(encoding="utf-8"))
    return tuple(GlossaryTerm(one["term"], one["says"], tuple(one["also"])) for one in found)


def terms_in(texts: Iterable[str]) -> tuple[GlossaryTerm, ...]:
    """Those that stand in any of ``texts``, as whole words."""
    text = "\n".join(texts)
    return tuple(one for one in terms() if _words(one).search(text))


def _words(one: GlossaryTerm) -> re.Pattern[str]:
    forms = "|".join(re.escape(form) for form in (one.term, *one.also))
    return re.compile(rf"\b(?:{forms})\b", re.IGNORECASE)


def as_markdown() -> str:
    """The page of the docs."""
    rows = (f"| **{one.term}** | {one.says} |" for one in terms())
    return "\n".join((_HEAD, "| term | what it is |", "|---|---|", *rows)) + "\n"


if __name__ == "__main__":
    Path("docs/glossary.md").write_text(as_markdown(), encoding="utf-8")
