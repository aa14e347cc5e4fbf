"""Lists in CSV and TSV."""

from __future__ import annotations

import csv
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tintype.errors import RowSourceError
from tintype.raw.row_sources.base import ColumnChoice, Layout, Row, read_table, shorten
from tintype.raw.row_sources.files import FileSource
from tintype.raw.row_sources.streams import find_scheme, open_stream
from tintype.raw.row_sources.text_lines import TextLines


class DelimitedSource(FileSource):
    """Comma or tab separated values, in double quotes where they hold the separator, quotes or line breaks.

    The first line names the columns. A list whose first cell is a URL has no such line: its columns are then the URL
    and, when there is a second, the path. Blanks after a comma do not count, and neither do empty lines.

    Parameters
    ----------
    source
        Where the list lies.
    choice
        Which columns are wanted.
    delimiter
        A comma or a tab.
    """

    def __init__(self, source: str, choice: ColumnChoice, *, delimiter: str = ",") -> None:
        super().__init__(source, choice)
        self._delimiter = delimiter

    def columns(self) -> Mapping[str, type]:
        """Return the declared types, and str for the other columns."""
        return self._layout.columns

    def rows(self) -> Generator[Row, None, None]:
        """Yield one row a line."""
        expected = self._layout
        with self._open() as (layout, table):
            if layout != expected:
                raise RowSourceError(f"{self._shown} has changed while it was being read: run again")
            readers = {key: read for key, read in layout.readers().items() if layout.columns.get(key) is not str}
            yield from read_table(table.rows(), layout, self._choice, readers=readers, describe_place=table.place)

    @cached_property
    def _layout(self) -> Layout:
        with self._open() as (layout, _):
            return layout

    @contextmanager
    def _open(self) -> Iterator[tuple[Layout, _Table]]:
        """Open the list and read the names of its columns."""
        with open_stream(self._source) as stream:
            table = _Table(TextLines(stream, self._shown), self._delimiter, self._shown)
            first = next(filter(None, table.rows()), None)
            if first is None:
                raise RowSourceError(
                    f"{self._shown} is empty: its first line must name the columns, or be URL and path"
                )
            if find_scheme(first[0].strip()):
                table.waiting = first
                yield self._lay_out_without_header(first), table
            else:
                yield self._choice.lay_out([name.strip() for name in first], self._shown), table

    def _lay_out_without_header(self, first: list[str]) -> Layout:
        choice = self._choice
        if len(first) > 2:
            raise RowSourceError(
                f"{self._shown} has {len(first)} columns and no line that names them, for its first cell is "
                f"{shorten(first[0])}: put one before it, such as {choice.url_column},{choice.path_column},label"
            )
        names = [choice.url_column, choice.path_column][: len(first)]
        return choice.lay_out(names, f"{self._shown}, which has no line that names its columns,")


@dataclass
class _Table:
    """The cells of a text, line by line, that knows where it is."""

    lines: TextLines
    delimiter: str
    shown: str
    waiting: list[str] | None = None
    """A row that was read and is to be given once more."""
    n_lines_before: int = 0
    """Lines before the row that was given last."""
    n_lines: int = 0
    """Lines until the end of that row."""

    def place(self) -> str:
        """Return the source, and the line at which the row begins that was given last."""
        return f"{self.shown}, line {self.n_lines_before + 1}"

    def rows(self) -> Iterator[list[str]]:
        """Yield the cells of each line that is left; none for an empty line."""
        if self.waiting is not None:
            yield self.waiting
            self.waiting = None
        reader = self._reader
        try:
            for cells in reader:
                self.n_lines_before = self.n_lines
                self.n_lines = reader.line_num
                yield cells
        except csv.Error as error:
            raise RowSourceError(
                f"{self.shown}, line {self.n_lines + 1} cannot be read ({error}): close every double quote, write "
                f"those inside quotes twice, and keep cells under {csv.field_size_limit()} characters"
            ) from None

    @cached_property
    def _reader(self) -> Any:
        return csv.reader(
            iter(self.lines), delimiter=self.delimiter, skipinitialspace=self.delimiter == ",", strict=True
        )
