"""A result as Markdown: what is said about it, and its table."""

import re
from collections.abc import Iterator
from typing import Any

import pandas as pd

from pellucid.report.glossary import terms_in
from pellucid.results.disk.ours import WRITTEN_BY
from pellucid.results.prose import command_in, plain
from pellucid.results.quoting import on_one_line
from pellucid.results.result import Result
from pellucid.results.views import shows

_LONG = 40
"""Rows of a table that is not folded."""
SPECIAL = str.maketrans({c: f"\\{c}" for c in "\\`*_[]<>|#&~$"})


@shows(Result, "markdown")
def markdown(result: Result) -> str:
    """The story of a result, and the table of its ``to_frame``."""
    return "\n".join(_lines(result)) + "\n"


def _lines(result: Result) -> Iterator[str]:
    yield f"# Pellucid: {type(result).__name__}"
    for one in result.story():
        yield from ("", f"## {one.title}", "")
        for sentence in one.sentences:
            command = command_in(sentence)
            yield from [f"- {_quoted(plain(sentence))}"] if command is None else _code(command)
    frame = getattr(result, "to_frame", None)
    if frame is not None:
        yield from ("", "## Table", "", *_folded(frame()))
    said = (plain(sentence) for one in result.story() for sentence in one.sentences)
    if words := terms_in(said):
        yield from ("", "## Glossary", "")
        yield from (f"- **{one.term}**: {one.says}" for one in words)
    yield from ("", f"<!-- {WRITTEN_BY} -->")


def _code(command: str) -> Iterator[str]:
    """A block in which nothing is taken for markup, fenced by more ticks than are in it."""
    ticks = max((len(run) for run in re.findall("`+", command)), default=0)
    fence = "`" * max(3, ticks + 1)
    yield from ("", f"{fence}{'sh' if command.startswith('pellucid ') else 'python'}")
    yield from (*command.split("\n"), fence, "")


def _folded(frame: pd.DataFrame) -> Iterator[str]:
    """A table; a long one is folded away where the reader's program can fold."""
    if len(frame) <= _LONG:
        yield from _table(frame)
        return
    yield from ("<details>", f"<summary>{len(frame)} rows</summary>", "")
    yield from (*_table(frame), "", "</details>")


def _table(frame: pd.DataFrame) -> Iterator[str]:
    """A frame as a Markdown table; columns that hold nothing are left out."""
    shown = [column for column in frame.columns if frame[column].notna().any()]
    yield f"| {' | '.join(shown)} |"
    yield f"|{'---|' * len(shown)}"
    for row in frame[shown].astype(object).itertuples(index=False):
        yield f"| {' | '.join(map(_cell, row))} |"


def _quoted(text: str) -> str:
    """Text of which nothing is taken for markup, and in which nothing is unseen."""
    return on_one_line(text).translate(SPECIAL)


def _cell(value: Any) -> str:
    if pd.isna(value):
        return ""
    if isinstance(value, float):
        return f"{value:+.4f}"
    return _quoted(str(value))
