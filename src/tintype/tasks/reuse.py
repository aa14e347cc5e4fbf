"""Taking over what the last build made of inputs that are the same now, where nothing else has changed."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import compress
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING, Any, Self

from tintype.manifest.arrays import from_numpy, make_array, text_scalar
from tintype.manifest.schema import Status, is_digested
from tintype.manifest.table_rows import one_array, take_rows
from tintype.tasks.published_rows import PublishedRows
from tintype.write_funcs.files import NO_HARD_LINK, copy_file

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from tintype.targets.directory import DirectoryTarget
    from tintype.tasks.rows import InputRows, RowBatch

_KEPT_COLUMNS = ("outpath", "status", "error_type", "error", "digest", "size_bytes")


class Reuse:
    """Which inputs of a stage have a result in the published directory, and those results.

    An input has one when its digest and the columns it carries are the same, and its path where that counts; what
    failed is tried again. Nothing is linked before everything else is done, and what is linked is not in the journal:
    to link it again after a kill costs less than to have it there. Holds 8 bytes a row, and up to 20 for
    :class:`PublishedRows`.

    Parameters
    ----------
    published
        The directory.
    rows
        The inputs.
    recorded
        Names of the columns that the stage records.
    with_path
        Whether the path of an input counts.
    retried
        Types of errors that are to be tried again; None for all. What failed with another stays failed.
    without
        Output paths that are not to be taken over: what is broken.
    """

    def __init__(
        self,
        published: DirectoryTarget,
        rows: InputRows,
        recorded: Sequence[str],
        *,
        with_path: bool,
        retried: Collection[str] | None = None,
        without: Collection[str] = (),
    ) -> None:
        stamp = published.stamp()
        assert stamp is not None
        self._folder = published.folder
        self._recorded = list(recorded)
        self._without = frozenset(without)
        self._has_parts = stamp.n_inputs < sum(stamp.statuses.values())
        self._published = PublishedRows(
            published.manifest(),
            [field.name for field in rows.carried_schema if is_digested(field)],
            with_path=with_path or self._has_parts,
            has_parts=self._has_parts,
            retried=retried,
        )
        self._rows_of_inputs = array("q")
        self._unmoved: set[int] = set()
        """Starts of the batches of which every file keeps its path."""
        self.n_found = 0
        """Inputs whose result is taken over."""

    @classmethod
    def find(cls, published: DirectoryTarget, rows: InputRows, recorded: Sequence[str], **wishes: Any) -> Reuse | None:
        """Return the reuse of a directory; None when its manifest lacks a column, so that nothing can be compared."""
        known = set(published.manifest().schema.names)
        wanted = {field.name for field in rows.carried_schema if is_digested(field)} | set(recorded)
        return cls(published, rows, recorded, **wishes) if wanted <= known else None

    def plan(self, batch: RowBatch) -> None:
        """Look for the next batch of inputs."""
        import numpy as np

        paths, digests = batch.identities
        found = self._published.find(paths, digests, batch.carried)
        if self._without:
            self._leave_out(found)
        if batch.trouble is not None:
            found[[place for place, trouble in enumerate(batch.trouble) if trouble is not None]] = -1
        self._rows_of_inputs.frombytes(found.tobytes())
        self.n_found += int(np.count_nonzero(found >= 0))

    def covers(self, batch: RowBatch) -> npt.NDArray[np.bool_]:
        """Return which inputs of a batch have a result."""
        return self._rows(batch) >= 0

    def link(self, batch: RowBatch, outpaths: Sequence[Any], is_done: npt.NDArray[np.bool_], files: Path) -> list[int]:
        """Link the files of a batch.

        Parameters
        ----------
        batch
            The inputs.
        outpaths
            Where the result of each goes.
        is_done
            Which of them have a result of this build.
        files
            The directory that is being filled.

        Returns
        -------
        list of int
            Places of the inputs whose files are not there any more, or of another size: they are to be worked on.
        """
        import numpy as np

        is_taken = self.covers(batch) & ~is_done
        places = np.flatnonzero(is_taken)
        old_rows, of_input = self._published.with_parts(self._rows(batch)[places])
        table = self._published.take(old_rows, ["outpath", "size_bytes"])
        old, sizes = table.column("outpath").to_pylist(), table.column("size_bytes").to_pylist()
        new = old if self._has_parts else list(compress(outpaths, is_taken.tolist()))
        if old == new:
            self._unmoved.add(batch.start)
        of_input_list = places[of_input].tolist()
        with _Linker(self._folder, files) as linker:
            lost = dict.fromkeys(linker.find_lost(zip(of_input_list, old, new, sizes, strict=True)))
        if lost:
            self._give_up(batch, lost, zip(of_input_list, new, strict=True), files)
        return list(lost)

    def columns(
        self, batch: RowBatch, outpaths: Callable[[RowBatch], Sequence[Any]], is_done: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[np.int64], dict[str, pa.Array]]:
        """Return the place of the input of each row that is taken over, and its columns but for the carried ones.

        `outpaths` says where the result of each input goes; asked where :meth:`link` has not seen that it stays there.
        """
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        places = np.flatnonzero(self.covers(batch) & ~is_done)
        old_rows, of_input = self._published.with_parts(self._rows(batch)[places])
        table = self._published.take(old_rows, [*_KEPT_COLUMNS, *self._recorded])
        places = places[of_input]
        columns = {name: one_array(table.column(name)) for name in table.schema.names}
        paths, digests = batch.identities
        columns["inpath"], columns["input_digest"] = take_rows(paths, places), take_rows(digests, places)
        written, reused = text_scalar(Status.WRITTEN.value), text_scalar(Status.REUSED.value)
        columns["status"] = pc.if_else(pc.equal(columns["status"], written), reused, columns["status"])
        if not self._has_parts and batch.start not in self._unmoved:
            all_new = outpaths(batch)
            new = make_array([all_new[place] for place in places.tolist()], pa.string())
            columns["outpath"] = pc.if_else(columns["outpath"].is_valid(), new, text_scalar(None))
        columns["seconds"] = from_numpy(np.zeros(len(places)), pa.float64())
        now = np.full(len(places), time_ns() // 1000, np.int64)
        columns["time_finished"] = from_numpy(now, pa.timestamp("us", tz="UTC"))
        return places, columns

    def close(self) -> None:
        """Let go of the published manifest."""
        self._published.close()

    def _rows(self, batch: RowBatch) -> npt.NDArray[np.int64]:
        import numpy as np

        return np.frombuffer(self._rows_of_inputs, np.int64)[batch.start : batch.start + len(batch)].copy()

    def _leave_out(self, found: npt.NDArray[np.int64]) -> None:
        import numpy as np

        places = np.flatnonzero(found >= 0)
        old_rows, of_input = self._published.with_parts(found[places])
        outpaths = self._published.take(old_rows, ["outpath"]).column("outpath").to_pylist()
        broken = [place for place, outpath in zip(of_input.tolist(), outpaths, strict=True) if outpath in self._without]
        found[places[broken]] = -1

    def _give_up(self, batch: RowBatch, lost: Collection[int], paths: Iterator[tuple[int, str]], files: Path) -> None:
        """Take inputs off the plan, and their other files off the directory."""
        for place in lost:
            self._rows_of_inputs[batch.start + place] = -1
        self.n_found -= len(lost)
        for place, path in paths:
            if place in lost and path is not None:
                (files / path).unlink(missing_ok=True)


class _Linker:
    """Make hard links from one directory in another, or copies where there can be none; a context manager.

    Paths are looked up from open directories: whole paths cost the kernel a fifth more.
    """

    def __init__(self, source: Path, files: Path) -> None:
        self._source, self._files = source, files

    def __enter__(self) -> Self:
        self._from = os.open(self._source, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._to = os.open(self._files, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._from)
        os.close(self._to)

    def find_lost(self, files: Iterable[tuple[int, str | None, str, int]]) -> Iterator[int]:
        """Link files, given by place, old path, new path and size; yield the places of those that cannot be.

        Such a file is not there any more, or of another size. One that has no old path has nothing to link.
        """
        stat, link = os.stat, os.link  # this loop is what a rebuild spends most of its time in
        source, target = self._from, self._to
        for place, old_path, new_path, size_bytes in files:
            if old_path is None:
                continue
            try:
                if stat(old_path, dir_fd=source).st_size != size_bytes:
                    yield place
                else:
                    link(old_path, new_path, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
            except OSError as error:
                if not self._link_otherwise(old_path, new_path, error):
                    yield place

    def _link_otherwise(self, old_path: str, new_path: str, error: OSError) -> bool:
        """Make the folder, or a copy; return whether the file was there."""
        if error.errno in NO_HARD_LINK:
            copy_file(self._source / old_path, self._files / new_path)
            return True
        if not isinstance(error, FileNotFoundError):
            raise error
        (self._files / new_path).parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(old_path, new_path, src_dir_fd=self._from, dst_dir_fd=self._to, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True
