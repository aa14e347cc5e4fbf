"""Fill a directory out of sight, resume after a kill, and publish it by one rename.

Beside the directory ``Photos`` lie, hidden, while it is built::

    .Photos.staging/         exists only while a build is going on, or waits to be resumed
        lock                 held by the process that builds
        recipe.json          what is being built; another recipe starts from nothing
        rows-0000.jsonl      the journal of the rows, one file for each run
        added-0000.jsonl     the journal of files that belong to the whole directory
        inputs.arrow         what the rows are about: path and digest of each input
        earlier-0000/        rows and inputs from before the inputs changed
        files/               becomes the directory
    .Photos.trash-<build>/   what was replaced, on its way out
    .Photos.old-<build>/     what is being replaced, where the kernel cannot exchange two names
"""

from __future__ import annotations

import errno
import glob
import json
import logging
import os
import shutil
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from time import time_ns
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from tintype.errors import (
    CollisionError,
    ManifestError,
    SettingsError,
    StagingError,
    StrayDirectoryError,
)
from tintype.manifest.reader import Manifest
from tintype.manifest.schema import MANIFEST_NAME, RESERVED_NAMES, STAMP_NAME, Status
from tintype.pipelines.file_result import FileResult, result_without_work
from tintype.pipelines.file_work import as_declared
from tintype.recipe import Recipe
from tintype.settings import TRIGGERS
from tintype.targets.begin import Beginning
from tintype.targets.disk_errors import disk_errors
from tintype.targets.earlier import EarlierResults
from tintype.targets.journal import Journal
from tintype.targets.lock import FolderLock
from tintype.targets.path_index import PathIndex
from tintype.targets.relative_paths import check_outpath, count_files, printable, remove_tree, walk_files
from tintype.targets.renames import ExchangeUnsupportedError, exchange, rename_new, sync, sync_tree
from tintype.targets.resume import prove_files
from tintype.targets.siblings import new_trash, sibling, staging_folder
from tintype.targets.stamp import Stamp, read_stamp
from tintype.write_funcs.files import hash_file

if TYPE_CHECKING:
    import pyarrow as pa

    from tintype.manifest.writer import ManifestSummary

logger = logging.getLogger("luigi-interface.tintype")


class Staging:
    """A directory that is being built; a context manager that holds its lock.

    Opening it makes or resumes the staging directory. Leaving it closes the journals and lets go of the lock; what
    was not published stays for the next run.

    Parameters
    ----------
    path
        Where the directory will be published.
    recipe
        What it is built by. A staging directory of another recipe is dropped; where only the inputs differ, the
        results of unchanged inputs can be taken over from ``earlier``.
    triggers
        The kinds of difference between recipes that count.

    Raises
    ------
    StagingLockedError
        When another process is building the same directory.
    StrayDirectoryError
        When something that tintype did not make stands at `path`.
    StagingError
        When the disk refuses.
    """

    def __init__(self, path: Path, recipe: Recipe, triggers: Collection[str] = TRIGGERS) -> None:
        self.path = path
        self.recipe = recipe
        self.folder = staging_folder(path)
        self.files = self.folder / "files"
        self.files_in: str | None = None
        """Where the files lie that the manifest names, when not here; see :attr:`Stamp.files_in`."""
        self.keeps_empty_folders = False
        """Whether folders without a file are published too; else they go: files that failed or were dropped leave them,
        and readers such as torchvision's ImageFolder take them for labels."""
        self.keeps_unchanged = False
        """Whether what the published directory holds of unchanged inputs is still right."""
        self.n_inputs: int | None = None
        """Number of inputs, where it is not the number of rows that have one: several rows may be of one input."""
        self.column_types: Mapping[str, type] | None = None
        """Declared types of the columns that :meth:`add` may be given; None where anything may."""
        with disk_errors(f"preparing {self.folder}"):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = FolderLock(self.folder, path)
        try:
            with disk_errors(f"preparing {self.folder}"):
                self._recover()
                refuse_stray(path)
                self.build_id, deep = Beginning(self.folder, recipe, triggers).begin()
                self.rows = Journal(self.folder, "rows")
                self.added = Journal(self.folder, "added")
                self.earlier = EarlierResults(sorted(self.folder.glob("earlier-*")))
                journals = (self.rows, self.added, *self.earlier.journals)
                self.n_kept, n_dropped = prove_files(self.files, journals, published=path, deep=deep)
                self.files.mkdir(exist_ok=True)
        except BaseException:
            self._lock.release()
            raise
        if self.n_kept or n_dropped:
            logger.info("%s: resumed, %d finished files kept, %d dropped", path, self.n_kept, n_dropped)
        self._number_of_added = PathIndex()
        for result in self.added.results():
            if result.outpath is not None:
                self._number_of_added.setdefault(result.outpath, result.number)
        # Numbers of rows that were forgotten are not given again: rows of an earlier run may come after them.
        self._next_number = self._n_added_before = len(self.added)
        self._added_again = bytearray(self._n_added_before)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def is_finished(self, outpath: str) -> bool:
        """Return whether an earlier run of this build, or this one, has added this file and it is there."""
        return outpath in self._number_of_added and os.path.lexists(f"{self.files}/{outpath}")

    def add(
        self,
        outpath: str,
        *,
        inpath: str | None = None,
        columns: Mapping[str, Any] | None = None,
        digest: str | None = None,
        size_bytes: int | None = None,
    ) -> None:
        """Put a file that lies whole under ``files`` on the manifest.

        Costs 18 to 36 bytes of memory a file: of its path only a hash is kept, see :class:`PathIndex`.

        Parameters
        ----------
        outpath
            Relative to ``files``, with ``/``.
        inpath
            The input it was made from; None when it was made from all of them.
        columns
            Values of declared columns.
        digest, size_bytes
            sha256 (hex) and length of the file, for a caller that hashed it in memory; otherwise it is read.

        Raises
        ------
        CollisionError
            When this run has added the same path before.
        StagingError
            When there is no such file.
        """
        check_outpath(outpath)
        try:
            columns = {name: as_declared(name, value, self.column_types) for name, value in (columns or {}).items()}
        except (TypeError, OverflowError) as error:
            raise SettingsError(f"{outpath}: {error}") from error
        number = self._number_of_added.get(outpath)
        if number is not None and (number >= self._n_added_before or self._added_again[number]):
            raise CollisionError(f"{outpath} was added twice to {self.path}: give each file a path of its own")
        started = time_ns() // 1000
        if digest is None or size_bytes is None:
            digest, size_bytes = self._hash(outpath)
        if number is None:
            number = self._number_of_added.setdefault(outpath, self._next_number)
            self._next_number += 1
        else:
            self._added_again[number] = 1
        now = time_ns() // 1000
        row = FileResult(
            number, inpath, str(Status.WRITTEN), outpath, None, None, digest, size_bytes, now - started, now,
            columns or None,
        )  # fmt: skip
        self.added.append([row])

    def add_failed(self, inpath: str, error: BaseException) -> FileResult:
        """Put an input that failed on the manifest; the next run of the build tries it again.

        Parameters
        ----------
        inpath
            The input, as the manifest names it.
        error
            What it failed with.

        Returns
        -------
        FileResult
            The row, for who counts failures.
        """
        return self._add_without_file(inpath, Status.FAILED, error)

    def add_dropped(self, inpath: str, reason: BaseException) -> FileResult:
        """Put an input that is not wanted on the manifest, with the reason, as a row without a file."""
        return self._add_without_file(inpath, Status.DROPPED, reason)

    def _add_without_file(self, inpath: str, status: Status, error: BaseException) -> FileResult:
        row = result_without_work(self._next_number, printable(inpath), status, error=error)
        self._next_number += 1
        self.added.append([row])
        return row

    def _hash(self, outpath: str) -> tuple[str, int]:
        with disk_errors(f"adding {outpath} to {self.path}"):
            try:
                return hash_file(self.files / outpath)
            except FileNotFoundError as error:
                raise StagingError(
                    errno.ENOENT,
                    f"{outpath} was added to {self.path} but is not there: write {self.files / outpath} first",
                ) from error

    def publish(self, batches: Iterable[Mapping[str, Any]], extra: pa.Schema, *, durable: bool = True) -> Stamp:
        """Write the manifest and the stamp, and rename the directory to where it belongs.

        Parameters
        ----------
        batches
            The rows of the manifest, column by column.
        extra
            Schema of the columns beyond the fixed ones.
        durable
            Make everything durable first, so that the directory is whole even after a power cut.

        Returns
        -------
        Stamp
            Of the published directory.

        Raises
        ------
        ManifestError
            When a file lies in the directory that no row names, or a row names one that is not there.
        """
        from tintype.manifest.writer import ManifestWriter

        self.rows.flush()
        self.added.flush()
        with disk_errors(f"publishing {self.path}"):
            with ManifestWriter(self.files / MANIFEST_NAME, extra) as writer:
                for batch in batches:
                    writer.write(batch)
            self._hold_to_manifest(writer.summary.n_files)
            stamp = self._make_stamp(writer.summary)
            (self.files / STAMP_NAME).write_text(json.dumps(stamp.to_json(), indent=1) + "\n", encoding="utf-8")
            if durable:
                sync_tree(self.files)
                for path in (self.files / MANIFEST_NAME, self.files / STAMP_NAME, self.files):
                    sync(path)
            self._move_in()
            if durable:
                sync(self.path.parent)
        self.discard()
        return stamp

    def _hold_to_manifest(self, n_named: int) -> None:
        """Refuse to publish anything but exactly the files that the manifest names; costs a microsecond a file.

        Folders without a file go, unless they are wanted.
        """
        if self.files_in is not None:
            return
        n_there = count_files(self.files, prune=not self.keeps_empty_folders) - 1  # without the manifest
        if n_there == n_named:
            return
        named = {
            hash(outpath)
            for batch in Manifest(self.files / MANIFEST_NAME).batches(["outpath"])
            for outpath in batch.column(0).to_pylist()
        }
        for path, _ in walk_files(self.files):
            if path not in RESERVED_NAMES and hash(path) not in named:
                raise ManifestError(
                    f"{printable(path)} lies in {self.files}, and no row of the manifest names it: "
                    "put it on the manifest with staging.add, or write it elsewhere"
                )
        raise ManifestError(
            f"the manifest of {self.path} names {n_named} files, and {n_there} are there: "
            "give each file one row, and leave files alone once they are on the manifest"
        )

    def discard(self) -> None:
        """Remove the staging directory, and with it what was replaced, and let go of the lock.

        What cannot be removed is left to the next run, which sweeps it: the published directory is not touched by it.
        """
        try:
            self._close_journals()
            # Out of the way first: a half-removed staging directory must never be resumed.
            trash = new_trash(self.path)
            os.rename(self.folder, trash)
            remove_tree(trash)
        except OSError as error:
            logger.warning("%s is left behind (%s): the next build of the stage removes it", self.folder, error)
        finally:
            self._lock.release()

    def close(self) -> None:
        """Close the journals and let go of the lock; harmless a second time."""
        try:
            self._close_journals()
        finally:
            self._lock.release()

    def _close_journals(self) -> None:
        try:
            self.rows.close()
        finally:
            self.added.close()

    def _recover(self) -> None:
        """Undo what an interrupted replacement left: put the old directory back, or sweep it."""
        for old in self.path.parent.glob(f"{glob.escape(str(sibling(self.path, 'old', '').name))}*"):
            if not put_back(old, self.path):
                remove_tree(old)
        for trash in self.path.parent.glob(f"{glob.escape(str(sibling(self.path, 'trash', '').name))}*"):
            remove_tree(trash)

    def drop_earlier(self) -> None:
        """Remove what was kept of builds with other inputs, once every input has a result of this build."""
        if self.earlier.journals:
            self.rows.flush()
            self.added.flush()
            with disk_errors(f"clearing {self.folder}"):
                prove_files(self.files, (self.rows, self.added), published=self.path, retry_failed=False)
                for folder in self.folder.glob("earlier-*"):
                    shutil.rmtree(folder)
            self.earlier = EarlierResults([])

    def _make_stamp(self, summary: ManifestSummary) -> Stamp:
        return Stamp(
            recipe=self.recipe,
            build_id=self.build_id,
            digest=summary.digest,
            n_rows=summary.n_rows,
            n_inputs=summary.n_inputs if self.n_inputs is None else self.n_inputs,
            n_files=summary.n_files,
            size_bytes=summary.size_bytes,
            time_published=datetime.now(UTC).isoformat(timespec="microseconds"),
            tintype_version=_find_own_version(),
            statuses=summary.statuses,
            files_in=self.files_in,
        )

    def _move_in(self) -> None:
        """Put ``files`` where it belongs; what was there is in ``files`` afterwards."""
        try:
            rename_new(self.files, self.path)
            return
        except FileExistsError:
            refuse_stray(self.path)
        try:
            exchange(self.files, self.path)
        except ExchangeUnsupportedError:
            old = sibling(self.path, "old", self.build_id)
            try:
                os.rename(self.path, old)
                os.rename(self.files, self.path)
            except BaseException:
                if not os.path.lexists(self.path):
                    os.rename(old, self.path)
                raise
            os.rename(old, self.files)


@cache
def _find_own_version() -> str:
    """Return the version of tintype: to look it up takes 2 ms, a fifth of what a small stage takes."""
    return version("tintype")


def put_back(old: Path, path: Path) -> bool:
    """Return a directory that was moved aside to its place when nothing took it; whether that was so.

    The directory's lock is held.
    """
    if os.path.lexists(path) or read_stamp(old) is None:
        return False
    os.rename(old, path)
    logger.warning("%s: put back after an interrupted replacement", path)
    return True


def refuse_stray(path: Path) -> None:
    """Refuse to build where something stands that tintype did not make.

    Raises
    ------
    StrayDirectoryError
        When `path` is neither absent, nor an empty directory, nor one with a stamp.
    StampError
        When the stamp is corrupt or from a newer tintype.
    """
    if not os.path.lexists(path) or read_stamp(path) is not None:
        return
    if path.is_dir() and not any(path.iterdir()):
        return
    raise StrayDirectoryError(
        f"{path} is there, but tintype did not make it (it has no {STAMP_NAME}): "
        "move it away, or choose another base_dir or class name"
    )
