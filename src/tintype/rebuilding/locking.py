"""Hold the lock of a directory for a moment, without building it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tintype.targets.disk_errors import disk_errors
from tintype.targets.lock import LOCK_NAME, FolderLock
from tintype.targets.relative_paths import remove_tree
from tintype.targets.siblings import new_trash, staging_folder


@contextmanager
def held(path: Path) -> Iterator[Path]:
    """Keep every build of a directory out until the end of the block.

    Parameters
    ----------
    path
        Where the directory is published.

    Yields
    ------
    pathlib.Path
        Its staging directory. One that was not there before is gone afterwards.

    Raises
    ------
    StagingLockedError
        When another process is building it.
    StagingError
        When the disk refuses.
    """
    folder = staging_folder(path)
    with disk_errors(f"locking {path}"):
        lock = FolderLock(folder, path)
    try:
        yield folder
    finally:
        try:
            if os.path.lexists(folder) and os.listdir(folder) == [LOCK_NAME]:
                remove_staging(path)
        finally:
            lock.release()


def remove_staging(path: Path) -> None:
    """Remove the staging directory of a directory, whose lock is held: at once for every other process."""
    trash = new_trash(path)
    try:
        os.rename(staging_folder(path), trash)
    except FileNotFoundError:
        return
    remove_tree(trash)
