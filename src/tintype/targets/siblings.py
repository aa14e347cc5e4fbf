"""The hidden names beside a published directory: what is being built, what was replaced, what is on its way out."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Literal


def staging_folder(path: Path) -> Path:
    """Return the staging directory of a published directory.

    Examples
    --------
    >>> staging_folder(Path("data/interim/Photos")).as_posix()
    'data/interim/.Photos.staging'
    """
    return path.with_name(f".{path.name}.staging")


def sibling(path: Path, kind: Literal["trash", "old"], build_id: str) -> Path:
    """Return where a directory goes when it is replaced (``old``), or removed (``trash``)."""
    return path.with_name(f".{path.name}.{kind}-{build_id}")


def new_trash(path: Path) -> Path:
    """Return a name that nothing has, to move a directory to before it is removed file by file."""
    return sibling(path, "trash", uuid.uuid4().hex[:12])
