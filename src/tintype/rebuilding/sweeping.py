"""Remove one leftover, so that an interruption at any point loses no published directory."""

from __future__ import annotations

import os
from pathlib import Path

from tintype.manifest.schema import STAMP_NAME
from tintype.rebuilding.leftovers import Leftover
from tintype.rebuilding.locking import held
from tintype.targets.begin import RECIPE_NAME
from tintype.targets.disk_errors import disk_errors
from tintype.targets.lock import LOCK_NAME
from tintype.targets.relative_paths import remove_tree
from tintype.targets.siblings import new_trash
from tintype.targets.staging import put_back
from tintype.targets.stamp import read_stamp

_PROOFS = (RECIPE_NAME, LOCK_NAME, STAMP_NAME)
"""What shows that a folder is tintype's: removed last, so that the rest of an interrupted removal is still known."""


def sweep(leftover: Leftover) -> None:
    """Do what is to be done with a leftover.

    Raises
    ------
    StagingLockedError
        When a process has begun to build the directory that it is about.
    StagingError
        When the disk refuses.
    """
    with held(leftover.published), disk_errors(f"removing {leftover.path}"):
        if not os.path.lexists(leftover.path):
            return  # another process was here
        if leftover.action == "put back":
            put_back(leftover.path, leftover.published)
        elif leftover.kind == "trash":
            remove_proofs_last(leftover.path)
        elif leftover.kind != "directory" or read_stamp(leftover.path) is not None:
            trash = new_trash(leftover.published)
            os.rename(leftover.path, trash)
            remove_proofs_last(trash)


def remove_proofs_last(folder: Path) -> None:
    """Remove a folder; what shows whose it is goes last."""
    with os.scandir(folder) as entries:
        paths = [Path(entry.path) for entry in entries if entry.name not in _PROOFS]
    for path in paths:
        remove_tree(path)
    remove_tree(folder)
