"""Tables of text as spreadsheets and databases write them.

UTF-8 or UTF-16 with their marks, else UTF-8, else Windows-1252; commas, semicolons or tabs; Excel's
line ``sep=;``; line breaks within quotes; empty columns at the end, and rows of empty cells.
"""

import codecs
import csv
import io
from collections.abc import Iterator

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_DELIMITERS = (",", ";", "\t")


def csv_rows(written: bytes) -> Iterator[tuple[int, dict[str | None, object]]]:
    """Rows by the names of their columns, each with the number of its last line.

    Under None stand the cells beyond the last column that are not empty.

    **Raises** ``ValueError`` for bytes that are no text and for a column that is there twice, and
    ``csv.Error`` for quotes that do not match.
    """
    text = decoded(written)
    first, _, rest = text.partition("\n")
    skipped = 0
    told = first.rstrip("\r")
    if told.lower().startswith("sep=") and len(told) == 5:
        delimiter, text, skipped = told[4], rest, 1
    else:
        delimiter = max(_DELIMITERS, key=first.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names = _names(next(rows, []))
    for cells in rows:
        if any(cell.strip() for cell in cells):
            yield rows.line_num + skipped, _by_name(names, cells)


def decoded(written: bytes) -> str:
    """Bytes as text, by their mark, or in the encoding that fits. **Raises** ``ValueError``."""
    for mark, encoding in _MARKS.items():
        if written.startswith(mark):
            return written.decode(encoding)
    if b"\0" in written:
        raise ValueError("it holds NUL, so it is no text")
    try:
        return written.decode("utf-8")
    except UnicodeDecodeError:
        return written.decode("cp1252")


def _names(cells: list[str]) -> list[str]:
    """The names of columns, those at the end that are empty left out."""
    names = [cell.strip().lower() for cell in cells]
    while names and not names[-1]:
        names.pop()
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise ValueError(f"the column {', '.join(twice)} is there twice")
    return names


def _by_name(names: list[str], cells: list[str]) -> dict[str | None, object]:
    """The cells of a row; what is missing is None."""
    found: dict[str | None, object] = {
        name: cells[at] if at < len(cells) else None for at, name in enumerate(names)
    }
    beyond = [cell for cell in cells[len(names) :] if cell]
    return {**found, None: beyond} if beyond else found
