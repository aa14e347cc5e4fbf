"""Rows in another order than they come in, through temporary files: memory holds some buckets of them, never all."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

import numpy as np

from tintype.manifest.arrays import from_numpy, to_numpy

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

ROWS_PER_BUCKET = 65_536
MAX_BUCKETS = 128
"""Each is an open file."""
_RANK = "\0rank"
"""Name of a column that no manifest has."""


class OrderedRows:
    """Rows that are put in order: add all of them, then read any stretch, in any number of threads.

    A bucket is what goes to one temporary file: rows that will be near each other. The files have no names, so that
    nothing is left of them after a kill.

    Parameters
    ----------
    schema
        Of the rows.
    n_rows
        How many there will be.
    folder
        Where the temporary files are.
    n_readers
        Threads that read at once.
    rows_per_bucket
        What is held in memory for each of them.

    Examples
    --------
    >>> import pyarrow as pa
    >>> batch = pa.RecordBatch.from_pydict({"name": ["c", "a", "b"]})
    >>> with OrderedRows(batch.schema, 3, Path("/tmp")) as rows:
    ...     rows.add(batch, np.array([2, 0, 1]))
    ...     [table.to_pylist() for table in rows.read(1, 3)]
    [[{'name': 'b'}, {'name': 'c'}]]
    """

    def __init__(
        self,
        schema: pa.Schema,
        n_rows: int,
        folder: Path,
        *,
        n_readers: int = 1,
        rows_per_bucket: int = ROWS_PER_BUCKET,
    ) -> None:
        import pyarrow as pa

        self._schema = schema
        self._spooled = schema.append(pa.field(_RANK, pa.int64()))
        self._bucket_size = max(rows_per_bucket, -(-n_rows // MAX_BUCKETS))
        self._folder = folder
        self._files: dict[int, IO[bytes]] = {}
        self._writers: dict[int, Any] = {}
        self._lock = threading.Lock()
        self._load = lru_cache(n_readers + 1)(self._load_afresh)

    def add(self, batch: pa.RecordBatch, ranks: NDArray[np.int64]) -> None:
        """Add rows, each with its place in the order."""
        import pyarrow as pa

        arrays = [*(batch.column(name) for name in self._schema.names), from_numpy(ranks, pa.int64())]
        whole = pa.RecordBatch.from_arrays(arrays, schema=self._spooled)
        buckets = ranks // self._bucket_size
        for bucket in np.unique(buckets).tolist():
            places = np.flatnonzero(buckets == bucket)
            part = whole if len(places) == len(ranks) else whole.take(from_numpy(places, pa.int64()))
            self._writer(bucket).write_batch(part)

    def read(self, start: int, stop: int) -> Iterator[pa.Table]:
        """Yield the rows from one place in the order to another, some at a time; once all have been added."""
        while start < stop:
            bucket = start // self._bucket_size
            end = min(stop, (bucket + 1) * self._bucket_size)
            with self._lock:
                table = self._load(bucket)
            yield table.slice(start - bucket * self._bucket_size, end - start)
            start = end

    def close(self) -> None:
        """Remove the temporary files."""
        self._load.cache_clear()
        for file in self._files.values():
            file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def _writer(self, bucket: int) -> Any:
        import pyarrow as pa

        if bucket not in self._writers:
            self._files[bucket] = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115, closed with the others
            self._writers[bucket] = pa.ipc.new_stream(self._files[bucket], self._spooled)
        return self._writers[bucket]

    def _load_afresh(self, bucket: int) -> pa.Table:
        import pyarrow as pa

        writer = self._writers.pop(bucket, None)
        if writer is not None:
            writer.close()
        file = self._files[bucket]
        file.seek(0)
        with pa.ipc.open_stream(file) as reader:
            table = reader.read_all()
        order = np.argsort(to_numpy(table.column(_RANK)))
        return table.select(self._schema.names).take(from_numpy(order, pa.int64())).combine_chunks()
