"""The one writer of folders: a folder is there whole, or what stood there before is.

1. Everything is written into a draft (``places.py``), and brought to the disk.
2. Where nothing stands, the draft takes the name in one step.
3. Where a folder of the same kind stands, it stays, with whatever others put into it: the files of
   the draft are put into it, the *index*, which says what belongs to the folder, last and in one
   step. What the index before named is removed. A file that the old index names is never
   overwritten: names of data say what is in it.

A writer that was killed leaves a draft without a lock. The next writer of the same place removes it
(``replacing``) or goes on with it (``growing``, ``kept_parts``).
"""

import filecmp
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pellucid.errors import ResultFileError
from pellucid.results.disk import locks, rename
from pellucid.results.disk.places import (
    DRAFT,
    PART,
    allow_as,
    demand_writable,
    discard,
    left_by_others,
    new_draft,
    place,
    reporting,
    sync,
    tidy,
)

_PATIENCE = 60.0
"""Seconds for which a place is tried that other writers keep changing."""


@dataclass(frozen=True, kw_only=True)
class FolderKind:
    """What the folders of one kind hold, by which they are told from others' folders."""

    noun: str
    """What one is called in errors, such as "saved result"."""
    index: str
    """The file that says what else belongs to a folder; it is replaced last."""
    held: Callable[[Path], tuple[str, ...] | None]
    """The names of a folder's own files; None for a folder of another kind."""
    left: Callable[[Path], bool]
    """Whether a file there that the index does not name was left by a writer that was killed."""

    def refusal(self, folder: Path) -> str | None:
        """Why ``folder`` may not be written; None where nothing stands, or one of these."""
        if not os.path.lexists(folder):
            return None
        ours = not folder.is_symlink() and folder.is_dir() and self.held(folder) is not None
        return None if ours else f"{folder} exists and is not a {self.noun}"


def demand_folder(path: str | Path, kind: FolderKind) -> Path:
    """The absolute path of a folder that can be written.

    **Raises** ``ResultFileError`` when something else stands there, or nothing can be written.
    """
    target = place(path)
    with reporting(target):
        _demand_ours(target, kind)
    demand_writable(target)
    if target.exists():
        demand_writable(target / kind.index)
    return target


@contextmanager
def replacing(path: str | Path, kind: FolderKind) -> Iterator[Path]:
    """A draft to be filled; when the block ends its files stand in the folder ``path``.

    An exception in the block removes the draft and leaves what stood there.

    **Raises** ``ResultFileError`` when the place cannot be written, or holds anything but a folder
    of this kind.
    """
    target = demand_folder(path, kind)
    with reporting(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        tidy(target)
        draft, lock = new_draft(target, DRAFT, Path.mkdir)
        try:
            yield draft
            _settle(draft)
            _put(draft, target, kind)
        finally:
            discard(draft)
            locks.release(lock)


@contextmanager
def growing(path: str | Path, resumes: Callable[[Path], bool]) -> Iterator[Path]:
    """A draft to be filled part by part; when the block ends it stands under ``path``.

    It is the draft of an earlier writer that was stopped, if there is one and ``resumes`` says that
    it can be gone on with. An exception in the block leaves a draft that can be gone on with.

    **Raises** ``ResultFileError`` when the place cannot be written or is taken, or another process
    is writing it; and what ``resumes`` raises.
    """
    target = place(path)
    demand_free(target)
    with _parts(target, resumes) as draft:
        yield draft
        with reporting(target):
            _settle(draft)
            demand_free(target)
            rename.move(draft, target)
            sync(target.parent)


@contextmanager
def kept_parts(path: str | Path) -> Iterator[Path]:
    """A hidden folder for the parts of what shall stand under ``path``, written by somebody else.

    It is that of an earlier call that was stopped, if there is one. It goes when the block ends;
    after an exception it stays if there is anything in it.

    **Raises** ``ResultFileError`` when nothing can be written there, or another process does.
    """
    target = place(path)
    with _parts(target, lambda draft: any(draft.iterdir())) as draft:
        yield draft
        discard(draft)


@contextmanager
def _parts(target: Path, resumes: Callable[[Path], bool]) -> Iterator[Path]:
    """A draft for several calls; after an exception it stays if it can be gone on with."""
    demand_writable(target)
    with reporting(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        tidy(target)  # of a writer that was killed while it tried whether it may write here
        draft, lock = _resumed(target, resumes) or new_draft(target, PART, Path.mkdir)
    try:
        yield draft
    finally:
        try:
            if draft.exists() and not resumes(draft):
                discard(draft)
        finally:
            locks.release(lock)


def demand_free(target: Path) -> None:
    """**Raises** ``ResultFileError`` when something stands there."""
    if os.path.lexists(target):
        raise ResultFileError(f"{target} exists. Choose another name, or remove it.")


def _demand_ours(target: Path, kind: FolderKind) -> None:
    if refusal := kind.refusal(target):
        raise ResultFileError(f"{refusal}. Choose another name, or remove it.")


def _resumed(target: Path, resumes: Callable[[Path], bool]) -> tuple[Path, int | None] | None:
    found = None
    for draft in left_by_others(target, PART):
        try:
            lock = locks.lock(draft)
        except BlockingIOError as error:
            raise ResultFileError(
                f"Another process is writing {target}, into {draft}. Wait for it, or choose "
                "another name."
            ) from error
        try:
            goes_on = found is None and resumes(draft)
        except BaseException:
            locks.release(lock)
            raise
        if goes_on:
            found = draft, lock
        else:
            discard(draft)
            locks.release(lock)
    return found


def _settle(draft: Path) -> None:
    """The permissions that the user wants, and everything on the disk."""
    mode = draft.stat().st_mode & 0o666
    for folder, _, names in os.walk(draft, topdown=False):
        for file in (Path(folder, name) for name in names):
            file.chmod(mode)  # safetensors makes files that only their owner can read
            sync(file)
        sync(Path(folder))


def _put(draft: Path, target: Path, kind: FolderKind) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        try:
            rename.move(draft, target)
        except FileExistsError:
            if not _put_into(draft, target, kind):
                time.sleep(0.002)  # another writer is at it
                continue
        sync(target.parent)
        return
    raise TimeoutError("other writers keep changing it")


def _put_into(draft: Path, target: Path, kind: FolderKind) -> bool:
    """Put the files of ``draft`` into a folder of its kind; False if that cannot be done now."""
    try:
        lock = locks.lock(target)
    except BlockingIOError:
        return False
    try:
        if not os.path.lexists(target):
            return False
        _demand_ours(target, kind)
        before = kind.held(target) or ()
        for file in sorted(draft.iterdir()):
            allow_as(target / kind.index, file)
            if file.name != kind.index:
                _add(file, target / file.name)
        sync(target)
        os.replace(draft / kind.index, target / kind.index)
        sync(target)
        _remove_old(target, kind, before)
        tidy(target / kind.index)
    finally:
        locks.release(lock)
    return True


def _add(file: Path, beside: Path) -> None:
    """Put ``file`` there, unless it is there.

    **Raises** ``ResultFileError`` when another file has its name.
    """
    if not os.path.lexists(beside):
        rename.move(file, beside)
    elif beside.is_symlink() or not (beside.is_file() and filecmp.cmp(file, beside, shallow=False)):
        raise ResultFileError(f"{beside} exists and is another file. Remove it.")


def _remove_old(target: Path, kind: FolderKind, before: tuple[str, ...]) -> None:
    """Remove what the index before named, and what killed writers left."""
    now = kind.held(target) or ()
    for file in sorted(target.iterdir()):
        if file.name not in now and (file.name in before or kind.left(file)):
            discard(file)
