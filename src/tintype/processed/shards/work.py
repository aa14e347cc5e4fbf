"""Write one shard after the other, in threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tintype.processed.shards.files import BadFileError, ShardFile, find_fault
from tintype.processed.shards.index import WrittenShard
from tintype.processed.shards.resume import FinishedShard, digest_rows
from tintype.write_funcs.files import new_file

if TYPE_CHECKING:
    import pyarrow as pa

    from tintype.processed.shards.plan import Shard
    from tintype.processed.shards.rows import OrderedRows


class ShardWriter(Protocol):
    """Writes the files of one shard in a format."""

    def add(self, table: pa.Table, on_file: Callable[[], None]) -> None:
        """Write the files of some rows."""

    def finish(self) -> None:
        """Write what comes last."""


class ShardFailed(NamedTuple):
    """A shard that cannot be written, and why: files above that are not as their manifest says."""

    n_bad: int
    first: BadFileError


class StoppedError(Exception):
    """The build is being stopped."""


class Tally:
    """Counts files from many threads, and tells whether to go on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_new = 0
        self._is_stopping = False

    def __call__(self) -> None:
        """Count a file; StoppedError when the build is being stopped."""
        if self._is_stopping:
            raise StoppedError
        with self._lock:
            self._n_new += 1

    def take(self) -> int:
        """Return the number of files since the last call."""
        with self._lock:
            taken, self._n_new = self._n_new, 0
            return taken

    def stop(self) -> None:
        """Let each thread stop at its next file."""
        self._is_stopping = True


class ShardWork:
    """Writes a shard, one a call, from any thread.

    Parameters
    ----------
    rows
        What is known of all files, in the order of the plan; has ``outpath``, ``digest`` and ``size_bytes``.
    make_writer
        Makes the writer of a shard.
    in_folder, out_folder
        Where the files are, and where the shards go.
    extension
        Of the shards, with its dot.
    known
        Shards that an earlier run of the build finished, each with the digest of its rows, by their paths.
    tally
        Counts the files.
    durable
        Make each shard durable when it is whole, while other threads go on: at the end all would wait for the disk.
    """

    def __init__(
        self,
        rows: OrderedRows,
        make_writer: Callable[[ShardFile], ShardWriter],
        *,
        in_folder: str,
        out_folder: str,
        extension: str,
        known: Mapping[str, FinishedShard],
        tally: Tally,
        durable: bool,
    ) -> None:
        self._rows = rows
        self._make_writer = make_writer
        self._in_folder = in_folder
        self._out_folder = out_folder
        self._extension = extension
        self._known = known
        self._tally = tally
        self._durable = durable

    def __call__(self, shard: Shard) -> FinishedShard | ShardFailed:
        """Write a shard, unless it is finished already."""
        outpath = f"{shard.name}{self._extension}"
        rows_digest = digest_rows(self._rows.read(shard.start, shard.stop))
        known = self._known.get(outpath)
        if known is not None and known.rows_digest == rows_digest:
            return known
        path = f"{self._out_folder}/{outpath}"
        try:
            with new_file(path) as descriptor:
                file = ShardFile(descriptor, path)
                writer = self._make_writer(file)
                for table in self._rows.read(shard.start, shard.stop):
                    writer.add(table, self._tally)
                writer.finish()
                if self._durable:
                    os.fsync(descriptor)
        except BadFileError as error:
            return ShardFailed(max(self._count_bad_files(shard), 1), error)
        written = WrittenShard(outpath, shard.part, shard.n_files, file.size_bytes, file.digest)
        return FinishedShard(written, rows_digest, is_kept=False)

    def _count_bad_files(self, shard: Shard) -> int:
        """Look at all files of a shard that has a bad one, so that one run says how many there are."""
        n_bad = 0
        for table in self._rows.read(shard.start, shard.stop):
            outpaths, sizes = (table.column(name).to_pylist() for name in ("outpath", "size_bytes"))
            for outpath, size in zip(outpaths, sizes, strict=True):
                n_bad += find_fault(self._in_folder, outpath, size) is not None
        return n_bad
