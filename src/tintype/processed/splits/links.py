"""How a file comes into a part: as a second name of the file above, as a link to it, or as a copy."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from math import inf
from pathlib import Path
from time import perf_counter
from typing import Literal, TypeGuard, get_args

from tintype.interim.kept_files import FileAbove
from tintype.records import report_written
from tintype.targets.siblings import staging_folder
from tintype.write_funcs.files import NO_HARD_LINK, copy_file, hash_file, make_in_place

LinkKind = Literal["hard", "symbolic", "copy"]
LINK_KINDS = get_args(LinkKind)


QUICK_SECONDS = 1e-4
"""Where a link takes less, one thread makes as many as several do."""
_N_TRIED = 5


def add_hard(file: FileAbove, path: str) -> None:
    """Give a file a second name, or copy what cannot be linked: two looks at the disk, as a million files ask for."""
    source, digest = file
    status = os.lstat(source)
    if digest is None or not stat.S_ISREG(status.st_mode):
        copy_file(source, path)
        return
    try:
        make_in_place(path, lambda: os.link(source, path, follow_symlinks=False))
    except OSError as error:
        if error.errno not in NO_HARD_LINK:
            raise
        copy_file(source, path)
        return
    report_written(path, digest, status.st_size)


def add_copy(file: FileAbove, path: str) -> None:
    """Copy a file."""
    copy_file(file.path, path)


@dataclass(frozen=True)
class AddSymbolic:
    """Make a symbolic link to a file.

    In a staging directory it may lead nowhere until the directory is published, which lies one level higher.
    """

    input_folder: str
    """Where the files are."""
    staged_in: str
    """The folder that will be the published directory; anywhere else a link is to lead to its file at once."""
    link_folder: str
    """What the links in it say for the input folder."""

    def __call__(self, file: FileAbove, path: str) -> None:
        """Make one link."""
        source, digest = file
        if digest is None:
            digest, size_bytes = hash_file(source)
        else:
            size_bytes = os.stat(source).st_size
        target = os.path.abspath(source)
        if path.startswith(f"{self.staged_in}/"):
            target = self.link_folder + source.removeprefix(self.input_folder)
        make_in_place(path, lambda: os.symlink(target, path))
        report_written(path, digest, size_bytes)


def choose_add_func(
    link: LinkKind, *, base_dir: str, input_folder: str, output_folder: Path
) -> Callable[[FileAbove, str], None]:
    """Return what puts a file in its part.

    Parameters
    ----------
    link
        How.
    base_dir
        Of the dataset.
    input_folder
        Where the files are.
    output_folder
        The directory that has the parts, once it is published.
    """
    if link == "hard":
        return add_hard
    if link == "copy":
        return add_copy
    staged_in = f"{staging_folder(output_folder)}/files"
    return AddSymbolic(input_folder, staged_in, link_folder(base_dir, input_folder, str(output_folder)))


def is_link_func(write_func: object) -> TypeGuard[Callable[[FileAbove, str], None]]:
    """Return whether a write function is one of those here that make links."""
    return write_func is add_hard or isinstance(write_func, AddSymbolic)


def links_are_quick(add_func: Callable[[FileAbove, str], None], files: Iterable[FileAbove], folder: Path) -> bool:
    """Return whether links are so quick that threads would only take the interpreter's lock from one another.

    On a disk at hand two threads take longer for all links than one, and eight twice as long. Over a network each link
    waits for an answer, and the more wait at once the better.

    Parameters
    ----------
    add_func
        What makes links.
    files
        A few of them are linked for a moment.
    folder
        Where they are linked: on the file system of the links.
    """
    path = f"{folder}/link.draft"
    seconds = []
    for file in islice(files, _N_TRIED):
        if file.digest is None:
            return False  # it is copied
        started = perf_counter()
        try:
            add_func(file, path)
        except OSError:
            return False  # which the build will tell
        seconds.append(perf_counter() - started)
        os.unlink(path)
    return min(seconds, default=inf) < QUICK_SECONDS


def link_folder(base_dir: str, input_folder: str, output_folder: str) -> str:
    """Return what stands before a file's path in a link from ``<part>/<label>/``.

    Relative inside the base directory, so that the dataset can be moved; absolute to a folder outside of it, which is
    not moved with it.

    Parameters
    ----------
    base_dir
        Of the dataset.
    input_folder
        Where the files are.
    output_folder
        The directory that has the parts, once it is published; need not be there.

    Examples
    --------
    >>> link_folder("/data", "/data/interim/Cutouts", "/data/processed/Products")
    '../../../../interim/Cutouts'
    >>> link_folder("/data", "/photos", "/data/processed/Products")
    '/photos'
    """
    base, source, target = (os.path.realpath(path) for path in (base_dir, input_folder, output_folder))
    if all(path.startswith(base.rstrip("/") + "/") for path in (source, target)):
        return os.path.relpath(source, f"{target}/part/label")
    return os.path.abspath(input_folder)
