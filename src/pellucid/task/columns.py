"""Texts from a file, by the names of its columns: pairs to steer by, texts with labels."""

from collections.abc import Sequence
from pathlib import Path

from pellucid.errors import TaskError
from pellucid.task.prompt_file import demand_cells, lines_in, refuse_rows


def read_columns(
    path: str | Path, columns: Sequence[str], *, optional: Sequence[str] = ()
) -> list[tuple[str, ...]]:
    """The cells of ``columns`` in every line of a .csv or .jsonl file, then those of ``optional``.

    What is optional and not there is empty.

    **Raises** ``TaskError`` for a file that cannot be read, and for lines that lack one of them.
    """
    path = Path(path)
    found: list[tuple[str, ...]] = []
    wrong: list[str] = []
    lines = lines_in(path)
    for number, cells in lines:
        try:
            demand_cells(path, number, cells, columns)
            more = (cells.get(name) or "" for name in optional)
            found.append((*(str(cells[name]) for name in columns), *map(str, more)))
        except TaskError as error:
            wrong.append(str(error))
    refuse_rows(wrong, len(lines))
    return found
