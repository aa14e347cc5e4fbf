"""Labels and groups from a table beside the files: a CSV, TSV or Parquet file, or a DataFrame."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from numbers import Integral, Number
from typing import TYPE_CHECKING, Any

import numpy as np

from tintype.errors import SettingsError, SplitError
from tintype.manifest.arrays import make_array, text_scalar, to_numpy
from tintype.write_funcs.files import hash_file

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    TableSource = str | os.PathLike[str] | pd.DataFrame

logger = logging.getLogger("luigi-interface.tintype")

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_MOST_WHOLE = 2**53
"""Up to this number a float has each whole number as it is."""


def digest_table(table: TableSource, columns: Sequence[str]) -> str:
    """Return a digest of a table: of a file its sha256, of a DataFrame that of the values in some columns.

    Parameters
    ----------
    table
        Path of a file, or a DataFrame.
    columns
        Names of the columns that are used, where they are there.
    """
    if isinstance(table, str | os.PathLike):
        try:
            return hash_file(table)[0]
        except FileNotFoundError:
            return "absent"
        except OSError as error:
            raise SplitError(
                f"the table {os.fspath(table)} cannot be read ({error.strerror}): give the path of a file"
            ) from error
    digest = sha256()
    found = read_table(table, [], optional=columns)
    for name, column in zip(found.schema.names, found.columns, strict=True):
        digest.update(f"{name}\0{len(column)}\0".encode())
        for value in column.to_pylist():
            digest.update(b"-" if value is None else f"{len(value)}:{value}".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def read_table(table: TableSource, columns: Sequence[str], *, optional: Sequence[str] = ()) -> pa.Table:
    """Return some columns of a table as text; an empty cell is null.

    Types are never guessed: ``007`` and ``NA`` of a CSV file stay what they are.

    Parameters
    ----------
    table
        Path of a CSV, TSV (each may be gzipped) or Parquet file, or a DataFrame. Not modified.
    columns
        Their names.
    optional
        Names of columns that need not be there.

    Raises
    ------
    SplitError
        When the table cannot be read, or has no such column, or one whose values are no names.
    SettingsError
        When the file is of no known kind.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"path": ["a.jpg", "b.jpg"], "label": ["cat", None], "size": [3, 4]})
    >>> read_table(frame, ["path", "label"]).to_pydict()
    {'path': ['a.jpg', 'b.jpg'], 'label': ['cat', None]}
    """
    import pyarrow as pa

    reader = _FileReader(os.fspath(table)) if isinstance(table, str | os.PathLike) else _FrameReader(table)
    there = reader.names()
    missing = [name for name in columns if name not in there]
    if missing:
        raise SplitError(
            f"{reader.shown} has no column {missing[0]!r}; there are: {', '.join(map(repr, there)) or 'none'}"
        )
    wanted = list(dict.fromkeys([*columns, *(name for name in optional if name in there)]))
    repeated = [name for name in wanted if there.count(name) > 1]
    if repeated:
        raise SplitError(f"{reader.shown} has {there.count(repeated[0])} columns {repeated[0]!r}: leave one of them")
    found = reader.read(wanted)
    texts = [to_text(found.column(name), f"{reader.shown}, column {name!r}") for name in wanted]
    return pa.table(texts, names=wanted)


def to_text(column: pa.ChunkedArray, shown: str) -> pa.ChunkedArray:
    """Return a column as text, an empty one as null.

    Parameters
    ----------
    column
        Text, whole numbers, truth values or dates.
    shown
        What it is, for the message.

    Raises
    ------
    SplitError
        When its values are of another type: numbers with fractions have no one way to be written.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    is_plain = (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_temporal(kind)
        or pa.types.is_null(kind)
    )
    if not is_plain:
        raise SplitError(f"{shown} is of type {kind}, and labels and groups are names: make it text or whole numbers")
    text = column.cast(pa.string())
    return pc.if_else(pc.equal(text, text_scalar("")), text_scalar(None), text)


class TableJoin:
    """Find the row of a table that belongs to each file.

    Parameters
    ----------
    table
        Has the key, and the columns that are wanted.
    key
        Name of the column that files are found by. None: it has their paths; the extension does not count.
    shown
        The table, for messages.

    Raises
    ------
    SplitError
        When two rows have one key.
    """

    def __init__(self, table: pa.Table, key: str, *, by_path: bool, shown: str) -> None:
        import pyarrow.compute as pc

        self._by_path = by_path
        self._key = key
        self.table = table
        keys = table.column(key).combine_chunks()
        self._keys = strip_extensions(keys) if by_path else keys
        self._is_used = np.zeros(len(keys), bool)
        self._has_told = False
        self._first_sought: str | None = None
        counts = pc.value_counts(self._keys.drop_null())
        repeated = counts.filter(pc.greater(counts.field("counts"), 1))
        if len(repeated):
            raise SplitError(
                f"{shown} has {repeated[0]['counts']} rows with the key {repeated[0]['values'].as_py()!r} in {key!r}: "
                "leave one of each"
            )

    def find(self, keys: pa.Array) -> pa.Array:
        """Return the number of the row of each key, int32; null where there is none."""
        import pyarrow.compute as pc

        if self._first_sought is None:
            self._first_sought = next((key for key in keys.to_pylist() if key is not None), None)
        found = pc.index_in(strip_extensions(keys) if self._by_path else keys, value_set=self._keys, skip_nulls=True)
        self._is_used[to_numpy(found.drop_null())] = True
        return found

    def tell_unused(self, shown: str) -> None:
        """Log, once, how many rows belong to none of the files that were looked for.

        Raises
        ------
        SplitError
            When no row belongs to a file: then the keys are written in two ways.
        """
        n_unused = int((~self._is_used).sum())
        if n_unused and n_unused == len(self._is_used) and self._first_sought is not None:
            first = next((key for key in self.table.column(self._key).to_pylist() if key is not None), None)
            raise SplitError(
                f"none of the {n_unused:,} rows of {shown} belongs to a file: the first {self._key!r} is {first!r}, "
                f"and the first of the files {self._first_sought!r}. Write them alike, or set table_key and table_on "
                "to columns that are"
            )
        if n_unused and not self._has_told:
            logger.info("%s of %s rows of %s belong to no file", f"{n_unused:,}", f"{len(self._is_used):,}", shown)
        self._has_told = True


def strip_extensions(paths: pa.Array) -> pa.Array:
    """Return paths without their extensions, as :func:`os.path.splitext` does it.

    Examples
    --------
    >>> import pyarrow as pa
    >>> strip_extensions(pa.array(["a.b/c.tar.gz", "a.b/c", ".hidden"])).to_pylist()
    ['a.b/c.tar', 'a.b/c', '.hidden']
    """
    import pyarrow as pa

    return make_array([None if path is None else os.path.splitext(path)[0] for path in paths.to_pylist()], pa.string())


class _FileReader:
    """Read a CSV, TSV or Parquet file."""

    def __init__(self, path: str) -> None:
        self.shown = path
        name = path.lower().removesuffix(".gz")
        self._is_parquet = name.endswith(".parquet")
        self._separator = _SEPARATORS.get(os.path.splitext(name)[1])
        if not self._is_parquet and self._separator is None:
            raise SettingsError(
                f"the table {path} ends in none of .csv, .tsv, .parquet: convert it, or give a DataFrame"
            )

    def names(self) -> list[str]:
        """Return the names of its columns."""
        import pyarrow.csv as csv
        import pyarrow.parquet as pq

        with self._reading():
            if self._is_parquet:
                return list(pq.read_schema(self.shown).names)
            with csv.open_csv(self.shown, parse_options=self._parse_options()) as reader:
                return list(reader.schema.names)

    def read(self, columns: list[str]) -> pa.Table:
        """Return some columns; of a CSV file, as text."""
        import pyarrow as pa
        import pyarrow.csv as csv
        import pyarrow.parquet as pq

        with self._reading():
            if self._is_parquet:
                return pq.read_table(self.shown, columns=columns)
            convert = csv.ConvertOptions(include_columns=columns, column_types=dict.fromkeys(columns, pa.string()))
            return csv.read_csv(self.shown, parse_options=self._parse_options(), convert_options=convert)

    def _parse_options(self) -> Any:
        import pyarrow.csv as csv

        return csv.ParseOptions(delimiter=self._separator, newlines_in_values=True)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        import pyarrow as pa

        try:
            yield
        except FileNotFoundError as error:
            raise SplitError(
                f"the table {self.shown} is not there: correct its path, which is relative to the current folder"
            ) from error
        except (pa.ArrowException, OSError) as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise SplitError(f"the table {self.shown} cannot be read ({reason}): mend it") from error


class _FrameReader:
    """Read a DataFrame."""

    shown = "the table"

    def __init__(self, frame: pd.DataFrame) -> None:
        if not hasattr(frame, "columns"):
            raise SettingsError(f"table is a {type(frame).__name__}: give the path of a file, or a DataFrame")
        self._frame = frame

    def names(self) -> list[str]:
        """Return the names of its columns."""
        return list(self._frame.columns)

    def read(self, columns: list[str]) -> pa.Table:
        """Return some columns."""
        import pyarrow as pa

        return pa.table({name: _column_of_frame(self._frame[name], f"the table, column {name!r}") for name in columns})


def _column_of_frame(column: Any, shown: str) -> pa.Array:
    """Return a column of a DataFrame; one of mixed objects as the text of each."""
    import pyarrow as pa

    if column.dtype == object:
        is_missing = column.isna().to_numpy()
        values = [None if gone else value for value, gone in zip(column.tolist(), is_missing, strict=True)]
        return pa.array([None if value is None else _name_of(value, shown) for value in values], pa.string())
    if column.dtype.kind == "f" and (column.dropna() % 1 == 0).all() and not (column.abs() > _MOST_WHOLE).any():
        # What pandas makes of whole numbers of which one is missing.
        return pa.array([None if value != value else int(value) for value in column.tolist()], pa.int64())
    try:
        return pa.Array.from_pandas(column)
    except pa.ArrowException as error:
        raise SplitError(f"{shown} is of type {column.dtype}, and labels and groups are names: make it text") from error


def _name_of(value: Any, shown: str) -> str:
    """Return one of mixed objects as text, as a column of its kind alone would have it."""
    if isinstance(value, bool | np.bool_):
        return str(value).lower()
    is_fraction = isinstance(value, Number) and not isinstance(value, Integral)
    if is_fraction or (isinstance(value, bytes | bytearray | Collection) and not isinstance(value, str)):
        raise SplitError(f"{shown} holds {value!r}, and labels and groups are names: make it text or whole numbers")
    return str(value)
