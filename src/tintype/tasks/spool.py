"""Rows that were read once and kept in a temporary file: for sources that are slow, remote, or differ each time."""

from __future__ import annotations

import io
import os
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

from tintype.manifest.arrays import make_array
from tintype.manifest.schema import columns_schema
from tintype.tasks.rows import ROWS_PER_BATCH, InputRows, RowBatch

if TYPE_CHECKING:
    import pyarrow as pa


class SpooledRows(InputRows):
    """Read records once, to the end; then give them as often as they are asked for.

    Memory holds one batch. The temporary file has no name, so nothing is left of it after a kill.

    Parameters
    ----------
    records
        Mappings with an ``inpath`` and any of the columns.
    columns
        Type of each column that travels with a file: bool, int, float or str.
    hidden
        Type of each column that the stage itself needs and that does not travel on.
    """

    def __init__(
        self,
        records: Iterable[Mapping[str, Any]],
        columns: Mapping[str, type],
        *,
        hidden: Mapping[str, type] | None = None,
    ) -> None:
        import pyarrow as pa

        self._carried = columns_schema(columns)
        self._hidden = columns_schema(hidden or {})
        self._schema = pa.schema([pa.field("inpath", pa.string()), *self._carried, *self._hidden])
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115, lives as long as the rows
        weakref.finalize(self, self._file.close)
        self.n_rows = 0
        iterator = iter(records)
        with pa.ipc.new_stream(self._file, self._schema) as writer:
            while chunk := list(islice(iterator, ROWS_PER_BATCH)):
                arrays = [
                    make_array([record.get(field.name) for record in chunk], field.type) for field in self._schema
                ]
                writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
                self.n_rows += len(chunk)
        self._file.flush()

    @property
    def carried_schema(self) -> pa.Schema:
        """Arrow schema of the columns that travel with each file."""
        return self._carried

    def batches(self) -> Iterator[RowBatch]:
        """Yield the rows in batches; may be called while another pass is going on."""
        import pyarrow as pa

        start = 0
        with pa.ipc.open_stream(io.BufferedReader(_ReadAt(self._file.fileno()), 1 << 20)) as reader:
            for batch in reader:
                yield RowBatch(
                    start,
                    batch.column("inpath").to_pylist(),
                    [None] * batch.num_rows,
                    batch.select(self._carried.names),
                    batch.select(self._hidden.names),
                )
                start += batch.num_rows


class _ReadAt(io.RawIOBase):
    """Read a file from its start with a position of one's own."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._offset = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        n_bytes = os.preadv(self._descriptor, [buffer], self._offset)
        self._offset += n_bytes
        return n_bytes
