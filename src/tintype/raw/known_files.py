"""Files whose digest is known already, and the write function that puts one in place without reading it."""

from __future__ import annotations

import os
from typing import Self

from tintype.write_funcs.files import copy_file, reuse_file


class KnownFile(str):
    """The path of a file, with what a published manifest says of it."""

    __slots__ = ("digest", "size_bytes")

    digest: str
    size_bytes: int

    def __new__(cls, path: str, digest: str, size_bytes: int) -> Self:
        """Return the path with digest and size."""
        known = super().__new__(cls, path)
        known.digest = digest
        known.size_bytes = size_bytes
        return known

    def __reduce__(self) -> tuple[type[Self], tuple[str, str, int]]:
        return type(self), (str(self), self.digest, self.size_bytes)

    def is_there(self) -> bool:
        """Return whether a plain file of that size has the path."""
        try:
            status = os.lstat(self)
        except OSError:
            return False
        return (status.st_mode & 0o170000) == 0o100000 and status.st_size == self.size_bytes


def link_known_file(source: str, path: str, *, is_reused: bool = False) -> None:
    """Give a known file a second name, or copy what cannot be linked.

    Parameters
    ----------
    source
        A :class:`KnownFile` that is there is linked, and copied where it cannot be; any other path is copied.
    path
        The new name.
    is_reused
        Whether the file is one of the last build of the same directory.
    """
    if isinstance(source, KnownFile) and source.is_there():
        reuse_file(source, path, digest=source.digest, size_bytes=source.size_bytes, is_reused=is_reused)
    else:
        copy_file(source, path)
