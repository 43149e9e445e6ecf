"""Texts from a file, by the names of its columns: pairs to steer by, texts with labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pellucid.task.prompt_file import demand_cells, from_every_line


def read_columns(
    path: str | Path, columns: Sequence[str], *, optional: Sequence[str] = ()
) -> list[tuple[str, ...]]:
    """The cells of ``columns`` in every line of a .csv or .jsonl file, then those of ``optional``.

    What is optional and not there is empty.

    **Raises** ``TaskError`` for a file that cannot be read, and for lines that lack one of them.
    """

    def made(where: str, cells: Any) -> tuple[str, ...]:
        demand_cells(where, cells, columns)
        more = (cells.get(name) or "" for name in optional)
        return (*(str(cells[name]) for name in columns), *map(str, more))

    return from_every_line(Path(path), made)
