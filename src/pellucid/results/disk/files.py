"""The one writer of single files: under its name stands the old or the new one, whole.

The content is written into a draft (``places.py``) and brought to the disk, and the draft takes the
name in one step. Only files that Pellucid wrote are replaced; links are not followed.
"""

import os
from pathlib import Path
from uuid import uuid4

from pellucid.errors import ResultFileError
from pellucid.results.disk import locks
from pellucid.results.disk.ours import is_our_file
from pellucid.results.disk.places import (
    DRAFT,
    allow_as,
    demand_writable,
    discard,
    new_draft,
    new_file,
    place,
    reporting,
    sync,
    tidy,
)


def demand_file(path: str | Path) -> Path:
    """The absolute path of a file that can be written.

    **Raises** ``ResultFileError`` when something else than a file of Pellucid's stands there, or
    when nothing can be written there.
    """
    target = place(path)
    with reporting(target):
        _demand_ours(target)
    demand_writable(target)
    return target


def write_file(path: str | Path, content: bytes | str) -> Path:
    """Write ``content``, text as UTF-8, and give the absolute path; missing folders are made.

    Its permissions are those of the file that stood there.

    **Raises** ``ResultFileError`` as ``demand_file`` does, and when the disk is full.
    """
    target = demand_file(path)
    data = content.encode() if isinstance(content, str) else content
    with reporting(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        tidy(target)
        draft, lock = new_draft(target, DRAFT, new_file)
        try:
            draft.write_bytes(data)
            allow_as(target, draft)
            sync(draft)
            _demand_ours(target)
            os.replace(draft, target)
            sync(target.parent)
        finally:
            discard(draft)
            locks.release(lock)
    return target


def replace_file(path: Path, data: bytes) -> None:
    """Write one file of a draft: old or new whole at every moment, and on the disk afterwards."""
    new = path.with_name(f"{path.name}.{uuid4().hex}")
    with new.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)
    sync(path.parent)


def _demand_ours(target: Path) -> None:
    if not os.path.lexists(target):
        return
    if target.is_symlink() or not target.is_file():
        raise ResultFileError(f"{target} is no ordinary file. Choose another name, or remove it.")
    if not is_our_file(target):
        raise ResultFileError(
            f"{target} exists and was not written by Pellucid. Choose another name, or remove it."
        )
