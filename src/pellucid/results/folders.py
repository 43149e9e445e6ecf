"""The one writer of folders: a folder is there whole, or what stood there before is.

1. Everything is written into a *draft* beside the place where it shall stand, under a name that
   nobody can foresee. The draft is locked while its writer lives.
2. The files, and then the draft, are brought to the disk.
3. The draft takes its place: in one step where nothing stands there, exchanged in one step with
   what stands there where the platform can (``rename.py``), else by two renames.
4. What stood there is removed. It was looked at before: only folders of the same kind, that hold
   nothing else, are replaced.

A writer that was killed leaves a draft without a lock. The next writer of the same place removes it
(``replacing``) or goes on with it (``growing``); one that died between two renames is undone first.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from safetensors import SafetensorError

from pellucid.errors import ResultFileError
from pellucid.results import locks, rename

DRAFT, PART, REPLACED = ".pellucid-draft", ".pellucid-part", ".pellucid-replaced"
"""Endings of hidden folders: being written, being written over several calls, being replaced."""
_PATIENCE = 60.0
"""Seconds for which a place is tried that other writers keep changing."""


@dataclass(frozen=True, kw_only=True)
class FolderKind:
    """What the folders of one kind hold, by which they are told from others' folders."""

    noun: str
    """What one is called in errors, such as "saved result"."""
    needs: tuple[str, ...]
    """Files that each of them has."""
    may: tuple[str, ...] = ()
    """Patterns of the names of further files."""

    def refusal(self, folder: Path) -> str | None:
        """Why ``folder`` may not be replaced; None if it is one of these and holds nothing else."""
        if folder.is_symlink() or not folder.is_dir():
            return f"{folder} exists and is not a {self.noun}"
        names = os.listdir(folder)
        if not set(self.needs) <= set(names):
            return f"{folder} exists and is not a {self.noun}"
        known = (*self.needs, *self.may)
        foreign = sorted(n for n in names if not any(fnmatchcase(n, one) for one in known))
        return f"{folder} is a {self.noun} and also holds {foreign[0]}" if foreign else None


def place(path: str | Path) -> Path:
    """``path`` as an absolute one, once and for all: the working folder may change.

    **Raises** ``ResultFileError`` for one that names no folder of its own.
    """
    found = Path(path).absolute()
    if found.name in ("", ".."):
        raise ResultFileError(f"{path} names no folder of its own. Give the name of a new one.")
    return found


@contextmanager
def replacing(path: str | Path, kind: FolderKind) -> Iterator[Path]:
    """A draft to be filled; when the block ends it stands under ``path``.

    An exception in the block removes the draft and leaves what stood there.

    **Raises** ``ResultFileError`` when the place cannot be written, or holds anything but a folder
    of this kind.
    """
    target = place(path)
    with reporting(target):
        with suppress(BlockingIOError):  # one that is being replaced is looked at later
            locks.release(_locked_and_ours(target, kind))
        target.parent.mkdir(parents=True, exist_ok=True)
        _tidy(target)
        draft, lock = _new_draft(target, DRAFT)
        try:
            yield draft
            _settle(draft)
            _put(draft, target, kind)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
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
    with reporting(target):
        demand_free(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        draft, lock = _resumed(target, resumes) or _new_draft(target, PART)
    try:
        yield draft
        with reporting(target):
            _settle(draft)
            demand_free(target)
            rename.move(draft, target)
            _sync(target.parent)
    finally:
        try:
            if draft.exists() and not resumes(draft):
                shutil.rmtree(draft, ignore_errors=True)
        finally:
            locks.release(lock)


@contextmanager
def reporting(target: Path) -> Iterator[None]:
    """What goes wrong on the disk inside the block becomes a ``ResultFileError``."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise ResultFileError(f"Cannot write {target}: {error}.") from error


def replace_file(path: Path, data: bytes) -> None:
    """Write one file of a draft: old or new whole at every moment, and on the disk afterwards."""
    new = path.with_name(f"{path.name}.{uuid4().hex}")
    with new.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)
    _sync(path.parent)


def demand_free(target: Path) -> None:
    """**Raises** ``ResultFileError`` when something stands there."""
    if os.path.lexists(target):
        raise ResultFileError(f"{target} exists. Choose another name, or remove it.")


def _locked_and_ours(target: Path, kind: FolderKind) -> int | None:
    """The lock of what stands at ``target``; nobody else replaces or removes it while it is held.

    **Raises** ``ResultFileError`` for anything but a folder of this kind, ``BlockingIOError`` when
    another writer is at it.
    """
    lock = locks.lock(target)
    try:
        if os.path.lexists(target) and (refusal := kind.refusal(target)):
            raise ResultFileError(f"{refusal}. Choose another name, or remove it.")
    except BaseException:
        locks.release(lock)
        raise
    return lock


def _name(target: Path, ending: str) -> Path:
    return target.with_name(f"{_prefix(target)}{uuid4().hex}{ending}")


def _prefix(target: Path) -> str:
    # A digest, since a name may be as long as the file system allows.
    return f".{sha256(os.fsencode(target.name)).hexdigest()[:12]}."


def _left_by_others(target: Path, ending: str) -> list[Path]:
    prefix = _prefix(target)
    with os.scandir(target.parent) as found:
        return sorted(
            target.with_name(one.name)
            for one in found
            if one.name.startswith(prefix)
            and one.name.endswith(ending)
            and one.is_dir(follow_symlinks=False)
        )


def _new_draft(target: Path, ending: str) -> tuple[Path, int | None]:
    """An empty folder beside ``target``, and its lock where the file system has locks."""
    while True:
        draft = _name(target, ending)
        draft.mkdir()  # unlike mkdtemp, with the permissions that the user wants
        with suppress(BlockingIOError):
            lock = locks.lock(draft)
            if draft.exists():
                return draft, lock
        # Another writer took it for a leftover before it was locked.


def _resumed(target: Path, resumes: Callable[[Path], bool]) -> tuple[Path, int | None] | None:
    found = None
    for draft in _left_by_others(target, PART):
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
            shutil.rmtree(draft, ignore_errors=True)
            locks.release(lock)
    return found


def _tidy(target: Path) -> None:
    """Undo or remove what writers of this place left that were killed."""
    for left in (*_left_by_others(target, REPLACED), *_left_by_others(target, DRAFT)):
        with suppress(BlockingIOError):
            lock = locks.lock(left)
            if left.name.endswith(REPLACED) and not os.path.lexists(target):
                rename.move(left, target)
            elif lock is not None:
                shutil.rmtree(left, ignore_errors=True)
            locks.release(lock)


def _settle(draft: Path) -> None:
    """The permissions that the user wants, and everything on the disk."""
    mode = draft.stat().st_mode & 0o666
    for folder, _, names in os.walk(draft, topdown=False):
        for file in (Path(folder, name) for name in names):
            file.chmod(mode)  # safetensors makes files that only their owner can read
            _sync(file)
        _sync(Path(folder))


def _sync(path: Path) -> None:
    if os.name != "posix" and path.is_dir():
        return  # other systems cannot open a folder
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _put(draft: Path, target: Path, kind: FolderKind) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        try:
            if not os.path.lexists(target):
                rename.move(draft, target)
            else:
                _replace(draft, target, kind)
        except (FileExistsError, FileNotFoundError, BlockingIOError):
            time.sleep(0.002)  # somebody is putting something there, or taking it away
            continue
        _sync(target.parent)
        return
    raise TimeoutError(f"other writers keep changing {target}")


def _replace(draft: Path, target: Path, kind: FolderKind) -> None:
    lock = _locked_and_ours(target, kind)
    try:
        shutil.rmtree(_swap(draft, target, kind), ignore_errors=True)
    finally:
        locks.release(lock)


def _swap(draft: Path, target: Path, kind: FolderKind) -> Path:
    """Put ``draft`` in the place of ``target``; where what stood there is now."""
    try:
        rename.exchange(draft, target)
    except rename.CannotExchangeError:
        replaced = _name(target, REPLACED)
        os.rename(target, replaced)
        try:
            rename.move(draft, target)
        except BaseException:
            if not os.path.lexists(target):
                os.rename(replaced, target)
            raise
        return replaced
    if refusal := kind.refusal(draft):  # put there between the look and the exchange
        rename.exchange(draft, target)
        raise ResultFileError(f"{refusal}. Choose another name, or remove it.")
    return draft
