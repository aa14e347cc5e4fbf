"""The few file system calls that publishing rests on: rename without replacing, exchange, and make durable."""

from __future__ import annotations

import ctypes
import errno
import os
from functools import cache
from pathlib import Path

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_RENAME_EXCHANGE = 2
_UNSUPPORTED = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP})


class ExchangeUnsupportedError(OSError):
    """The kernel or the file system cannot exchange two names in one step."""


def rename_new(source: Path, target: Path) -> None:
    """Rename a directory to a name that must be free; the rename itself is the check.

    Raises
    ------
    FileExistsError
        When `target` exists.
    """
    try:
        _renameat2(source, target, _RENAME_NOREPLACE)
    except ExchangeUnsupportedError:
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        os.rename(source, target)


def exchange(one: Path, other: Path) -> None:
    """Swap two names in one step, so that at every instant each of them names one whole directory.

    Raises
    ------
    ExchangeUnsupportedError
        Where the kernel or the file system cannot.
    FileNotFoundError
        When either does not exist.
    """
    _renameat2(one, other, _RENAME_EXCHANGE)


def sync_tree(folder: Path) -> None:
    """Make every file of the file system that holds `folder` durable, by one syncfs where there is one."""
    libc = _libc()
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if libc is not None and hasattr(libc, "syncfs"):
            if libc.syncfs(descriptor) != 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), str(folder))
        else:
            os.sync()
    finally:
        os.close(descriptor)


def sync(path: Path) -> None:
    """Make one file or directory durable (fsync)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@cache
def _libc() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(None, use_errno=True)
    except (OSError, TypeError):
        return None


def _renameat2(source: Path, target: Path, flags: int) -> None:
    libc = _libc()
    if libc is None or not hasattr(libc, "renameat2"):
        raise ExchangeUnsupportedError(errno.ENOSYS, os.strerror(errno.ENOSYS), str(source))
    if libc.renameat2(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), ctypes.c_uint(flags)) == 0:
        return
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        raise ExchangeUnsupportedError(number, os.strerror(number), str(source), None, str(target))
    raise OSError(number, os.strerror(number), str(source), None, str(target))
