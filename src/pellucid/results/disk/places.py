"""Where something is written: an absolute path, looked at before anything runs; hidden drafts.

A *draft* stands beside the place for which it is meant, under a name that nobody can foresee, and
is locked while its writer lives. One without a lock was left by a writer that was killed.
"""

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from safetensors import SafetensorError

from pellucid.errors import ResultFileError
from pellucid.results.disk import locks

DRAFT, PART = ".pellucid-draft", ".pellucid-part"
"""Endings of hidden names: being written, being written over several calls."""


def place(path: str | Path) -> Path:
    """``path`` as an absolute one, once and for all: the working folder may change.

    **Raises** ``ResultFileError`` for one that names nothing of its own, or cannot be a name.
    """
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        raise ResultFileError(f"{path!r} is no path to write to. Give a name as text.")
    try:
        named = os.fsencode(path)
    except UnicodeEncodeError as error:
        raise ResultFileError(
            f"{os.fspath(path)!r} holds half a character, which no name can. Choose another name."
        ) from error
    if b"\0" in named:
        raise ResultFileError(
            f"{os.fspath(path)!r} holds a null character, which no name can. Choose another name."
        )
    with reporting(Path(path)):
        found = Path(path).absolute()
    if not named or found.name in ("", ".."):
        raise ResultFileError(f"{path} names nothing of its own. Give the name of a new one.")
    return found


@contextmanager
def reporting(target: Path) -> Iterator[None]:
    """What goes wrong on the disk inside the block becomes a ``ResultFileError``."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise ResultFileError(f"Cannot write {target}: {error}.") from error


def demand_writable(target: Path) -> None:
    """**Raises** ``ResultFileError`` unless something can be written under the name ``target``.

    It is tried, with an empty draft in the folder that is there already.
    """
    with reporting(target):
        there = next(one for one in target.parents if os.path.lexists(one))
        _demand_short_names(target, there)
        draft = hidden(there / target.name, DRAFT)
        new_file(draft)
        draft.unlink(missing_ok=True)


def hidden(target: Path, ending: str) -> Path:
    """A name for a draft beside ``target`` that nobody can foresee."""
    return target.with_name(f"{_prefix(target)}{uuid4().hex}{ending}")


def left_by_others(target: Path, ending: str) -> list[Path]:
    """Drafts of writers of ``target``, files and folders, those under way among them."""
    prefix = _prefix(target)
    with os.scandir(target.parent) as found:
        return sorted(
            target.with_name(one.name)
            for one in found
            if one.name.startswith(prefix) and one.name.endswith(ending) and not one.is_symlink()
        )


def new_draft(target: Path, ending: str, make: Callable[[Path], object]) -> tuple[Path, int | None]:
    """What ``make`` makes beside ``target``, and its lock where the file system has locks."""
    while True:
        draft = hidden(target, ending)
        make(draft)
        with suppress(BlockingIOError):
            lock = locks.lock(draft)
            if draft.exists():
                return draft, lock
        # Another writer took it for a leftover before it was locked.


def new_file(path: Path) -> None:
    """An empty file where nothing is, with the permissions that the user wants."""
    path.open("xb").close()


def allow_as(there: Path, draft: Path) -> None:
    """Give a draft the permissions of the file that it replaces, if there is one."""
    if there.exists():
        draft.chmod(stat.S_IMODE(there.stat().st_mode))


def tidy(target: Path) -> None:
    """Remove the drafts of writers of this place that were killed."""
    for left in left_by_others(target, DRAFT):
        with suppress(BlockingIOError):
            lock = locks.lock(left)
            if lock is not None:
                discard(left)
            locks.release(lock)


def discard(draft: Path) -> None:
    """Remove a draft; what cannot be removed stays."""
    if draft.is_dir():
        shutil.rmtree(draft, ignore_errors=True)
    else:
        with suppress(OSError):
            draft.unlink()


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    if os.name != "posix" and path.is_dir():
        return  # other systems cannot open a folder
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _prefix(target: Path) -> str:
    # A digest, since a name may be as long as the file system allows.
    return f".{sha256(os.fsencode(target.name)).hexdigest()[:12]}."


def _demand_short_names(target: Path, there: Path) -> None:
    """**Raises** ``OSError`` for a name below ``there`` that is longer than it can be."""
    if not hasattr(os, "pathconf"):
        return
    longest = os.pathconf(there, "PC_NAME_MAX")
    for name in target.relative_to(there).parts:
        if len(os.fsencode(name)) > longest:
            raise OSError(f"the name {name[:20]}... is longer than {longest} bytes")
