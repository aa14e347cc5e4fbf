"""The key of each file in a WebDataset: its path, in the letters that every reader takes as they are."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tintype.processed.splits.methods import hash_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

WITHOUT_EXTENSION = "bin"
"""What stands for the extension of a file that has none."""
_SPECIAL = re.compile(r"[%.\x00-\x1f\x7f]|__")
_SPECIAL_IN_FOLDER = re.compile(r"[%\x00-\x1f\x7f]")
_SPECIAL_IN_NAME = re.compile(r"[%.\x00-\x1f\x7f]")


class SampleName(NamedTuple):
    """What a file is called in a shard: ``<key>.<extension>``."""

    key: str
    extension: str


def name_sample(outpath: str, *, is_shared: bool = False) -> SampleName:
    """Return the key and the extension of a file.

    Readers take what comes before the first dot of a file's name for its key, what comes after for the field, and
    leave out names that begin with ``__`` or a dot. So the key is the path without its extension, where dots in the
    name, a leading ``_`` of two, control characters and the percent sign are written as in URLs: unquoted it is the
    path again. The extension is in lower case.

    Parameters
    ----------
    outpath
        Of the file, with ``/``.
    is_shared
        Whether another file has the key; then it has the extension too.

    Examples
    --------
    >>> name_sample("cats/1.JPG")
    SampleName(key='cats/1', extension='jpg')
    >>> name_sample("v1.0/img.old.jpg")
    SampleName(key='v1.0/img%2Eold', extension='jpg')
    >>> name_sample("cats/1.jpg", is_shared=True)
    SampleName(key='cats/1%2Ejpg', extension='jpg')
    """
    stem, extension = os.path.splitext(outpath)
    field = extension[1:].lower()
    if not field.isalnum():
        field = _quote(extension[1:], _SPECIAL_IN_NAME).lower() or WITHOUT_EXTENSION
    return SampleName(quote_key(outpath if is_shared else stem), field)


def quote_key(path: str) -> str:
    """Return a path as a key: no two paths have one."""
    if not _SPECIAL.search(path):
        return path
    stem, _, extension = path.rpartition(".")
    if extension.isalnum() and stem and not _SPECIAL.search(stem):  # a third of the time of what follows
        return f"{stem}%2E{extension}"
    folder, slash, name = path.rpartition("/")
    quoted = f"{_quote(folder, _SPECIAL_IN_FOLDER)}{slash}{_quote(name, _SPECIAL_IN_NAME)}"
    return "/".join(f"%5F{part[1:]}" if part.startswith("__") else part for part in quoted.split("/"))


def _quote(text: str, special: re.Pattern[str]) -> str:
    return special.sub(lambda match: f"%{ord(match[0]):02X}", text)


class SharedKeys:
    """Find the files that would share a key: those of one name and several extensions. 16 bytes of memory a file.

    Examples
    --------
    >>> keys = SharedKeys()
    >>> keys.add(["a.jpg", "a.png", "b.jpg"])
    >>> keys.find().tolist()
    [True, True, False]
    """

    def __init__(self) -> None:
        self._short = [np.zeros(0, np.uint64)]
        self._long = [np.zeros(0, np.uint64)]

    def add(self, outpaths: Sequence[str]) -> None:
        """Collect the paths of some files."""
        self._short.append(hash_names([quote_key(os.path.splitext(path)[0]) for path in outpaths], 0))
        self._long.append(hash_names([quote_key(path) for path in outpaths], 0))

    def find(self) -> NDArray[np.bool_]:
        """Return which files need their extension in the key, shape (n,): with it all keys differ.

        These are the files whose short key is another's short one, or what another's long one would be. Where two
        hashes of 64 bits are equal by chance, a key is longer without need.
        """
        self._short, self._long = [np.concatenate(self._short)], [np.concatenate(self._long)]
        short, long = self._short[0], self._long[0]
        # A file without extension has one key only, which is not its own rival.
        rivals = np.concatenate([short, long[long != short]])
        rivals.sort()
        after = np.append(rivals[1:], np.uint64(0))
        is_repeated = rivals == after
        is_repeated[-1:] = False  # nothing comes after the last
        found: NDArray[np.bool_] = is_repeated[np.searchsorted(rivals, short)]
        return found
