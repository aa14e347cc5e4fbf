"""Choosing how to read a list of files by the look of where it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from tintype.errors import RowSourceError, SettingsError
from tintype.raw.row_sources.base import ColumnChoice, RowSource
from tintype.raw.row_sources.credentials import hide_password
from tintype.raw.row_sources.delimited import DelimitedSource
from tintype.raw.row_sources.files import FileSource, TextSource
from tintype.raw.row_sources.json_lines import JSONLinesSource
from tintype.raw.row_sources.mongodb import MongoSource
from tintype.raw.row_sources.parquet import ParquetSource
from tintype.raw.row_sources.sql import SQLSource
from tintype.raw.row_sources.streams import find_scheme

FileFormat = Literal["csv", "tsv", "jsonl", "parquet", "txt"]

_FORMATS: dict[str, FileFormat] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".txt": "txt",
}
_FILE_SCHEMES = {"", "http", "https", "s3"}
_MONGO_SCHEMES = {"mongodb", "mongodb+srv"}


def open_row_source(
    source: str,
    *,
    url_column: str = "url",
    path_column: str = "path",
    sha256_column: str = "sha256",
    columns: Mapping[str, type] | None = None,
    keep_columns: Sequence[str] | None = None,
    missing_url: Literal["error", "skip"] = "error",
    file_format: FileFormat | None = None,
    query: str | None = None,
    database: str | None = None,
    collection: str | None = None,
    query_filter: Mapping[str, Any] | str | None = None,
    projection: Mapping[str, Any] | str | None = None,
    credentials_path: str | None = None,
) -> RowSource:
    r"""Return the source of rows that an address stands for; nothing is opened yet.

    Parameters
    ----------
    source
        A path, an ``http(s)://`` or ``s3://`` URL of a CSV, TSV, JSONL, Parquet or plain text file, perhaps gzip; the
        SQLAlchemy URL of a database; or a ``mongodb://`` or ``mongodb+srv://`` URI. ``${NAME}`` in a URL stands for an
        environment variable, so that a password need not be written in it.
    url_column, path_column, sha256_column
        Names of the columns (fields, in documents) that hold the URL, the output path and the expected SHA-256. The
        last two need not be there when they have their default names.
    columns
        Types (bool, int, float or str) of columns. What is not declared is text, except where the source has types of
        its own: Parquet, PostgreSQL, SQLite.
    keep_columns
        The columns that travel with a file. None is all.
    missing_url
        ``error``, or ``skip`` to leave out rows without a URL.
    file_format
        For a file whose name does not end in ``.csv``, ``.tsv``, ``.jsonl``, ``.parquet`` or ``.txt``, with or without
        ``.gz``.
    query
        A select statement, for a database.
    database, collection, query_filter, projection, credentials_path
        For MongoDB, see :class:`~tintype.raw.row_sources.mongodb.MongoSource`.

    Raises
    ------
    RowSourceError
        When the address is of no known kind.
    SettingsError
        When something is given that this kind of source has no use for, or that cannot be used.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
    ...     _ = file.write("url,label,size\nhttps://example.com/a.jpg,cat,3\n")
    ...     file.flush()
    ...     rows = open_row_source(file.name, columns={"size": int})
    ...     rows.columns(), list(rows.rows())
    ({'label': <class 'str'>, 'size': <class 'int'>},
     [{'url': 'https://example.com/a.jpg', 'label': 'cat', 'size': 3}])
    """
    keep = tuple(keep_columns) if keep_columns is not None else None
    choice = ColumnChoice(url_column, path_column, sha256_column, dict(columns or {}), keep, missing_url)
    mongo_options = {
        "database": database,
        "collection": collection,
        "query_filter": query_filter,
        "projection": projection,
        "credentials_path": credentials_path,
    }
    given = {name for name, value in mongo_options.items() if value is not None}
    given |= {name for name, value in {"file_format": file_format, "query": query}.items() if value is not None}
    scheme = find_scheme(source)
    if scheme in _FILE_SCHEMES:
        _refuse(source, "file", given - {"file_format"})
        return _open_file_source(source, file_format or _find_format(source), choice)
    if scheme in _MONGO_SCHEMES:
        _refuse(source, "MongoDB collection", given - set(mongo_options))
        return MongoSource(
            source,
            choice,
            collection=collection or "",
            database=database,
            query_filter=query_filter,
            projection=projection,
            credentials_path=credentials_path,
        )
    if query is None:
        raise RowSourceError(
            f"{hide_password(source)} is no path, and no http(s)://, s3:// or mongodb:// URL: correct it, "
            "or give a query too when it is the SQLAlchemy URL of a database"
        )
    _refuse(source, "database", given - {"query"})
    return SQLSource(source, query, choice)


def _open_file_source(source: str, file_format: str, choice: ColumnChoice) -> FileSource:
    if file_format == "csv":
        return DelimitedSource(source, choice)
    if file_format == "tsv":
        return DelimitedSource(source, choice, delimiter="\t")
    if file_format == "jsonl":
        return JSONLinesSource(source, choice)
    if file_format == "parquet":
        return ParquetSource(source, choice)
    if file_format == "txt":
        return TextSource(source, choice)
    formats = ", ".join(dict.fromkeys(_FORMATS.values()))
    raise SettingsError(f"file_format is {file_format!r}: give one of {formats}")


def _find_format(source: str) -> str:
    path = source
    if find_scheme(source) in {"http", "https"}:
        try:
            path = unquote(urlsplit(source).path)
        except ValueError as error:
            raise RowSourceError(f"{hide_password(source)} is no URL ({error}): correct it") from error
    name = path.lower().removesuffix(".gz")
    for ending, file_format in _FORMATS.items():
        if name.endswith(ending):
            return file_format
    raise RowSourceError(
        f"{hide_password(source)} ends in none of {', '.join(_FORMATS)} (with or without .gz): rename it, "
        "or say what it is with file_format"
    )


def _refuse(source: str, kind: str, useless: set[str]) -> None:
    if useless:
        raise SettingsError(
            f"{hide_password(source)} is a {kind}, which has no use for {', '.join(sorted(useless))}: leave it out"
        )
