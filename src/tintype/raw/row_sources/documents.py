"""Rows from documents: objects whose fields need not be the same in each."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Iterator, Mapping
from functools import cached_property
from itertools import islice
from typing import Any

from tintype.errors import RowSourceError
from tintype.raw.row_sources.base import (
    ColumnChoice,
    Row,
    RowSource,
    clean_url,
    no_url_error,
    shorten,
    value_error,
)
from tintype.raw.row_sources.values import READERS, Reader, read_path, read_sha256

SAMPLE_SIZE = 1000
"""Documents that are looked at to know which fields there are."""


class DocumentSource(RowSource):
    """Rows from documents.

    The columns are those declared, those to keep, or else the fields of the first 1,000 documents. A field that comes
    up later is an error that says how to declare it. A document whose URL is a list gives one row for each, with the
    same columns; when its path or SHA-256 is a list too, one for each URL.
    """

    _choice: ColumnChoice
    _shown: str

    @abstractmethod
    def documents(self, limit: int = 0) -> Iterator[tuple[Any, Mapping[str, Any]]]:
        """Yield each document after what :meth:`describe_place` needs; no more than `limit`, unless it is 0."""

    @abstractmethod
    def describe_place(self, place: Any) -> str:
        """Return the source and which document it is."""

    def columns(self) -> Mapping[str, type]:
        """Return the declared types, and str for the other fields."""
        return self._columns

    def fields(self) -> Iterator[str]:
        """Yield the names of the fields there are, as far as can be known."""
        for _, document in islice(self.documents(SAMPLE_SIZE), SAMPLE_SIZE):
            yield from document

    @cached_property
    def _columns(self) -> dict[str, type]:
        choice = self._choice
        wanted = choice.keep if choice.keep is not None else [*self.fields(), *choice.types]
        names = [name for name in dict.fromkeys(wanted) if name and name not in choice.keys]
        return {choice.key_of(name, self._shown): choice.types.get(name, str) for name in names}

    def rows(self) -> Generator[Row, None, None]:
        """Yield one row for each URL of each document."""
        choice = self._choice
        readers = [(name, READERS[kind]) for name, kind in self._columns.items()]
        known = {"", *self._columns, *choice.keys}
        is_open = choice.keep is None
        special = {choice.path_column, choice.sha256_column}
        for place, document in self.documents():
            if is_open and not document.keys() <= known:
                raise self._unknown_field_error(place, document, known)
            url = document.get(choice.url_column)
            # What most documents are is written out, because there may be millions.
            is_plain = type(url) is str and url and url[0] > " " and url[-1] > " " and special.isdisjoint(document)
            rows: list[Row] = [{"url": url}] if is_plain else self._expand(place, document)
            for row in rows:
                for name, read in readers:
                    value = document.get(name)
                    try:
                        row[name] = read(value)
                    except ValueError as error:
                        raise value_error(self.describe_place(place), name, value, error) from None
                yield row

    def _expand(self, place: Any, document: Mapping[str, Any]) -> list[Row]:
        """Return the start of a row for each URL of a document: URL, path and digest."""
        choice = self._choice
        found = document.get(choice.url_column)
        urls = found if isinstance(found, list) else [found]
        rows: list[Row] = []
        readers: list[tuple[str, str, Reader]] = [
            (choice.path_column, "path", read_path),
            (choice.sha256_column, "sha256", read_sha256),
        ]
        for number, url in enumerate(urls):
            if url is not None and not isinstance(url, str):
                raise RowSourceError(
                    f"{self.describe_place(place)}, column {choice.url_column!r}: {shorten(url)} is no URL: "
                    "give a text, or a list of texts"
                )
            row: Row = {"url": clean_url(url)}
            if not row["url"]:
                if choice.missing_url == "skip":
                    continue
                raise no_url_error(self.describe_place(place), choice)
            for column, key, read in readers:
                if column in document:
                    row[key] = self._read_one_of(place, document, column, read, number, len(urls))
            rows.append(row)
        return rows

    def _read_one_of(
        self, place: Any, document: Mapping[str, Any], column: str, read: Reader, number: int, n_urls: int
    ) -> Any:
        value = document[column]
        if isinstance(value, list):
            if len(value) != n_urls:
                raise RowSourceError(
                    f"{self.describe_place(place)}, column {column!r} is a list of {len(value)}, and there are "
                    f"{n_urls} URLs: give one for each URL"
                )
            value = value[number]
        try:
            return read(value)
        except ValueError as error:
            raise value_error(self.describe_place(place), column, value, error) from None

    def _unknown_field_error(self, place: Any, document: Mapping[str, Any], known: set[str]) -> RowSourceError:
        name = next(name for name in document if name not in known)
        return RowSourceError(
            f"{self.describe_place(place)} has a field {name!r}, which the first {SAMPLE_SIZE} did not have: "
            f"declare it with columns={{{name!r}: str}}, or say which fields you want with keep_columns"
        )
