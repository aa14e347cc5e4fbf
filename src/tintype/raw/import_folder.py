"""Import a folder of files as it is: the first stage of a dataset that begins on a disk."""

from __future__ import annotations

import logging
import os
import tempfile
import weakref
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import starmap
from pathlib import Path
from time import monotonic
from typing import IO, Any, ClassVar, Literal

import luigi

from tintype.errors import SettingsError, StampError
from tintype.manifest.schema import RESERVED_NAMES
from tintype.path_funcs import is_file_or_broken
from tintype.pipelines.core import Pipeline
from tintype.raw.labels import label_of_folder
from tintype.raw.patterns import Patterns
from tintype.targets.directory import DirectoryTarget
from tintype.targets.relative_paths import printable
from tintype.targets.verification import unread_digest
from tintype.tasks.file_stage import FileStage
from tintype.tasks.rows import InputRows, RecordRows
from tintype.write_funcs.files import copy_file, link_file, symlink_file

logger = logging.getLogger("luigi-interface.tintype")


class ImportFolder(FileStage):
    """Bring a folder of files into ``raw``, under the same relative paths.

    Hidden files and folders (a leading dot) are left out, and so is the dataset's own base directory when it lies
    inside the folder, and the manifest and the stamp of a folder that a stage published. A folder inside that is a
    symbolic link is not followed. Once imported, the folder may go: what was imported stays complete; when the folder
    is there, new, changed and vanished files have it imported again.

    Every file carries the column ``label``, see :meth:`label`.

    Examples
    --------
    >>> class Photos(ImportFolder):
    ...     folder = luigi.Parameter(default="photos")
    ...     patterns = ("*.jpg", "*.png")
    >>> Photos().output().path
    'data/raw/Photos'
    """

    folder: str = luigi.Parameter(description="the folder to import")

    layer = "raw"
    patterns: Sequence[str] = ("*",)
    """Shell patterns, in any case of letters; one without a slash is matched with the file's name, else with its
    relative path."""
    exclude: Sequence[str] = ()
    """Patterns of files to leave out."""
    mode: Literal["copy", "hardlink", "symlink"] = "copy"
    """How a file comes in. Links take no space; who changes the original then changes the dataset."""
    not_in_recipe = FileStage.not_in_recipe | {"folder", "carried_columns"}  # what the folder holds counts, not where
    carried_columns: ClassVar[Mapping[str, type]] = {"label": str}

    def pipeline(self) -> Pipeline:
        """Return the pipeline that copies or links one file."""
        writers = {"copy": copy_file, "hardlink": link_file, "symlink": symlink_file}
        if self.mode not in writers:
            raise SettingsError(f"{type(self).__name__}.mode is {self.mode!r}: give one of {', '.join(writers)}")
        return Pipeline(load_func=str, write_func=writers[self.mode])

    def input_folder(self) -> str:
        """Return the folder to import."""
        return str(self.folder)

    def rows(self) -> InputRows:
        """Return the files of the folder as they are now, in the order of their names."""
        listing = self._listing()
        if next(iter(listing), None) is None:
            logger.warning(
                "%s: there are no files to import in %s (patterns %s, exclude %s)",
                self.output(), self.folder, self.patterns, self.exclude,
            )  # fmt: skip
        return RecordRows(lambda: starmap(self._record, listing), self.carried_columns)

    def label(self, inpath: str) -> str | None:
        """Return the label of a file: by default the name of the folder it lies in, None at the top."""
        return label_of_folder(inpath)

    def input_digests(self) -> Mapping[str, str]:
        """Return the digest of the folder's listing: path, size and time of change of each file."""
        stamp = self.output().stamp()
        if stamp is not None and not os.path.isdir(self.folder):
            logger.warning("%s is not there (any more): %s stays as it was imported", self.folder, self.output())
            return stamp.recipe.inputs
        if self._look is not None:
            return {"folder": _digest(self._listing())}
        place = (
            os.path.realpath(self.folder),
            os.path.realpath(self.base_dir),
            tuple(self.patterns),
            tuple(self.exclude),
        )
        return {"folder": recent_digests.find(place, lambda: _digest(self._entries()))}

    def _listing(self) -> Listing:
        """Return the files of the folder, during a run the same each time."""
        return self.once("listing", lambda: Listing(self._entries()))

    def _entries(self) -> Iterator[tuple[str, str]]:
        """Yield the path of each file, and its size and time of change as text: empty when it cannot be looked at."""
        folder = os.fspath(self._existing_folder())
        for path in self._walk():
            yield path, _describe_file(f"{folder}/{path}")

    def _walk(self) -> Iterator[str]:
        wanted = Patterns(self.patterns, self.exclude)
        left_out = RESERVED_NAMES if _is_published(self._existing_folder()) else frozenset()
        for path in walk_sorted(self._existing_folder(), skip=os.path.realpath(self.base_dir)):
            if path not in left_out and wanted.take(path):
                yield path

    def _record(self, inpath: str, description: str) -> dict[str, Any]:
        label = self.label(inpath)
        return {
            "inpath": inpath,
            "input_digest": description or None,
            "label": None if label is None else printable(label),
        }

    def _existing_folder(self) -> Path:
        folder = Path(self.folder)
        if not folder.is_dir():
            found = "is a file" if folder.exists() else "does not exist"
            raise SettingsError(
                f"the folder {str(folder)!r} to import {found} (looked in {os.getcwd()}): "
                f"set {type(self).__name__}.folder to the folder that holds the files"
            )
        if os.path.realpath(folder) == os.path.realpath(self.base_dir):
            raise SettingsError(
                f"the folder {str(folder)!r} to import is the base directory itself, which no import takes in: "
                f"set {type(self).__name__}.folder to a folder inside it, or choose another base_dir"
            )
        return folder


def _digest(entries: Iterable[tuple[str, str]]) -> str:
    digest = sha256()
    for path, description in entries:
        digest.update(f"{path}\0{description}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


class RecentDigests:
    """Keep each digest for as long as it took to make.

    Luigi asks each task whether it is complete, and each asks everything above it: of ten stages over a large folder
    the folder would be listed eleven times. A listing that takes a second is up to a second old when it is done, so
    another second does not make it worse; and a small folder is listed each time.
    """

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[float, str]] = {}

    def find(self, place: Hashable, make: Callable[[], str]) -> str:
        """Return the digest of a place, made anew unless one is at hand that still counts."""
        until, digest = self._known.get(place, (0.0, ""))
        started = monotonic()
        if started < until:
            return digest
        digest = make()
        finished = monotonic()
        self._known[place] = (finished + finished - started, digest)
        return digest


recent_digests = RecentDigests()


class Listing:
    """Paths, each with a text, that can be iterated over any number of times, as they were at first.

    Kept in a temporary file, so that a listing of any length needs no memory.
    """

    def __init__(self, entries: Iterable[tuple[str, str]]) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115, lives as long as the listing
        weakref.finalize(self, self._file.close)
        for path, text in entries:
            self._file.write(os.fsencode(path) + b"\0" + text.encode() + b"\0")
        self._file.flush()

    def __iter__(self) -> Iterator[tuple[str, str]]:
        offset, rest = 0, b""
        while chunk := os.pread(self._file.fileno(), 1 << 16, offset):
            offset += len(chunk)
            *fields, last = (rest + chunk).split(b"\0")
            n_whole = len(fields) // 2 * 2
            yield from zip(map(os.fsdecode, fields[:n_whole:2]), map(os.fsdecode, fields[1:n_whole:2]), strict=True)
            rest = b"\0".join([*fields[n_whole:], last])


def walk_sorted(folder: Path, *, skip: str) -> Iterator[str]:
    """Yield the relative path of every file below `folder`, in the order of their names, hidden ones left out.

    Parameters
    ----------
    folder
        Where to begin.
    skip
        Real path of a folder to leave out.
    """
    waiting = [""]
    while waiting:
        path = waiting.pop()
        if path and not path.endswith("/"):
            yield path
            continue
        if os.path.realpath(folder / path) == skip:
            continue
        try:
            entries = os.scandir(folder / path)
        except FileNotFoundError:
            if not path:
                raise
            continue  # gone since its name was read
        with entries:
            names = [
                f"{path}{entry.name}/" if entry.is_dir(follow_symlinks=False) else f"{path}{entry.name}"
                for entry in entries
                if not entry.name.startswith(".") and _is_wanted(entry)
            ]
        waiting.extend(sorted(names, key=os.fsencode, reverse=True))


def _is_wanted(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a folder, a file, or a link to a file; a link to nothing shows up as a failed row."""
    return is_file_or_broken(entry) or entry.is_dir(follow_symlinks=False)


def _is_published(folder: Path) -> bool:
    """Return whether a stage published a folder; what only has the names of its files is an ordinary one."""
    try:
        return DirectoryTarget(folder).exists()
    except StampError:
        return False


def _describe_file(path: str) -> str:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return ""  # a link to nothing, or gone since the listing
    return unread_digest(status)
