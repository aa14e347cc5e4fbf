"""A manifest's file that stays open: what takes its name in a rebuild is another file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tintype.errors import ManifestError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

Identity = tuple[int, int]
"""Size in bytes and time of last change in ns, which tell a manifest from the one that stood there before."""


def identify(status: os.stat_result) -> Identity:
    """Return what tells a file from another of its name, here and where the directory is mounted elsewhere."""
    return status.st_size, status.st_mtime_ns


@contextmanager
def arrow_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what Arrow says of a damaged file into a ManifestError."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ManifestError(
            f"{path} cannot be read ({reason}): remove its directory and build the stage again"
        ) from error


class HeldFile:
    """A Parquet file that is held open, and its footer. Arrow closes it when nothing refers to it any more.

    It is only ever read at given offsets, so that threads and forked processes can share the one descriptor.

    Parameters
    ----------
    path
        Of the file.
    """

    def __init__(self, path: str) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._path = path
        self._source = pa.OSFile(path)
        parquet = pq.ParquetFile(self._source)
        self._metadata = parquet.metadata
        self._parquet = (os.getpid(), parquet)
        self.schema: pa.Schema = parquet.schema_arrow
        self.group_sizes = [self._metadata.row_group(n).num_rows for n in range(self._metadata.num_row_groups)]
        """Number of rows in each row group."""

    @property
    def identity(self) -> Identity:
        """What tells it from another file of this name."""
        return identify(os.fstat(self._source.fileno()))

    def open(self) -> pq.ParquetFile:
        """Return another reader of the file; whoever closes it leaves the file open."""
        import pyarrow.parquet as pq

        return pq.ParquetFile(self._source, metadata=self._metadata)

    def read_group(self, ordinal: int, columns: Sequence[str] | None) -> pa.Table:
        """Read a row group. One thread at a time."""
        pid, parquet = self._parquet
        with arrow_errors(self._path):
            if pid != os.getpid():  # another thread of the parent may have been in the midst of reading
                parquet = self.open()
                self._parquet = (os.getpid(), parquet)
            return parquet.read_row_group(ordinal, columns, use_threads=False)

    def count_values(self, column: str) -> list[int]:
        """Return how many rows of each row group have a value in a column; from the footer alone."""
        place = self._metadata.schema.names.index(column)
        counts = []
        for ordinal, n_rows in enumerate(self.group_sizes):
            statistics = self._metadata.row_group(ordinal).column(place).statistics
            if statistics is None or not statistics.has_null_count:
                raise ManifestError(
                    f"the footer of {self._path} does not count the values of {column}: it was not written by tintype, "
                    "so build the stage again"
                )
            counts.append(n_rows - statistics.null_count)
        return counts
