"""Write a manifest as a stream of batches, in constant memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from tintype.manifest.arrays import make_array
from tintype.manifest.digest import DirectoryDigest
from tintype.manifest.schema import is_digested, manifest_schema

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_PER_GROUP = 16_384
"""Rows per Parquet row group: what writer and reader hold at a time. With 65,536 a stage needs 45 MB more."""


@dataclass
class ManifestSummary:
    """What a manifest adds up to."""

    digest: str = ""
    """The directory's digest, see :class:`DirectoryDigest`."""
    n_rows: int = 0
    n_inputs: int = 0
    """Rows with an input: what was added for the directory as a whole has none."""
    n_files: int = 0
    """Rows with an output file."""
    size_bytes: int = 0
    """Size of all output files."""
    statuses: dict[str, int] = field(default_factory=dict)
    """Number of rows of each status."""


class ManifestWriter:
    """Write the rows of a manifest to a Parquet file, batch by batch; a context manager.

    Parameters
    ----------
    path
        The file to write.
    extra
        Schema of the columns beyond the fixed ones: carried from upstream, or recorded. Those that are marked, see
        :func:`mark_undigested`, do not count in the directory's digest.
    """

    def __init__(self, path: Path, extra: pa.Schema) -> None:
        import pyarrow.parquet as pq

        self.schema = manifest_schema(extra)
        self.summary = ManifestSummary()
        self._extra_names = [field.name for field in extra if is_digested(field)]
        self._digest = DirectoryDigest(self._extra_names)
        self._statuses: Counter[str] = Counter()
        self._waiting: list[pa.RecordBatch] = []
        self._n_waiting = 0
        self._parquet = pq.ParquetWriter(
            path, self.schema, compression="zstd", store_schema=True, use_dictionary=["status", "error_type"]
        )

    def write(self, columns: Mapping[str, Any]) -> None:
        """Write rows.

        Parameters
        ----------
        columns
            A list or Arrow array for every column of the schema, all of one length.
        """
        import pyarrow as pa

        arrays = [
            value if isinstance(value, pa.Array) else make_array(value, field.type)
            for field, value in ((field, columns[field.name]) for field in self.schema)
        ]
        batch = pa.RecordBatch.from_arrays(arrays, schema=self.schema)
        self._add_up(batch, columns)
        self._waiting.append(batch)
        self._n_waiting += batch.num_rows
        if self._n_waiting >= ROWS_PER_GROUP:
            self._flush()

    def close(self) -> None:
        """Write what is waiting and finish the file; the summary is complete after this."""
        self._flush()
        self._parquet.close()
        self.summary.digest = self._digest.hexdigest()
        self.summary.statuses = dict(sorted(self._statuses.items()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self._parquet.close()

    def _add_up(self, batch: pa.RecordBatch, columns: Mapping[str, Any]) -> None:
        import pyarrow.compute as pc

        extras = [self._as_list(batch, columns, name) for name in self._extra_names]
        self._digest.add(batch.column("outpath"), batch.column("digest"), zip(*extras, strict=True) if extras else None)
        for count in pc.value_counts(batch.column("status")).to_pylist():
            self._statuses[count["values"]] += count["counts"]
        self.summary.n_rows += batch.num_rows
        self.summary.n_inputs += batch.num_rows - batch.column("inpath").null_count
        self.summary.n_files += batch.num_rows - batch.column("outpath").null_count
        self.summary.size_bytes += pc.sum(batch.column("size_bytes")).as_py() or 0

    def _as_list(self, batch: pa.RecordBatch, columns: Mapping[str, Any], name: str) -> list[Any]:
        import pyarrow as pa

        value = columns[name]
        # A whole number in a column of floats is read back as 1.0, and so must be its part of the digest.
        if isinstance(value, list) and not pa.types.is_floating(self.schema.field(name).type):
            return value
        values: list[Any] = batch.column(name).to_pylist()
        return values

    def _flush(self) -> None:
        import pyarrow as pa

        if self._n_waiting:
            # One table with one chunk a column: the writer encodes long chunks faster than many short ones.
            table = pa.Table.from_batches(self._waiting, self.schema).combine_chunks()
            self._parquet.write_table(table, row_group_size=table.num_rows)
            self._waiting, self._n_waiting = [], 0
