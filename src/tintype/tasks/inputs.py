"""The name and the digest of what a stage reads."""

from __future__ import annotations

import os
from typing import Any

from tintype.errors import SettingsError
from tintype.targets.directory import DirectoryTarget
from tintype.targets.verification import unread_digest


def input_name(target: Any, base_dir: str) -> str:
    """Return a name for an input that stays when the dataset is moved: its path below `base_dir` where it has one."""
    path = getattr(target, "path", None)
    if path is None:
        return str(target)
    relative = os.path.relpath(path, base_dir)
    return str(path) if relative.startswith("..") else relative.replace(os.sep, "/")


def input_digest(target: Any) -> str:
    """Return the digest of an input.

    A directory that tintype published has its digest in its stamp. Of any other target with a local path its size and
    time of change count; of one without a path only its name.
    """
    if isinstance(target, DirectoryTarget):
        stamp = target.stamp()
        return stamp.digest if stamp is not None else "absent"
    path = getattr(target, "path", None)
    if path is None:
        return str(target)
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return "absent"
    return unread_digest(status)


def directories(targets: list[Any], family: str) -> list[DirectoryTarget]:
    """Return the published directories that a file stage reads.

    Raises
    ------
    SettingsError
        When it has none, or one that no stage made.
    """
    found = [target for target in targets if isinstance(target, DirectoryTarget)]
    if found and len(found) == len(targets):
        return found
    raise SettingsError(
        f"{family} requires {[str(target) for target in targets]}: "
        "let it require one stage or several, or override rows() to say what it works on"
    )
