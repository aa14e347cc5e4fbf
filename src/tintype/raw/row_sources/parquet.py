"""Lists in Parquet."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from tintype.errors import RowSourceError
from tintype.raw.row_sources.base import Layout, Row, read_table
from tintype.raw.row_sources.files import FileSource
from tintype.raw.row_sources.streams import open_seekable

ROWS_PER_BATCH = 8192


class ParquetSource(FileSource):
    """A Parquet file. Its columns have their own types; what is no truth, number or text comes as text."""

    def columns(self) -> Mapping[str, type]:
        """Return the declared types, and the file's own for the other columns."""
        return self._layout.columns

    @cached_property
    def _layout(self) -> Layout:
        with self._open() as file:
            return self._lay_out(file)

    def _lay_out(self, file: Any) -> Layout:
        schema = file.schema_arrow
        return self._choice.lay_out(schema.names, self._shown, {field.name: _type_of(field.type) for field in schema})

    def rows(self) -> Generator[Row, None, None]:
        """Yield the rows, a batch of columns at a time."""
        expected = self._layout
        with self._open() as file:
            if self._lay_out(file) != expected:
                raise RowSourceError(f"{self._shown} has changed while it was being read: run again")
            names = [expected.names[place] for place in expected.places]
            layout = Layout(tuple(names), tuple(range(len(names))), expected.keys, expected.columns)
            as_they_are = {
                field.name for field in file.schema_arrow if expected.columns.get(field.name) is _plain_type(field.type)
            }
            readers = {key: read for key, read in layout.readers().items() if key not in as_they_are}
            cells = _Cells(file, names, self._shown)
            yield from read_table(iter(cells), layout, self._choice, readers=readers, describe_place=cells.place)

    @contextmanager
    def _open(self) -> Iterator[Any]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        with open_seekable(self._source) as raw:
            try:
                file = pq.ParquetFile(raw)
            except (pa.ArrowException, OSError) as error:
                raise _damaged(self._shown, error) from error
            with file:
                yield file


class _Cells:
    """The values of each row of some columns, that knows where it is."""

    def __init__(self, file: Any, names: list[str], shown: str) -> None:
        self._file = file
        self._names = names
        self._shown = shown
        self._number = 0

    def place(self) -> str:
        """Return the source and the number of the row that was given last."""
        return f"{self._shown}, row {self._number}"

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        import pyarrow as pa

        try:
            for batch in self._file.iter_batches(ROWS_PER_BATCH, columns=self._names, use_threads=False):
                columns = [batch.column(name).to_pylist() for name in self._names]
                for cells in zip(*columns, strict=True):
                    self._number += 1
                    yield cells
        except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
            raise _damaged(self._shown, error) from error


def _damaged(shown: str, error: Exception) -> RowSourceError:
    return RowSourceError(f"{shown} is no whole Parquet file ({error}): fetch or make it again")


def _type_of(arrow_type: Any) -> type:
    """Return the type of a column's values in a row."""
    import pyarrow as pa

    if pa.types.is_dictionary(arrow_type):
        arrow_type = arrow_type.value_type
    if pa.types.is_boolean(arrow_type):
        return bool
    if pa.types.is_integer(arrow_type):
        return int
    if pa.types.is_floating(arrow_type):
        return float
    return str


def _plain_type(arrow_type: Any) -> type | None:
    """Return the type of the values as Arrow gives them; None where they need a look."""
    import pyarrow as pa

    if pa.types.is_uint64(arrow_type) or pa.types.is_float16(arrow_type):
        return None
    if pa.types.is_dictionary(arrow_type):
        return _plain_type(arrow_type.value_type)
    kind = _type_of(arrow_type)
    return kind if kind is not str or _is_text(arrow_type) else None


def _is_text(arrow_type: Any) -> bool:
    import pyarrow as pa

    types = pa.types
    is_view = getattr(types, "is_string_view", lambda _: False)
    return bool(types.is_string(arrow_type) or types.is_large_string(arrow_type) or is_view(arrow_type))
