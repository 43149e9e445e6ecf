"""Tables as .csv files that spreadsheets show, and run nothing of.

Prompts and tokens are text of others, and a spreadsheet computes a cell that begins with ``=``,
``+``, ``-`` or ``@``. Such a cell gets an apostrophe in front, and so does one in which apostrophes
stand before such a sign, so that ``read_table`` gives back what was written. Numbers stay numbers.

The name of the last column is quoted and no other, by which a table of ours is told from those of
others (``ours.py``).
"""

import csv
import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from pellucid.arguments import checks_kinds
from pellucid.errors import ResultFileError

_RUN = re.compile(r"'*[=+\-@\t\r]")
"""What a spreadsheet computes, and that behind the apostrophes that are put before it."""


def csv_of(frame: pd.DataFrame) -> str:
    """``frame`` as the text of a .csv file."""
    *before, last = map(str, frame.columns)
    filled = frame.astype(object).where(frame.notna(), "")
    rows = [[*before, None], *(map(_shown_only, row) for row in filled.itertuples(index=False))]
    names, *lines = map(_line, rows)
    return "\n".join([f'{names}"{last}"', *lines, ""])


@checks_kinds
def read_table(path: str | Path) -> pd.DataFrame:
    """The table of a .csv file that ``--out`` wrote, every text as it was.

    **Raises** ``ResultFileError`` for a file that is missing or no table.
    """
    try:
        found = pd.read_csv(path, keep_default_na=False, na_values=[""])
    except (OSError, ValueError) as error:
        raise ResultFileError(f"{path} cannot be read as a table: {error}.") from error
    return found.map(_as_it_was)


def _line(cells: Iterable[Any]) -> str:
    """One row, its end left out; a line break of either kind within a cell is quoted."""
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerow(cells)
    return written.getvalue().removesuffix("\r\n")


def _shown_only(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and _RUN.match(cell) else cell


def _as_it_was(cell: Any) -> Any:
    quoted = isinstance(cell, str) and cell.startswith("'") and _RUN.match(cell)
    return cell[1:] if quoted else cell
