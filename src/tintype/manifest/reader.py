"""Read the manifest of a published directory: as a sequence of rows, as batches, or as a table."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tintype.errors import ManifestError
from tintype.manifest.held_file import HeldFile, Identity, arrow_errors, identify
from tintype.manifest.once import once
from tintype.manifest.row_groups import CACHE_BYTES, RowGroups
from tintype.manifest.rows import ROWS_PER_BATCH, ManifestView, Row, to_pandas
from tintype.manifest.schema import FIXED_COLUMNS, FORMAT_KEY, FORMAT_VERSION

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq
    from numpy.typing import NDArray


class Manifest(ManifestView):
    """The manifest of a published directory. Nothing is read before it is asked for.

    It is a sequence: ``manifest[i]`` is a dict of the values of row `i`. Of a large one only the row groups that are
    touched are read, and those touched last are kept: rows near each other are quick, and rows from all over millions
    cost a read each. Any number of threads may share one, and processes that fork off.

    From the first time that its length or a row is asked for, the file is held open, and everything is read from this
    file: a rebuild that replaces the manifest does not mix the rows of two builds. Make another object to see the new
    one. One that is pickled takes its path along, and finds at the other end that the file was replaced.

    Parameters
    ----------
    path
        The Parquet file.
    cache_bytes
        Size of the row groups that are kept in memory, as Arrow has them; the last one always is.

    Raises
    ------
    ManifestError
        By every method that reads, when the file is missing, corrupt, or was written by a newer tintype.

    Examples
    --------
    >>> manifest = Manifest("data/interim/Thumbnails/_manifest.parquet")
    >>> manifest.where("label == 'cat' and size_bytes >= 10_000")
    FilteredRows(Manifest('data/interim/Thumbnails/_manifest.parquet'), "label == 'cat' and size_bytes >= 10_000")
    """

    def __init__(self, path: str | os.PathLike[str], *, cache_bytes: int = CACHE_BYTES) -> None:
        self.path = Path(path)
        self._cache_bytes = cache_bytes
        self._identity: Identity | None = None

    def __repr__(self) -> str:
        return f"Manifest({str(self.path)!r})"

    def __len__(self) -> int:
        """Return the number of rows, from the file's footer."""
        return sum(self.held.group_sizes)

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema: the fixed columns, then carried and recorded ones."""
        with self.open() as parquet:
            return parquet.schema_arrow

    def batches(
        self, columns: Sequence[str] | None = None, *, rows_per_batch: int = ROWS_PER_BATCH
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows as Arrow record batches, in order, without holding the whole manifest.

        Parameters
        ----------
        columns
            The columns to read; all of them when None.
        rows_per_batch
            Most rows in one batch.

        Raises
        ------
        ManifestError
            When it has no such column, besides what every method raises.
        """
        names = list(columns) if columns is not None else None
        with self.open() as parquet, self.reading():
            self._refuse_unknown(names or (), parquet.schema_arrow)
            # One row group at a time: over many of them pyarrow's iterator holds 30 bytes a row until it ends.
            for group in range(parquet.num_row_groups):
                yield from parquet.iter_batches(rows_per_batch, [group], names, use_threads=False)

    def numbered_batches(self, columns: Sequence[str]) -> Iterator[tuple[NDArray[np.int64], pa.RecordBatch]]:
        """Yield the rows with their numbers, which mean something in one file only: it is held open from now on."""
        _ = self.held
        return super().numbered_batches(columns)

    def to_pandas(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the whole manifest as a DataFrame, read in threads; types as :meth:`ManifestView.to_pandas` says."""
        names = list(columns) if columns is not None else None
        with self.open() as parquet, self.reading():
            self._refuse_unknown(names or (), parquet.schema_arrow)
            return to_pandas(parquet.read(names))

    def open(self) -> pq.ParquetFile:
        """Open the file, as PyArrow reads it; the caller closes it."""
        import pyarrow.parquet as pq

        if "held" in vars(self):
            return self.held.open()
        with self._opening():
            parquet = pq.ParquetFile(self.path)
        try:
            self._check(parquet.schema_arrow)
        except ManifestError:
            parquet.close()
            raise
        return parquet

    @once
    def held(self) -> HeldFile:
        """Open the file, and hold it open from now on: everything is read from it."""
        with self._opening():
            held = HeldFile(str(self.path))
        self._check(held.schema)
        if self._identity not in (None, held.identity):
            raise ManifestError(
                f"{self.path} was replaced since it was opened, so that its rows are others: open it again"
            )
        return held

    def is_current(self) -> bool:
        """Return whether the file that is held open is still the one of this name: no rebuild has replaced it."""
        try:
            status = os.stat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return self.held.identity == identify(status)

    def row_groups(self, columns: Sequence[str], *, cache_bytes: int = CACHE_BYTES) -> RowGroups:
        """Return access to the rows by number that reads some columns only, and keeps what it reads for itself.

        Parameters
        ----------
        columns
            Their names.
        cache_bytes
            Size of the row groups that it keeps.

        Raises
        ------
        ManifestError
            When there is no such column, besides what every method raises.
        """
        self._refuse_unknown(columns, self.held.schema)
        return RowGroups(self.held, columns, cache_bytes=cache_bytes)

    def reading(self) -> AbstractContextManager[None]:
        """Turn what Arrow says of a damaged file into a ManifestError."""
        return arrow_errors(self.path)

    @contextmanager
    def _opening(self) -> Iterator[None]:
        try:
            with self.reading():
                yield
        except ManifestError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise ManifestError(f"{self.path} is missing: build the stage again") from error.__cause__
            raise

    def _check(self, schema: pa.Schema) -> None:
        text = (schema.metadata or {}).get(FORMAT_KEY, b"")
        version = int(text) if text.isdigit() else 0
        missing = [name for name in FIXED_COLUMNS if name not in schema.names]
        if version > FORMAT_VERSION:
            raise ManifestError(
                f"{self.path} has manifest format {version}, and this tintype reads up to {FORMAT_VERSION}: "
                "upgrade tintype"
            )
        if version == 0 or missing:
            raise ManifestError(f"{self.path} is not a manifest written by tintype: build the stage again")

    def _refuse_unknown(self, columns: Sequence[str], schema: pa.Schema) -> None:
        unknown = sorted(set(columns) - set(schema.names))
        if unknown:
            raise ManifestError(f"{self.path} has no columns {unknown}: it has {schema.names}")

    @once
    def _groups(self) -> RowGroups:
        return RowGroups(self.held, cache_bytes=self._cache_bytes)

    def _item(self, index: int, /) -> Row:
        return self._groups.row(index)

    def _batches_around(
        self, numbers: NDArray[np.int64], columns: Sequence[str] | None
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield the row groups that hold the rows of these numbers: the others are not read."""
        import numpy as np

        names = list(columns) if columns is not None else None
        sizes = self.held.group_sizes
        ends = np.cumsum(sizes)
        with self.open() as parquet, self.reading():
            self._refuse_unknown(names or (), parquet.schema_arrow)
            for group in np.unique(np.searchsorted(ends, numbers, side="right")).tolist():
                start = int(ends[group]) - sizes[group]
                for batch in parquet.iter_batches(ROWS_PER_BATCH, [group], names, use_threads=False):
                    yield start, batch
                    start += batch.num_rows

    def __getstate__(self) -> dict[str, Any]:
        identity = self.held.identity if "held" in vars(self) else self._identity
        return {"path": self.path, "_cache_bytes": self._cache_bytes, "_identity": identity}
