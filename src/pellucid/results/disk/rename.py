"""Renames into a free place, in one step.

Linux does it in the kernel (``renameat2``). Elsewhere, and on file systems that cannot, the place
is taken by an ordinary rename.
"""

import ctypes
import errno
import os
from functools import cache
from pathlib import Path
from typing import Any

HERE = -100
"""``AT_FDCWD``: paths are as they are."""
INTO_A_FREE_PLACE = 1
CANNOT = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)
"""What a kernel or a file system says that does not know ``renameat2``, or this use of it."""


class CannotRenameError(OSError):
    """This platform cannot refuse to rename over something in one step."""


def move(source: Path, target: Path) -> None:
    """Rename ``source``.

    **Raises** ``FileExistsError`` when something stands there (where the platform can only rename,
    an empty folder is replaced).
    """
    try:
        _rename(source, target)
    except CannotRenameError:
        try:
            os.rename(source, target)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.ENOTDIR):
                raise FileExistsError(error.errno, "something stands there", target) from error
            raise


def _rename(source: Path, target: Path) -> None:
    call = _renameat2()
    if call is None:
        raise CannotRenameError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if call(HERE, os.fsencode(source), HERE, os.fsencode(target), INTO_A_FREE_PLACE):
        number = ctypes.get_errno()
        kind = CannotRenameError if number in CANNOT else OSError
        raise kind(number, os.strerror(number), str(target))


@cache
def _renameat2() -> Any:
    if os.name != "posix":
        return None
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is not None:
        call.argtypes = [
            ctypes.c_int,
            ctypes.c_char_p,
            ctypes.c_int,
            ctypes.c_char_p,
            ctypes.c_uint,
        ]
    return call
