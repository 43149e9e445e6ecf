"""Contrasts from a file or from rows, with the columns ``clean corrupted answer foil``.

A .csv file begins with the names of its columns, and holds text (``csv_text.py``); the space before
an answer is part of it (``" Mary"``, and a prompt with a comma in quotes). ``prompt`` is another
name of ``clean``; a file of *decisions* has no ``corrupted``, or not in every line. A .jsonl file
holds one JSON object a line, in which prompts may also be lists of token ids and answers ids. Rows
may also be those of a table in memory. ``rows.py`` says which other columns are read; the rest are
ignored.
"""

import csv
import json
import math
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from pellucid.arguments import checks_kinds, value_in_words
from pellucid.errors import TaskError
from pellucid.options import ON_ERROR, OnError, demand_choice
from pellucid.results.provenance import InputFile
from pellucid.task.contrast import Contrast, ContrastBatch, plain_parts
from pellucid.task.csv_text import csv_rows
from pellucid.task.rows import RECOMPUTED, sharing, standard
from pellucid.task.tokens import Tokenizer

_COLUMNS = ("clean", "corrupted", "answer", "foil")
_MADE = " read_decisions(model, path) makes corrupted prompts, and judges them."
T = TypeVar("T")
Line: TypeAlias = tuple[int, Any]
"""The number of a line in the file, and what it holds."""


@checks_kinds
def read_prompts(
    source: "str | Path | Iterable[Mapping[str, Any]]",
    *,
    on_error: OnError = ON_ERROR,
    tokenizer: Tokenizer | None = None,
) -> ContrastBatch:
    """Every contrast of a .csv or .jsonl file, or of rows that are there already, in order.

    Rows are a pandas ``DataFrame``, dictionaries in a list, or anything that gives such rows one
    after the other, as ``datasets.Dataset`` does. Beside our own columns those of EAP-IG and MIB
    are read (``rows.py``); ``group`` and ``filler_...`` say what prompts share.

    ``on_error="skip"`` leaves out rows that cannot be used: ``left_out`` names each, and every
    result says how many. With a ``tokenizer`` rows whose prompts do not align in it cannot be used.

    **Cost** no passes; nothing is tokenised without a ``tokenizer``.
    **Raises** ``TaskError`` for a file that is missing, unreadable or empty, for rows of which none
    can be used, and without ``skip`` for rows that lack a column or are no contrast, naming each.
    """
    demand_choice("on_error", on_error, OnError, TaskError)
    if tokenizer is not None and not hasattr(tokenizer, "convert_ids_to_tokens"):
        raise TaskError(f"tokenizer is {value_in_words(tokenizer)}. Give model.tokenizer, or none.")
    lines, name, file = _rows_of(source)
    found: list[Contrast] = []
    wrong: list[str] = []
    recomputed = False
    for where, cells in lines:
        try:
            one = _contrast_of(where, cells)
            if tokenizer is not None:
                _demand_aligned(where, one, tokenizer)
            found.append(one)
            recomputed |= "correct_idx" in cells and not cells.get("answer")
        except TaskError as error:
            wrong.append(str(error))
    if on_error == "raise" or not found:
        _refuse_rows(wrong, len(lines))
    said = (RECOMPUTED,) if recomputed else ()
    left_out = tuple(wrong)
    return ContrastBatch(tuple(found), name=name, file=file, left_out=left_out, read_as=said)


def _demand_aligned(where: str, one: Contrast, tokenizer: Tokenizer) -> None:
    """**Raises** ``TaskError`` naming the row, for what this tokenizer does not align."""
    try:
        one.resolve(tokenizer)
    except TaskError as error:
        raise TaskError(f"{where}: {error}") from error


def _rows_of(source: Any) -> tuple[list[tuple[str, Any]], str, InputFile | None]:
    """Rows with where each stands, what they are called, and their file.

    **Raises** ``TaskError``.
    """
    if isinstance(source, str | Path):
        path = Path(source)
        lines = [(f"{path}, line {number}", cells) for number, cells in _lines(path)]
        return lines, path.stem, input_file(path)
    rows = source.to_dict("records") if hasattr(source, "to_dict") else source
    if isinstance(rows, bytes | bytearray | Mapping) or not isinstance(rows, Iterable):
        raise TaskError(
            f"The prompts are {value_in_words(source)}. Give a file, a DataFrame, or rows as "
            "dictionaries in a list."
        )
    listed = [(f"row {number}", _plain(row)) for number, row in enumerate(rows)]
    if not listed:
        raise TaskError(f"There are no rows. Each takes {', '.join(_COLUMNS)}.")
    return listed, "", None


def _plain(row: Any) -> Any:
    """A row with None for what a table in memory has no value for."""
    if not isinstance(row, Mapping):
        return row
    renamed = {
        "clean" if name == "prompt" and "clean" not in row else name: row[name] for name in row
    }
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in (row if "choices" in row else renamed).items()
    }


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


def from_every_line(path: Path, made: Callable[[str, Any], T]) -> list[T]:
    """What is made of every line of a file, from where it stands and its cells.

    **Raises** ``TaskError`` listing all that is wrong.
    """
    found: list[T] = []
    wrong: list[str] = []
    lines = _lines(path)
    for number, cells in lines:
        try:
            found.append(made(f"{path}, line {number}", cells))
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


def _contrast_of(where: str, cells: Any) -> Contrast:
    """The contrast of one row. **Raises** ``TaskError`` naming the row and what is wrong."""
    _demand_row(where, cells)
    try:
        cells = standard(cells)
        demand_cells(where, cells, _COLUMNS)
        return Contrast(**{name: cells[name] for name in _COLUMNS}, **sharing(cells))
    except TaskError as error:
        told = str(error)
        raise TaskError(told if told.startswith(where) else f"{where}: {told}") from error


def _decision_of(where: str, cells: Any) -> DecisionRow:
    """The decision of one line. **Raises** as ``_contrast_of``."""
    demand_cells(where, cells, ("clean", "answer", "foil"))
    if cells.get("corrupted") not in (None, ""):
        asked = _contrast_of(where, cells)
        return DecisionRow(where, asked.clean, asked.answer, asked.foil, asked.corrupted)  # type: ignore[arg-type]
    try:
        parts = plain_parts({name: cells[name] for name in ("clean", "answer", "foil")})
    except TaskError as error:
        raise TaskError(f"{where}: {error}") from error
    return DecisionRow(where, parts["clean"], parts["answer"], parts["foil"])


def _demand_row(where: str, cells: Any) -> None:
    """**Raises** ``TaskError`` for what is no row."""
    if not isinstance(cells, dict):
        raise TaskError(f'{where}: not a JSON object. Write {{"clean": "...", ...}}.')
    if None in cells:
        raise TaskError(
            f"{where}: more cells than columns. Put a text that holds a comma in "
            'quotes: "When Mary and John went to the store, John".'
        )


def demand_cells(where: str, cells: Any, columns: Sequence[str]) -> None:
    """**Raises** ``TaskError`` for what is no row, or one that lacks one of ``columns``."""
    _demand_row(where, cells)
    missing = [name for name in columns if cells.get(name) is None]
    if missing:
        raise TaskError(
            f"{where}: {', '.join(missing)} missing. Every line needs "
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
