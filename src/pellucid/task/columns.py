"""Texts from a file, by the names of its columns: pairs to steer by, texts with labels."""

from collections.abc import Sequence
from pathlib import Path

from pellucid.errors import TaskError
from pellucid.task.prompt_file import demand_cells, lines_in, refuse_rows


def read_columns(path: str | Path, columns: Sequence[str]) -> list[tuple[str, ...]]:
    """The cells of ``columns`` in every line of a .csv or .jsonl file.

    **Raises** ``TaskError`` for a file that cannot be read, and for lines that lack one of them.
    """
    path = Path(path)
    found: list[tuple[str, ...]] = []
    wrong: list[str] = []
    lines = lines_in(path)
    for number, cells in lines:
        try:
            demand_cells(path, number, cells, columns)
            found.append(tuple(str(cells[name]) for name in columns))
        except TaskError as error:
            wrong.append(str(error))
    refuse_rows(wrong, len(lines))
    return found
