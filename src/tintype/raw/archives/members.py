"""One member of an archive, and the rules for its name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tintype.errors import MemberError, SettingsError
from tintype.targets.relative_paths import check_outpath, printable

CHUNK_BYTES = 2**20
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True)
class Member:
    """A file in an archive, or what stands in the place of one."""

    name: str
    """Relative path with ``/``; as the archive has it, made printable, when that is no path to write to."""
    size_bytes: int
    """As announced; what comes may be less, which is an error then."""
    chunks: Callable[[], Iterator[bytes]]
    """Gives the bytes, in order and once, before the next member is asked for."""
    problem: MemberError | None = None
    """Why the member is never written."""
    is_special: bool = False
    """Whether it is a link, a device, or a pipe."""


def clean_name(name: str, *, is_folder: bool = False) -> str:
    """Return a member's name as a relative path, without empty and ``.`` parts; empty for the top folder.

    Raises
    ------
    MemberError
        When it is absolute, leads out, holds a NUL, is not UTF-8, or is too long: no such name is written to.

    Examples
    --------
    >>> clean_name("./photos//cat.jpg")
    'photos/cat.jpg'
    >>> clean_name("photos/../../cat.jpg")
    Traceback (most recent call last):
        ...
    tintype.errors.MemberError: photos/../../cat.jpg leads out with '..': it is not taken
    """
    shown = show_name(name)
    if "\0" in name:
        raise MemberError(f"{shown} has a NUL in its name: it is not taken")
    if name.startswith("/") or _DRIVE.match(name):
        raise MemberError(f"{shown} is an absolute path: it is not taken")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise MemberError(f"{shown} leads out with '..': it is not taken")
    path = "/".join(parts)
    if is_folder:
        return path
    if not parts:
        raise MemberError("a file without a name: it is not taken")
    try:
        check_outpath(path)
    except SettingsError as error:
        raise MemberError(str(error)) from error
    return path


def show_name(name: str) -> str:
    """Return a name as text that can be printed and encoded."""
    return printable(name).replace("\0", "\\0")


def no_chunks() -> Iterator[bytes]:
    """Yield nothing: for members that are never written."""
    return iter(())


def refused(name: str, problem: MemberError, *, is_special: bool = False) -> Member:
    """Return a member that is never written."""
    return Member(show_name(name), 0, no_chunks, problem, is_special)
