"""Locks on files and folders, which the operating system releases when their holder dies."""

import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def lock(path: Path) -> int | None:
    """The lock of ``path``, held until ``release``; None if it is gone or cannot be locked.

    **Raises** ``BlockingIOError`` when another holds it.
    """
    if fcntl is None:
        return None
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever held it before may have renamed it, and another may stand under its name.
        if os.path.samestat(os.fstat(opened), os.lstat(path)):
            return opened
    except BlockingIOError:
        os.close(opened)
        raise
    except OSError:  # gone, or a file system without locks
        pass
    os.close(opened)
    return None


def release(lock: int | None) -> None:
    """Give the lock back."""
    if lock is not None:
        os.close(lock)
