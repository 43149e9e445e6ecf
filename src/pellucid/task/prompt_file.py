"""Contrasts from a file: one a line, with the columns ``clean corrupted answer foil``.

A .csv file begins with the names of its columns, and holds text; the space before an answer is part
of it (``" Mary"``, and a prompt with a comma in quotes). A .jsonl file holds one JSON object a
line, in which prompts may also be lists of token ids and answers ids. Other columns are ignored.
"""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from pellucid.errors import TaskError
from pellucid.task.contrast import Contrast, ContrastBatch

_COLUMNS = ("clean", "corrupted", "answer", "foil")
Line: TypeAlias = tuple[int, Any]
"""The number of a line in the file, and what it holds."""


def read_prompts(path: str | Path) -> ContrastBatch:
    """Every contrast of a .csv or .jsonl file, in order.

    **Cost** no passes; nothing is tokenised.
    **Raises** ``TaskError`` for a file that is missing, unreadable or empty, and for a line that
    lacks a column or is no contrast, naming the line.
    """
    path = Path(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise TaskError(f"{path}: give prompts in a file whose name ends in .csv or .jsonl.")
    try:
        lines = list(reader(path))
    except FileNotFoundError as error:
        raise TaskError(f"There is no file {path}. Check the path.") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TaskError(f"{path} cannot be read: {error}. Give UTF-8 text.") from error
    if not lines:
        raise TaskError(f"{path} holds no prompts. Each takes a line with {', '.join(_COLUMNS)}.")
    contrasts = tuple(_contrast_of(path, number, cells) for number, cells in lines)
    return ContrastBatch(contrasts, name=path.stem)


def _contrast_of(path: Path, number: int, cells: Any) -> Contrast:
    """The contrast of one line.

    **Raises** ``TaskError`` naming the line and what is wrong with it.
    """
    if not isinstance(cells, dict):
        raise TaskError(f'{path}, line {number}: not a JSON object. Write {{"clean": "...", ...}}.')
    if None in cells:
        raise TaskError(
            f"{path}, line {number}: more cells than columns. Put a text that holds a comma in "
            'quotes: "When Mary and John went to the store, John".'
        )
    missing = [name for name in _COLUMNS if cells.get(name) is None]
    if missing:
        raise TaskError(
            f"{path}, line {number}: {', '.join(missing)} missing. Every line needs "
            f"{', '.join(_COLUMNS)}; found {', '.join(map(str, cells))}."
        )
    try:
        return Contrast(**{name: cells[name] for name in _COLUMNS})
    except TaskError as error:
        raise TaskError(f"{path}, line {number}: {error}") from error


def csv_lines(path: Path) -> Iterator[Line]:
    """The rows of a table, each with the number of its last line."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file, strict=True)
        for cells in rows:
            yield rows.line_num, cells


def jsonl_lines(path: Path) -> Iterator[Line]:
    """What each line that is not blank holds; None where it is not JSON."""
    for number, text in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        if text.strip():
            yield number, parsed(text)


def parsed(text: str) -> Any:
    """One line of JSON, or None."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return None


READERS: dict[str, Callable[[Path], Iterator[Line]]] = {".csv": csv_lines, ".jsonl": jsonl_lines}
