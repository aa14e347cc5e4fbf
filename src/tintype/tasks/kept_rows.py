"""The inputs of a stage by number: read once, front to back, as far as they are asked for."""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice
from typing import IO, TYPE_CHECKING

from tintype.manifest.arrays import rows_without_columns
from tintype.tasks.planned import full_or_broken
from tintype.tasks.rows import InputRows, RowBatch, Trouble

if TYPE_CHECKING:
    import pyarrow as pa


class KeptRows:
    """Any row of a stage's inputs, by its number; safe to use from several threads.

    Batches are kept in a temporary file without a name, so that rows of any number need no memory.

    Parameters
    ----------
    rows
        The inputs.
    """

    def __init__(self, rows: InputRows) -> None:
        self._rows = rows
        self._batches: Iterator[RowBatch] | None = None
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115, lives as long as the rows
        weakref.finalize(self, self._file.close)
        self._places: list[tuple[int, int]] = []
        """Offset and length of each batch in the file."""
        self._starts = [0]
        """Number of the first row of each batch, and of the one that comes next."""
        self._trouble: dict[int, Trouble] = {}
        self._last: tuple[int, pa.RecordBatch] | None = None
        self._lock = threading.Lock()
        self._carried = rows.carried_schema
        self._hidden: pa.Schema | None = None

    def __len__(self) -> int:
        """Return the number of inputs: reads all of them."""
        with self._lock:
            while self._read_more():
                pass
            return self._starts[-1]

    def row(self, number: int) -> RowBatch:
        """Return one input, as a batch of one.

        Raises
        ------
        IndexError
            When there are not so many.
        """
        with self._lock:
            while number >= self._starts[-1]:
                if not self._read_more():
                    raise IndexError(f"no input {number}: there are {self._starts[-1]}")
            batch = bisect_right(self._starts, number) - 1
            if self._last is None or self._last[0] != batch:
                self._last = batch, self._read(*self._places[batch])
            table = self._last[1]
        return self._make_row(number, table.slice(number - self._starts[batch], 1))

    def _read_more(self) -> bool:
        if self._batches is None:
            self._batches = islice(self._rows.batches(), len(self._places), None)
        try:
            batch = next(self._batches, None)
            if batch is None:
                return False
            data = self._to_bytes(batch)
            offset = sum(self._places[-1]) if self._places else 0
            self._write(data, offset)
        except BaseException:
            self._batches = None  # a batch that could not be kept must not be missing when more is asked for
            raise
        self._places.append((offset, len(data)))
        for place, trouble in enumerate(batch.trouble or ()):
            if trouble is not None:
                self._trouble[self._starts[-1] + place] = trouble
        self._starts.append(self._starts[-1] + len(batch))
        return True

    def _write(self, data: pa.Buffer, offset: int) -> None:
        # At a place of its own: processes that fork off share the file, and would share its position.
        rest = memoryview(data)
        try:
            while rest:
                n_bytes = os.pwrite(self._file.fileno(), rest, offset)
                rest, offset = rest[n_bytes:], offset + n_bytes
        except OSError as error:
            raise full_or_broken(error) from error

    def _to_bytes(self, batch: RowBatch) -> pa.Buffer:
        """Return the columns of a batch as an Arrow stream. Paths are bytes: a name on a disk need not be text."""
        import pyarrow as pa

        paths = pa.array([os.fsencode(path) for path in batch.inpaths], pa.binary())
        hidden = [] if batch.hidden is None else batch.hidden.columns
        if batch.hidden is not None:
            self._hidden = batch.hidden.schema
        columns = [paths, batch.identities[1], *batch.carried.columns, *hidden]
        table = pa.RecordBatch.from_arrays(columns, names=[str(place) for place in range(len(columns))])
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_batch(table)
        return sink.getvalue()

    def _read(self, offset: int, length: int) -> pa.RecordBatch:
        import pyarrow as pa

        with pa.ipc.open_stream(os.pread(self._file.fileno(), length, offset)) as reader:
            return reader.read_next_batch()

    def _make_row(self, number: int, table: pa.RecordBatch) -> RowBatch:
        import pyarrow as pa

        n_carried = len(self._carried)
        carried, hidden = table.columns[2 : 2 + n_carried], table.columns[2 + n_carried :]
        trouble = self._trouble.get(number)
        return RowBatch(
            number,
            [os.fsdecode(table.column(0)[0].as_py())],
            [table.column(1)[0].as_py()],
            pa.RecordBatch.from_arrays(carried, schema=self._carried) if carried else rows_without_columns(1),
            None if self._hidden is None else pa.RecordBatch.from_arrays(hidden, schema=self._hidden),
            None if trouble is None else [trouble],
        )
