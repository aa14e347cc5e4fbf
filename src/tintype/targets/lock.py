"""One writer at a time: a lock that dies with its process."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from time import sleep

from tintype.errors import StagingLockedError

LOCK_NAME = "lock"
_LOOKS = (0.005, 0.02)
"""Seconds to wait before it is tried again."""


class FolderLock:
    """An exclusive lock on a folder, held through ``flock`` on a file inside it until :meth:`release`.

    The folder may be renamed and removed while the lock is held; a rival that waited for the old folder's lock sees
    that and starts again.

    Parameters
    ----------
    folder
        Made when it does not exist; its parent must exist.
    wanted
        What the folder is for, as the message names it.

    Raises
    ------
    StagingLockedError
        When another process holds it; the message says which.
    """

    def __init__(self, folder: Path, wanted: Path) -> None:
        self._descriptor = -1
        while True:
            folder.mkdir(exist_ok=True)
            try:
                descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            except FileNotFoundError:
                continue  # a rival removed the folder in between
            try:
                _lock(descriptor)
                if self._is_current(descriptor, folder):
                    self._say_who(descriptor)
                    self._descriptor, descriptor = descriptor, -1
                    return
            except BlockingIOError as error:
                owner = read_owner(descriptor)
                raise StagingLockedError(
                    f"{wanted} is being built by {owner}: wait for it, or stop it; what it finished is kept"
                ) from error
            finally:
                if descriptor >= 0:
                    os.close(descriptor)

    def release(self) -> None:
        """Let others have the lock; harmless a second time."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @staticmethod
    def _is_current(descriptor: int, folder: Path) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(folder / LOCK_NAME))
        except FileNotFoundError:
            return False

    @staticmethod
    def _say_who(descriptor: int) -> None:
        owner = {"pid": os.getpid(), "host": socket.gethostname(), "since": datetime.now(UTC).isoformat(" ", "seconds")}
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(owner).encode(), 0)


def _lock(descriptor: int) -> None:
    """Take the lock, or raise BlockingIOError; who only looks whether it is held holds it for a moment."""
    for wait_seconds in _LOOKS:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sleep(wait_seconds)
        else:
            return
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def read_owner(descriptor: int) -> str:
    """Return who wrote its name into an open lock file."""
    try:
        owner = json.loads(os.pread(descriptor, 4096, 0))
        return f"process {owner['pid']} on {owner['host']} since {owner['since']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
