"""Files whose digest is known already, and the write function that puts one in place without reading it."""

from __future__ import annotations

import os
from typing import Self

from tintype.records import report_written
from tintype.write_funcs.files import NO_HARD_LINK, copy_file, make_in_place


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


def link_known_file(source: str, path: str) -> None:
    """Give a known file a second name, or copy what cannot be linked.

    Parameters
    ----------
    source
        A :class:`KnownFile` that is there is linked, and copied where it cannot be; any other path is copied.
    path
        The new name.
    """
    if isinstance(source, KnownFile) and source.is_there():
        try:
            make_in_place(path, lambda: os.link(source, path))
        except OSError as error:
            if error.errno not in NO_HARD_LINK:
                raise
        else:
            report_written(path, source.digest, source.size_bytes)
            return
    copy_file(source, path)
