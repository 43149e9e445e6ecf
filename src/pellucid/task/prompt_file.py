"""Contrasts from a file: one a line, with the columns ``clean corrupted answer foil``.

A .csv file begins with the names of its columns, and holds text (``csv_text.py``); the space before
an answer is part of it (``" Mary"``, and a prompt with a comma in quotes). ``prompt`` is another
name of ``clean``. A .jsonl file holds one JSON object a line, in which prompts may also be lists of
token ids and answers ids. Other columns are ignored.
"""

import csv
import json
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from pellucid.errors import TaskError
from pellucid.task.contrast import Contrast, ContrastBatch
from pellucid.task.csv_text import csv_rows

_COLUMNS = ("clean", "corrupted", "answer", "foil")
Line: TypeAlias = tuple[int, Any]
"""The number of a line in the file, and what it holds."""


def read_prompts(path: str | Path) -> ContrastBatch:
    """Every contrast of a .csv or .jsonl file, in order.

    **Cost** no passes; nothing is tokenised.
    **Raises** ``TaskError`` for a file that is missing, unreadable or empty, and for lines that
    lack a column or are no contrast, naming each of them.
    """
    path = Path(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise TaskError(f"{path}: give prompts in a file whose name ends in .csv or .jsonl.")
    try:
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            raise TaskError(f"{path} is no file that can be read twice. Save it as a plain file.")
        lines = list(reader(path))
    except FileNotFoundError as error:
        raise TaskError(f"There is no file {path}. Check the path.") from error
    except (OSError, ValueError, csv.Error) as error:
        raise TaskError(f"{path} cannot be read: {error}. Give UTF-8 text.") from error
    if not lines:
        raise TaskError(f"{path} holds no prompts. Each takes a line with {', '.join(_COLUMNS)}.")
    found: list[Contrast] = []
    wrong: list[str] = []
    for number, cells in lines:
        try:
            found.append(_contrast_of(path, number, cells))
        except TaskError as error:
            wrong.append(str(error))
    _refuse(wrong, len(lines))
    return ContrastBatch(tuple(found), name=path.stem)


def _refuse(wrong: Sequence[str], rows: int) -> None:
    """**Raises** ``TaskError`` that tells all that is wrong, each on a line of its own."""
    if len(wrong) > 1:
        raise TaskError("\n".join([f"{len(wrong)} of {rows} rows cannot be used:", *wrong]))
    if wrong:
        raise TaskError(wrong[0])


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
    for number, cells in csv_rows(path.read_bytes()):
        if "prompt" in cells and "clean" not in cells:
            cells = {"clean" if name == "prompt" else name: cells[name] for name in cells}
        yield number, cells


def jsonl_lines(path: Path) -> Iterator[Line]:
    """What each line that is not blank holds; None where it is not JSON.

    Only a line feed ends a line: JSON may hold U+2028 and its like as they are.
    """
    for number, text in enumerate(path.read_text(encoding="utf-8-sig").split("\n"), start=1):
        if text.strip():
            yield number, parsed(text)


def parsed(text: str) -> Any:
    """One line of JSON, or None."""
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError):  # or it is nested too deeply
        return None


READERS: dict[str, Callable[[Path], Iterator[Line]]] = {".csv": csv_lines, ".jsonl": jsonl_lines}
