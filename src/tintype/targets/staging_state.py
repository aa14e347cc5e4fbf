"""A look at a staging directory from outside, that changes nothing: who builds there, what, and how far."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path

from tintype.manifest.schema import Status
from tintype.recipe import Recipe
from tintype.targets.begin import RECIPE_NAME
from tintype.targets.journal import Journal
from tintype.targets.lock import LOCK_NAME, read_owner
from tintype.targets.siblings import staging_folder


@dataclass(frozen=True)
class StagingState:
    """What lies in a staging directory."""

    folder: Path
    builder: str | None
    """Who holds its lock now, as text; None when nobody does, so that it waits to be resumed."""
    n_finished: int
    """Inputs whose work is finished."""
    n_failed: int
    """Inputs that failed; the next run tries them again."""
    is_current: bool
    """Whether it is of the recipe that is asked for, so that what is finished will be used."""


def look_at_staging(path: Path, wanted: Recipe | None = None) -> StagingState | None:
    """Return what lies in the staging directory of a directory; None when there is none.

    Parameters
    ----------
    path
        The directory that is published.
    wanted
        The recipe that is asked for.
    """
    folder = staging_folder(path)
    if not folder.is_dir():
        return None
    try:
        begun = Recipe.from_json(json.loads((folder / RECIPE_NAME).read_bytes())["recipe"])
    except (OSError, ValueError, KeyError, TypeError):
        begun = None
    n_finished = n_failed = 0
    for result in Journal(folder, "rows").results():
        if result.status == Status.FAILED:
            n_failed += 1
        else:
            n_finished += 1
    is_current = begun is not None and begun == wanted
    return StagingState(folder, find_builder(folder), n_finished, n_failed, is_current)


def find_builder(folder: Path) -> str | None:
    """Return who holds the lock of a staging directory, as text; None when nobody does."""
    try:
        descriptor = os.open(folder / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return read_owner(descriptor)
    else:
        return None
    finally:
        os.close(descriptor)
