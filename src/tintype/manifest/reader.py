"""Read a manifest, all of it or the rows that meet a condition: as batches, rows, a table, or the run report."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tintype.errors import ManifestError
from tintype.manifest.conditions import Condition
from tintype.manifest.schema import FIXED_COLUMNS, FORMAT_KEY, FORMAT_VERSION, Status

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

ROWS_PER_BATCH = 16_384


class ManifestRows(ABC):
    """Rows of a manifest, and the ways to read them. Nothing is read before it is asked for."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of rows."""

    @property
    @abstractmethod
    def schema(self) -> pa.Schema:
        """The Arrow schema: the fixed columns, then carried and recorded ones."""

    @abstractmethod
    def batches(
        self, columns: Sequence[str] | None = None, *, rows_per_batch: int = ROWS_PER_BATCH
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows as Arrow record batches, in order, without holding them all.

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

    @property
    def extra_schema(self) -> pa.Schema:
        """The Arrow schema of the carried and recorded columns alone."""
        import pyarrow as pa

        return pa.schema([field for field in self.schema if field.name not in FIXED_COLUMNS])

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield each row as a dict, in order."""
        for batch in self.batches():
            yield from batch.to_pylist()

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows as a DataFrame, one row per result.

        Integers and truth values are of pandas' nullable types ``Int64`` and ``boolean``, so that a column's type does
        not depend on whether a file has no value, and no integer is rounded.
        """
        import pyarrow as pa

        return _to_pandas(pa.Table.from_batches(self.batches(), self.schema))

    def run_report(self) -> pd.DataFrame:
        """Return the rows as a run report.

        Returns
        -------
        pandas.DataFrame
            Indexed by ``inpath``, with the columns ``outpath``, ``skipped_existing``, ``exception_handled``,
            ``error_type``, ``error``, ``seconds``, ``time_finished`` and the carried and recorded ones.
        """
        frame = self.to_pandas().set_index("inpath")
        status = frame["status"]
        report = frame[["outpath"]].copy()
        report["skipped_existing"] = status.isin([Status.SKIPPED, Status.REUSED])
        report["exception_handled"] = status == Status.FAILED
        for name in ("error_type", "error", "seconds", "time_finished"):
            report[name] = frame[name]
        for name in frame.columns:
            if name not in FIXED_COLUMNS:
                report[name] = frame[name]
        return report

    def where(self, condition: str) -> FilteredRows:
        """Return a view of the rows that meet a condition, as ``label == 'cat' and width >= 512``.

        Parameters
        ----------
        condition
            In Python's syntax; see :class:`Condition`.

        Raises
        ------
        ManifestError
            When the condition cannot be read. That it names a column that is not there, or compares it with a value of
            another type, is an error of every method that reads.
        """
        return FilteredRows(self, Condition(condition))


class Manifest(ManifestRows):
    """The manifest of a published directory. Nothing is read before it is asked for.

    Parameters
    ----------
    path
        The Parquet file.

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

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def __repr__(self) -> str:
        return f"Manifest({str(self.path)!r})"

    def __len__(self) -> int:
        """Return the number of rows, from the file's footer."""
        with self.open() as parquet:
            return int(parquet.metadata.num_rows)

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
            unknown = sorted(set(names or ()) - set(parquet.schema_arrow.names))
            if unknown:
                raise ManifestError(f"{self.path} has no columns {unknown}: it has {parquet.schema_arrow.names}")
            # One row group at a time: over many of them pyarrow's iterator holds 30 bytes a row until it ends.
            for group in range(parquet.num_row_groups):
                yield from parquet.iter_batches(rows_per_batch, [group], names, use_threads=False)

    def to_pandas(self) -> pd.DataFrame:
        """Return the whole manifest as a DataFrame, read in threads; types as :meth:`ManifestRows.to_pandas` says."""
        with self.open() as parquet, self.reading():
            return _to_pandas(parquet.read())

    def open(self) -> pq.ParquetFile:
        """Open the file, as PyArrow reads it; the caller closes it."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            parquet = pq.ParquetFile(self.path)
        except FileNotFoundError as error:
            raise ManifestError(f"{self.path} is missing: build the stage again") from error
        except (pa.ArrowException, OSError) as error:
            raise self._corrupt(error) from error
        self._check(parquet)
        return parquet

    def _check(self, parquet: pq.ParquetFile) -> None:
        text = (parquet.schema_arrow.metadata or {}).get(FORMAT_KEY, b"")
        version = int(text) if text.isdigit() else 0
        missing = [name for name in FIXED_COLUMNS if name not in parquet.schema_arrow.names]
        if version > FORMAT_VERSION:
            parquet.close()
            raise ManifestError(
                f"{self.path} has manifest format {version}, and this tintype reads up to {FORMAT_VERSION}: "
                "upgrade tintype"
            )
        if version == 0 or missing:
            parquet.close()
            raise ManifestError(f"{self.path} is not a manifest written by tintype: build the stage again")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turn what Arrow says of a damaged file into a ManifestError."""
        import pyarrow as pa

        try:
            yield
        except (pa.ArrowException, OSError) as error:
            raise self._corrupt(error) from error

    def _corrupt(self, error: BaseException) -> ManifestError:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        return ManifestError(f"{self.path} cannot be read ({reason}): remove its directory and build the stage again")


class FilteredRows(ManifestRows):
    """The rows that meet a condition, in their order: a view that holds nothing.

    Reads the columns that are asked for and those of the condition, and no others. To count the rows takes a pass over
    the columns of the condition.

    Parameters
    ----------
    rows
        To choose from.
    condition
        What a row has to meet.
    """

    def __init__(self, rows: ManifestRows, condition: Condition) -> None:
        self.condition = condition
        self._rows = rows

    def __repr__(self) -> str:
        return f"FilteredRows({self._rows!r}, {self.condition.text!r})"

    def __len__(self) -> int:
        return sum(batch.num_rows for batch in self.batches(self.condition.columns or ["status"]))

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the rows that are chosen from."""
        return self._rows.schema

    def batches(
        self, columns: Sequence[str] | None = None, *, rows_per_batch: int = ROWS_PER_BATCH
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows that meet the condition; as :meth:`ManifestRows.batches`, and none that is empty.

        Raises
        ------
        ManifestError
            When the condition does not fit the columns, besides what every method raises.
        """
        schema = self.schema
        self.condition.to_expression(schema)  # refuses what it does before a batch is read
        names = list(schema.names if columns is None else columns)
        needed = list(dict.fromkeys([*names, *self.condition.columns]))
        for batch in self._rows.batches(needed, rows_per_batch=rows_per_batch):
            found = self.condition.filter(batch)
            yield from found.select([name for name in found.column_names if name in names]).to_batches()


def _to_pandas(table: pa.Table) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa

    types = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    frame: pd.DataFrame = table.to_pandas(types_mapper=types.get)
    return frame
