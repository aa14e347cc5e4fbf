"""One Parquet shard: the bytes of each file in a column that Hugging Face datasets reads as images."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from tintype.manifest.arrays import from_numpy, to_numpy
from tintype.processed.shards.files import BadFileError, ShardFile, read_whole

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

GROUP_BYTES = 16 << 20
"""Files that make a row group, and are in memory at a time; one more where that alone is larger."""
GROUP_ROWS = 1_000
MAX_FILE_BYTES = (1 << 31) - 1
"""What the offsets of Arrow's binary reach."""
_DTYPES = {"double": "float64", "float": "float32", "halffloat": "float16"}
"""What datasets calls the types that Arrow calls otherwise."""


class GroupMemory(threading.local):
    """Memory for the files of a row group, which a thread uses for one shard after the other.

    Fresh memory for each shard costs more than to read small files into it.
    """

    _bytes: NDArray[np.uint8] | None = None

    def get(self, n_bytes: int) -> memoryview:
        """Return so many bytes of the thread's own; what was in them before goes."""
        if self._bytes is None or len(self._bytes) < n_bytes:
            self._bytes = np.empty(max(n_bytes, GROUP_BYTES + 1), np.uint8)  # costs nothing before it is written to
        return self._bytes.data[:n_bytes]


class ParquetShard:
    """Writes files to a Parquet file: a struct of bytes and path, the whole path, and what goes with each file.

    Parameters
    ----------
    file
        Where it goes.
    folder
        What the paths are relative to.
    schema
        Of the columns that go with each file.
    data_column
        Name of the column with the files.
    memory
        Of the threads that write shards.
    """

    def __init__(
        self, file: ShardFile, folder: str, schema: pa.Schema, *, data_column: str, memory: GroupMemory
    ) -> None:
        import pyarrow.parquet as pq

        self._file = file
        self._folder = folder
        self._schema = shard_schema(schema, data_column)
        self._names = self._schema.names[1:]
        self._memory = memory
        data = f"{data_column}.bytes"
        small = [f"{data_column}.path", *self._names]
        self._writer = pq.ParquetWriter(
            file,
            self._schema,
            # Files are compressed already; and a minimum and maximum of them would be as long as they are.
            compression={data: "none", **dict.fromkeys(small, "zstd")},
            use_dictionary=schema.names or False,
            write_statistics=self._names,
            # Rows between two looks at the size of a page: with the usual 1,024 a page would be a whole row group.
            write_batch_size=4,
        )

    def add(self, table: pa.Table, on_file: Callable[[], None]) -> None:
        """Write the files of some rows.

        Parameters
        ----------
        table
            Has ``outpath``, ``size_bytes`` and the columns.
        on_file
            Called after each file.

        Raises
        ------
        BadFileError
            When a file cannot be read, or is too large for a value in Parquet.
        """
        import pyarrow as pa

        sizes = to_numpy(table.column("size_bytes"))
        for start, stop in cut_groups(sizes):
            rows = table.slice(start, stop - start).combine_chunks()
            paths = rows.column("outpath").combine_chunks()
            data = self._read(paths.to_pylist(), sizes[start:stop], on_file)
            image = pa.StructArray.from_arrays([data, paths], fields=list(self._schema.field(0).type))
            columns = [image, *(rows.column(name) for name in self._names)]
            group = pa.Table.from_arrays(columns, schema=self._schema)
            self._writer.write_table(group, row_group_size=stop - start)

    def finish(self) -> None:
        """Write the footer, and hand all of it to the system."""
        self._writer.close()
        self._file.flush()

    def _read(self, paths: list[str], sizes: NDArray[np.int64], on_file: Callable[[], None]) -> pa.Array:
        """Return the bytes of some files; they are in one buffer, which the next ones get too."""
        import pyarrow as pa

        ends = np.cumsum(sizes)
        buffer = self._memory.get(int(ends[-1]) + 1)  # one more, as read_whole wants it
        for path, size, end in zip(paths, sizes.tolist(), ends.tolist(), strict=True):
            if size > MAX_FILE_BYTES:
                raise BadFileError(path, f"it has {size:,} bytes, and a value in Parquet at most {MAX_FILE_BYTES:,}")
            read_whole(self._folder, path, size, buffer[end - size : end + 1])
            on_file()
        offsets = from_numpy(np.concatenate([[0], ends]).astype(np.int32), pa.int32()).buffers()[1]
        return pa.Array.from_buffers(pa.binary(), len(paths), [None, offsets, pa.py_buffer(buffer)])


def cut_groups(sizes: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield the first row of each row group, and the one after its last.

    Parameters
    ----------
    sizes
        Of the files in bytes, shape (n,).
    """
    totals = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        before = int(totals[start - 1]) if start else 0
        full = int(np.searchsorted(totals, before + GROUP_BYTES, side="right"))
        stop = min(start + GROUP_ROWS, max(full, start + 1))
        yield start, stop
        start = stop


def shard_schema(schema: pa.Schema, data_column: str) -> pa.Schema:
    """Return the schema of a shard, with what tells datasets that the files are images.

    Parameters
    ----------
    schema
        Of the columns that go with each file.
    data_column
        Name of the column with the files.
    """
    import pyarrow as pa

    image = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])
    fields = [pa.field(data_column, image), pa.field("outpath", pa.string()), *schema]
    features: dict[str, Any] = {field.name: describe(field.type) for field in fields[1:]}
    info = {"info": {"features": {data_column: {"_type": "Image"}, **features}}}
    return pa.schema(fields, metadata={b"huggingface": json.dumps(info).encode()})


def describe(kind: pa.DataType) -> dict[str, str]:
    """Return what datasets calls a type of single values."""
    return {"dtype": _DTYPES.get(str(kind), str(kind)), "_type": "Value"}
