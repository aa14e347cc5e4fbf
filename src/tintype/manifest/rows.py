"""Rows of a manifest: a sequence of them, and views of those that meet a condition or were chosen at random."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from tintype.errors import SettingsError
from tintype.manifest.arrays import from_numpy
from tintype.manifest.conditions import Condition
from tintype.manifest.once import once
from tintype.manifest.sampling import draw_numbers
from tintype.manifest.schema import FIXED_COLUMNS, Status
from tintype.sequences.view import View, to_index

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

ROWS_PER_BATCH = 16_384

Row = dict[str, Any]
"""Values by the names of their columns: str, int, float, bool, datetime in UTC, or None."""


class ManifestView(View[Row]):
    """Rows of a manifest, and the ways to read them. Nothing is read before it is asked for.

    They are a sequence: ``rows[i]`` is a dict of row `i`, a slice is a view, and so they go as they are to whatever
    takes a list. They pickle by their path.
    """

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

    @property
    def source(self) -> ManifestView:
        """The rows that these were chosen from in the end: of a whole manifest, itself."""
        return self

    @property
    def numbers(self) -> range | NDArray[np.int64]:
        """The number of each row in :attr:`source`, from 0, in order."""
        return range(len(self))

    def numbered_batches(self, columns: Sequence[str]) -> Iterator[tuple[NDArray[np.int64], pa.RecordBatch]]:
        """Yield the rows as :meth:`batches` does, beside their numbers in :attr:`source`."""
        import numpy as np

        start = 0
        for batch in self.batches(columns):
            yield np.arange(start, start + batch.num_rows), batch
            start += batch.num_rows

    def batches_at(
        self, numbers: NDArray[np.int64], columns: Sequence[str] | None = None
    ) -> Iterator[tuple[NDArray[np.int64], pa.RecordBatch]]:
        """Yield some of the rows, given by their numbers, which ascend, as :meth:`numbered_batches` does."""
        import numpy as np
        import pyarrow as pa

        for start, batch in self._batches_around(numbers, columns):
            first, last = np.searchsorted(numbers, [start, start + batch.num_rows]).tolist()
            if first < last:
                chosen = numbers[first:last]
                yield chosen, batch.take(from_numpy(chosen - start, pa.int64()))

    def rows(self) -> Iterator[Row]:
        """Yield each row as a dict, in order."""
        for batch in self.batches():
            yield from batch.to_pylist()

    def to_pandas(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the rows as a DataFrame, one row per result.

        Integers and truth values are of pandas' nullable types ``Int64`` and ``boolean``, so that a column's type does
        not depend on whether a file has no value, and no integer is rounded.

        Parameters
        ----------
        columns
            The columns to read; all of them when None.
        """
        import pyarrow as pa

        schema = self.schema
        batches = list(self.batches(columns))
        if columns is not None:
            schema = pa.schema([schema.field(name) for name in columns])
        return to_pandas(pa.Table.from_batches(batches, schema))

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

    def sample(self, n: int, seed: int = 0) -> SampledRows:
        """Return a view of `n` rows chosen at random, none twice, in their order.

        The same rows and the same seed give the same choice, on every version of Python and every machine.

        Parameters
        ----------
        n
            How many; all rows when there are not more.
        seed
            Another one gives another choice.

        Raises
        ------
        SettingsError
            When `n` is less than 0. A ValueError.
        """
        return SampledRows(self, n, seed)

    @once
    def _length(self) -> int:  # what View calls the length is read when it is asked for
        return len(self)

    def _item(self, index: int, /) -> Row:
        for batch in self.batches():
            if index < batch.num_rows:
                row: Row = batch.slice(index, 1).to_pylist()[0]
                return row
            index -= batch.num_rows
        raise IndexError(f"no row {index} in {self!r}: rows vanished while they were read")

    def _walk(self, indexes: range, /) -> Iterator[Row]:
        return islice(self.rows(), len(indexes)) if indexes == range(self._length) else super()._walk(indexes)

    def _batches_around(
        self, numbers: NDArray[np.int64], columns: Sequence[str] | None
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield batches that hold the rows of these numbers, and the number of the first row of each."""
        start = 0
        for batch in self.batches(columns):
            yield start, batch
            start += batch.num_rows

    def __getstate__(self) -> dict[str, Any]:
        return vars(self).copy()  # without View's slot, which stays empty


class ChosenRows(ManifestView):
    """Some rows of others. Their numbers are found once, when one is asked for or counted: 8 bytes a row.

    Parameters
    ----------
    rows
        To choose from.
    """

    def __init__(self, rows: ManifestView) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the rows that are chosen from."""
        return self._rows.schema

    @property
    def source(self) -> ManifestView:
        """The rows that these were chosen from in the end."""
        return self._rows.source

    @property
    @abstractmethod
    def numbers(self) -> NDArray[np.int64]:
        """The number of each row in :attr:`source`, from 0, in order."""

    def _item(self, index: int, /) -> Row:
        return self.source[self.numbers.item(index)]


class FilteredRows(ChosenRows):
    """The rows that meet a condition, in their order.

    Reads the columns that are asked for and those of the condition, and no others. To count the rows, or to get one by
    its number, takes a pass over the columns of the condition the first time.

    Parameters
    ----------
    rows
        To choose from.
    condition
        What a row has to meet.
    """

    def __init__(self, rows: ManifestView, condition: Condition) -> None:
        super().__init__(rows)
        self.condition = condition

    def __repr__(self) -> str:
        return f"FilteredRows({self._rows!r}, {self.condition.text!r})"

    def batches(
        self, columns: Sequence[str] | None = None, *, rows_per_batch: int = ROWS_PER_BATCH
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows that meet the condition; as :meth:`ManifestView.batches`, and none that is empty.

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

    def numbered_batches(self, columns: Sequence[str]) -> Iterator[tuple[NDArray[np.int64], pa.RecordBatch]]:
        """Yield the rows that meet the condition, and their numbers."""
        import pyarrow as pa

        self.condition.to_expression(self.schema)
        needed = list(dict.fromkeys([*columns, *self.condition.columns]))
        for numbers, batch in self._rows.numbered_batches(needed):
            places = self.condition.find(batch)
            yield numbers[places], batch.select(columns).take(from_numpy(places, pa.int64()))

    @once
    def numbers(self) -> NDArray[np.int64]:
        """Find the number of each row in :attr:`source`, from 0, in order."""
        import numpy as np

        self.condition.to_expression(self.schema)
        columns = list(self.condition.columns) or ["status"]
        batches = self._rows.numbered_batches(columns)
        return np.concatenate([np.zeros(0, np.int64), *(rows[self.condition.find(batch)] for rows, batch in batches)])


class SampledRows(ChosenRows):
    """Rows chosen at random, none twice, in their order; see :meth:`ManifestView.sample`.

    Parameters
    ----------
    rows
        To choose from.
    n
        How many.
    seed
        Of the choice.
    """

    def __init__(self, rows: ManifestView, n: int, seed: int = 0) -> None:
        super().__init__(rows)
        self._n, self._seed = to_index(n), to_index(seed)
        if self._n < 0:
            raise SettingsError(f"a sample of {n} rows cannot be drawn: give the number of rows, 0 or more")

    def __repr__(self) -> str:
        return f"{self._rows!r}.sample({self._n}, seed={self._seed})"

    def batches(
        self, columns: Sequence[str] | None = None, *, rows_per_batch: int = ROWS_PER_BATCH
    ) -> Iterator[pa.RecordBatch]:
        """Yield the chosen rows; as :meth:`ManifestView.batches`. Row groups without one of them are not read."""
        for _, batch in self.source.batches_at(self.numbers, columns):
            for start in range(0, batch.num_rows, rows_per_batch):
                yield batch.slice(start, rows_per_batch)

    def numbered_batches(self, columns: Sequence[str]) -> Iterator[tuple[NDArray[np.int64], pa.RecordBatch]]:
        """Yield the chosen rows, and their numbers."""
        return self.source.batches_at(self.numbers, columns)

    @once
    def numbers(self) -> NDArray[np.int64]:
        """Find the number of each row in :attr:`source`, from 0, in order."""
        places = draw_numbers(len(self._rows), self._n, self._seed)
        before = self._rows.numbers
        return places if isinstance(before, range) else before[places]


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """Return an Arrow table as a DataFrame whose types do not depend on its values."""
    import pandas as pd
    import pyarrow as pa

    types = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    frame: pd.DataFrame = table.to_pandas(types_mapper=types.get)
    return frame
