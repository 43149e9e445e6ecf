"""Contrasts from a file: one a line, with the columns ``clean corrupted answer foil``.

A .csv file begins with the names of its columns, and holds text (``csv_text.py``); the space before
an answer is part of it (``" Mary"``, and a prompt with a comma in quotes). ``prompt`` is another
name of ``clean``; a file of *decisions* has no ``corrupted``, or not in every line. A .jsonl file
holds one JSON object a line, in which prompts may also be lists of token ids and answers ids. Other
columns are ignored.
"""

import csv
import json
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from pellucid.arguments import checks_kinds
from pellucid.errors import TaskError
from pellucid.results.provenance import InputFile
from pellucid.task.contrast import Contrast, ContrastBatch, plain_parts
from pellucid.task.csv_text import csv_rows

_COLUMNS = ("clean", "corrupted", "answer", "foil")
_MADE = " read_decisions(model, path) makes corrupted prompts, and judges them."
T = TypeVar("T")
Line: TypeAlias = tuple[int, Any]
"""The number of a line in the file, and what it holds."""


@checks_kinds
def read_prompts(path: str | Path) -> ContrastBatch:
    """Every contrast of a .csv or .jsonl file, in order.

    **Cost** no passes; nothing is tokenised.
    **Raises** ``TaskError`` for a file that is missing, unreadable or empty, and for lines that
    lack a column or are no contrast, naming each of them.
    """
    path = Path(path)
    found = from_every_line(path, _contrast_of)
    return ContrastBatch(tuple(found), name=path.stem, file=input_file(path))


def input_file(path: str | Path) -> InputFile:
    """The name and the hash of a file. **Raises** ``TaskError`` where it cannot be read."""
    try:
        return InputFile(name=Path(path).name, sha256=sha256(Path(path).read_bytes()).hexdigest())
    except OSError as error:
        raise TaskError(f"{path} cannot be read: {error}.") from error


@dataclass(frozen=True)
class DecisionRow:
    """One line of a file of decisions; ``corrupted`` is None where it is left to be made."""

    where: str
    """File and line."""
    prompt: str | tuple[int, ...]
    answer: str | int | tuple[int, ...]
    foil: str | int | tuple[int, ...]
    corrupted: str | tuple[int, ...] | None = None


def file_of_decisions(path: str | Path) -> tuple[DecisionRow, ...]:
    """Every decision of a .csv or .jsonl file, in order; only ``corrupted`` may be missing.

    **Cost** no passes; nothing is tokenised.
    **Raises** ``TaskError`` as ``read_prompts`` does.
    """
    return tuple(from_every_line(Path(path), _decision_of))


def from_every_line(path: Path, made: Callable[[Path, int, Any], T]) -> list[T]:
    """What is made of every line of a file. **Raises** ``TaskError`` listing all that is wrong."""
    found: list[T] = []
    wrong: list[str] = []
    lines = _lines(path)
    for number, cells in lines:
        try:
            found.append(made(path, number, cells))
        except TaskError as error:
            wrong.append(str(error))
    _refuse_rows(wrong, len(lines))
    return found


def _lines(path: Path) -> list[Line]:
    """What the lines of a file hold. **Raises** ``TaskError`` for a file that cannot be read."""
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
    return lines


def _refuse_rows(wrong: Sequence[str], rows: int) -> None:
    """**Raises** ``TaskError`` that tells all that is wrong, each on a line of its own."""
    if len(wrong) > 1:
        raise TaskError("\n".join([f"{len(wrong)} of {rows} rows cannot be used:", *wrong]))
    if wrong:
        raise TaskError(wrong[0])


def _contrast_of(path: Path, number: int, cells: Any) -> Contrast:
    """The contrast of one line. **Raises** ``TaskError`` naming the line and what is wrong."""
    demand_cells(path, number, cells, _COLUMNS)
    try:
        return Contrast(**{name: cells[name] for name in _COLUMNS})
    except TaskError as error:
        raise TaskError(f"{path}, line {number}: {error}") from error


def _decision_of(path: Path, number: int, cells: Any) -> DecisionRow:
    """The decision of one line. **Raises** as ``_contrast_of``."""
    demand_cells(path, number, cells, ("clean", "answer", "foil"))
    where = f"{path}, line {number}"
    if cells.get("corrupted") not in (None, ""):
        asked = _contrast_of(path, number, cells)
        return DecisionRow(where, asked.clean, asked.answer, asked.foil, asked.corrupted)  # type: ignore[arg-type]
    try:
        parts = plain_parts({name: cells[name] for name in ("clean", "answer", "foil")})
    except TaskError as error:
        raise TaskError(f"{where}: {error}") from error
    return DecisionRow(where, parts["clean"], parts["answer"], parts["foil"])


def demand_cells(path: Path, number: int, cells: Any, columns: Sequence[str]) -> None:
    """**Raises** ``TaskError`` for a line that is no row, or lacks one of ``columns``."""
    if not isinstance(cells, dict):
        raise TaskError(f'{path}, line {number}: not a JSON object. Write {{"clean": "...", ...}}.')
    if None in cells:
        raise TaskError(
            f"{path}, line {number}: more cells than columns. Put a text that holds a comma in "
            'quotes: "When Mary and John went to the store, John".'
        )
    missing = [name for name in columns if cells.get(name) is None]
    if missing:
        raise TaskError(
            f"{path}, line {number}: {', '.join(missing)} missing. Every line needs "
            f"{', '.join(columns)}; found {', '.join(map(str, cells))}."
            + (_MADE if missing == ["corrupted"] else "")
        )


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
