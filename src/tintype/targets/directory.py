"""DirectoryTarget: a published directory as Luigi's target. It exists when its stamp says so."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import luigi

from tintype.errors import ManifestError
from tintype.executors.blocks import BlockRun
from tintype.manifest.reader import Manifest
from tintype.manifest.schema import MANIFEST_NAME, RESERVED_NAMES
from tintype.targets.disk_errors import disk_errors
from tintype.targets.relative_paths import remove_tree, walk_files
from tintype.targets.siblings import new_trash
from tintype.targets.staging import refuse_stray
from tintype.targets.stamp import Stamp, read_stamp
from tintype.write_funcs.files import hash_file

Data = TypeVar("Data")


@dataclass(frozen=True)
class Verification:
    """What a directory holds, against its manifest."""

    n_files: int
    """Files the manifest names."""
    missing: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    """Files of another size, or with other bytes when they were compared."""
    extra: tuple[str, ...] = ()
    """Files the manifest does not name."""

    @property
    def ok(self) -> bool:
        """Whether the directory holds exactly what its manifest names."""
        return not (self.missing or self.changed or self.extra)


class DirectoryTarget(luigi.Target):
    """The directory that a stage publishes.

    Parameters
    ----------
    path
        Of the directory.

    Examples
    --------
    >>> DirectoryTarget("data/interim/Nothing").exists()
    False
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.folder = Path(path)

    @property
    def path(self) -> str:
        """The directory's path, as Luigi's tools read it."""
        return str(self.folder)

    def __str__(self) -> str:
        return self.path

    def __repr__(self) -> str:
        return f"DirectoryTarget({self.path!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DirectoryTarget) and other.folder == self.folder

    def __hash__(self) -> int:
        return hash((DirectoryTarget, self.folder))

    def exists(self) -> bool:
        """Return whether the directory is published: one small read.

        Raises
        ------
        StampError
            When there is a stamp that is corrupt or was written by a newer tintype.
        """
        return self.stamp() is not None

    def stamp(self) -> Stamp | None:
        """Return the directory's stamp; None when nothing is published.

        Raises
        ------
        StampError
            When there is a stamp that is corrupt or was written by a newer tintype.
        """
        return read_stamp(self.folder)

    def manifest(self) -> Manifest:
        """Return the directory's manifest.

        Raises
        ------
        ManifestError
            When nothing is published here.
        """
        if not self.exists():
            raise ManifestError(f"{self.folder} is not published: build its stage first")
        return Manifest(self.folder / MANIFEST_NAME)

    def files_folder(self) -> Path:
        """Return the folder that the manifest's paths are relative to: this one, but for a GivenFolder's."""
        stamp = self.stamp()
        if stamp is None or stamp.files_in is None:
            return self.folder
        return Path(os.path.realpath(self.folder / stamp.files_in))

    def files(self) -> Iterator[Path]:
        """Yield the path of each file the manifest names, in its order."""
        folder = self.files_folder()
        for batch in self.manifest().batches(["outpath"]):
            for outpath in batch.column(0).drop_null().to_pylist():
                yield folder / outpath

    def read(self, load_func: Callable[[Path], Data]) -> Iterator[tuple[Path, Data]]:
        """Yield (path, data) of each file, loading it when it is asked for; None from `load_func` skips a file.

        Parameters
        ----------
        load_func
            Called with the path of a file.
        """
        for path in self.files():
            data = load_func(path)
            if data is not None:
                yield path, data

    def verify(self, *, deep: bool = False, n_jobs: int = 4) -> Verification:
        """Compare what lies in the directory with its manifest. Changes nothing.

        Parameters
        ----------
        deep
            Compare the bytes of each file too, not only its size.
        n_jobs
            Files looked at at once.
        """
        import numpy as np

        missing: list[str] = []
        changed: list[str] = []
        hashes: list[Any] = []
        with ThreadPoolExecutor(n_jobs) as executor:
            check = partial(_check_file, str(self.files_folder()), deep)
            run: BlockRun[tuple[str, int, str], tuple[str, str]] = BlockRun(
                executor, check, self._expected(hashes), n_jobs=n_jobs
            )
            for verdicts in run:
                missing.extend(path for path, verdict in verdicts if verdict == "missing")
                changed.extend(path for path, verdict in verdicts if verdict == "changed")
        known = np.sort(np.concatenate(hashes)) if hashes else np.zeros(0, np.int64)
        extra = []
        for outpath, _ in walk_files(self.folder):
            key = hash(outpath)
            place = int(np.searchsorted(known, key))
            if outpath not in RESERVED_NAMES and (place == len(known) or known[place] != key):
                extra.append(outpath)
        return Verification(len(known), tuple(sorted(missing)), tuple(sorted(changed)), tuple(sorted(extra)))

    def remove(self) -> None:
        """Remove the directory: at once for every reader, then file by file. Harmless when nothing is published.

        Raises
        ------
        StrayDirectoryError
            When something that tintype did not make stands there; it is left alone.
        """
        refuse_stray(self.folder)
        trash = new_trash(self.folder)
        with disk_errors(f"removing {self.folder}"):
            try:
                os.rename(self.folder, trash)
            except FileNotFoundError:
                return
            remove_tree(trash)

    def _expected(self, hashes: list[Any]) -> Iterator[tuple[str, int, str]]:
        """Yield (outpath, size, digest) of each file of the manifest, and collect the hashes of the paths."""
        import numpy as np

        for batch in self.manifest().batches(["outpath", "size_bytes", "digest"]):
            rows = [row for row in zip(*(c.to_pylist() for c in batch.columns), strict=True) if row[0] is not None]
            hashes.append(np.fromiter((hash(row[0]) for row in rows), np.int64, len(rows)))
            yield from rows


def unread_digest(status: os.stat_result) -> str:
    """Return what stands for the digest of a file that is not read: its size and its time of last change."""
    return f"{status.st_size} bytes at {status.st_mtime_ns}"


def _check_file(folder: str, deep: bool, expected: tuple[str, int, str]) -> tuple[str, str]:
    outpath, size_bytes, digest = expected
    path = f"{folder}/{outpath}"
    try:
        status = os.stat(path)
        is_same = stat.S_ISREG(status.st_mode) and status.st_size == size_bytes
        if " " in digest:  # of a file that was never read
            is_same = digest == unread_digest(status)
        elif deep:
            is_same = is_same and hash_file(path)[0] == digest
        if not is_same:
            return outpath, "changed"
    except (FileNotFoundError, NotADirectoryError):
        return outpath, "missing"
    return outpath, "ok"
