"""Rows from a MongoDB collection."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote_plus, unquote, urlsplit

from tintype.errors import MissingPackageError, RowSourceError, SettingsError
from tintype.raw.row_sources.base import ColumnChoice
from tintype.raw.row_sources.credentials import (
    fill_in,
    find_secrets,
    hide_password,
    hide_secrets,
    read_configured,
    read_credentials_file,
)
from tintype.raw.row_sources.documents import DocumentSource

DOCUMENTS_PER_BATCH = 1000
SERVER_SELECTION_SECONDS = 10
SECTION = "tintype_mongodb"
USER_VARIABLE = "TINTYPE_MONGODB_USER"
PASSWORD_VARIABLE = "TINTYPE_MONGODB_PASSWORD"  # noqa: S105, a name


class MongoSource(DocumentSource):
    """The documents that a query finds in a collection; ids, dates and what lies deeper come as text.

    Parameters
    ----------
    uri
        ``mongodb://`` or ``mongodb+srv://``. ``${NAME}`` in it stands for an environment variable. When it has no user,
        user and password are looked for in `credentials_path`, then in TINTYPE_MONGODB_USER and
        TINTYPE_MONGODB_PASSWORD, then in ``[tintype_mongodb]`` of Luigi's configuration.
    choice
        Which fields are wanted.
    database
        By default the one that the URI names.
    collection
        The collection.
    query_filter
        MongoDB's filter; as text it is extended JSON. None finds everything.
    projection
        Which fields to fetch, as MongoDB's find takes it; as text it is JSON.
    credentials_path
        A file of the form ``{"mongo_db": {"user": "...", "password": "..."}}``.
    """

    def __init__(
        self,
        uri: str,
        choice: ColumnChoice,
        *,
        collection: str,
        database: str | None = None,
        query_filter: Mapping[str, Any] | str | None = None,
        projection: Mapping[str, Any] | str | None = None,
        credentials_path: str | None = None,
    ) -> None:
        self._uri = uri
        self._choice = choice
        scheme, _, address = hide_password(uri).partition("?")[0].partition("://")
        hosts, _, path = address.partition("/")
        self._database = database or unquote(path)
        self._collection = collection
        if not self._database or not collection:
            raise SettingsError(f"{scheme}://{hosts} needs a database and a collection: name both")
        self._shown = f"{scheme}://{hosts}/{self._database}.{collection}"
        self._filter = query_filter
        self._projection = _read_json(projection, "projection")
        self._credentials_path = credentials_path

    def digest(self) -> None:
        """Return None: what a collection holds is only known by reading it."""
        return

    def identity(self) -> str:
        """Return the hosts, database and collection, the filter and the projection; no user, no options."""
        parts = {"filter": self._filter, "projection": self._projection}
        described = [f"{name}={_write_json(value)}" for name, value in parts.items() if value]
        return " ".join([self._shown, *described])

    def fields(self) -> Iterator[str]:
        """Yield what the projection asks for; else what the first documents have."""
        projection = self._projection or {}
        included = [name.partition(".")[0] for name, wanted in projection.items() if wanted and name != "_id"]
        if not included:
            yield from super().fields()
            return
        if projection.get("_id", True):
            yield "_id"
        yield from included

    def describe_place(self, place: Any) -> str:
        """Return the collection and the document's id."""
        return f"{self._shown}, document {place!r}"

    def documents(self, limit: int = 0) -> Iterator[tuple[Any, Mapping[str, Any]]]:
        """Yield each document after its id."""
        with self._connect() as client:
            found = client[self._database][self._collection].find(
                self._read_filter(), self._projection, limit=limit, batch_size=DOCUMENTS_PER_BATCH
            )
            with found:
                for document in found:
                    yield document.get("_id"), document

    def _read_filter(self) -> Mapping[str, Any]:
        if not isinstance(self._filter, str):
            return self._filter or {}
        from bson import errors, json_util

        try:
            found = json_util.loads(self._filter)
        except (ValueError, TypeError, errors.BSONError) as error:
            raise RowSourceError(f"{self._shown}: the filter is no extended JSON ({error}): {self._filter}") from error
        if not isinstance(found, dict):
            raise RowSourceError(f"{self._shown}: the filter is no JSON object: {self._filter}")
        return found

    @contextmanager
    def _connect(self) -> Iterator[Any]:
        try:
            from pymongo import MongoClient
            from pymongo.errors import PyMongoError
        except ImportError as error:
            raise MissingPackageError("rows from MongoDB need pymongo: pip install 'tintype[mongo]'") from error

        uri = fill_in(self._uri, self._shown, encode=quote_plus)
        options: dict[str, Any] = {}
        if "serverselectiontimeoutms=" not in uri.lower():
            options["serverSelectionTimeoutMS"] = SERVER_SELECTION_SECONDS * 1000
        user, password = self._find_credentials(uri)
        if user is not None:
            options |= {"username": user, "password": password}
        secrets = [password, *find_secrets(uri), unquote(urlsplit(uri).netloc.rpartition("@")[0].partition(":")[2])]
        try:
            with MongoClient[dict[str, Any]](uri, **options) as client:
                yield client
        except (PyMongoError, ValueError) as error:
            if isinstance(error, RowSourceError):
                raise
            raise RowSourceError(
                f"{self._shown} could not be read: {type(error).__name__}: {hide_secrets(str(error), secrets)}. "
                "Check the address, user and password, database, collection and filter"
            ) from None  # the cause may show the password

    def _find_credentials(self, uri: str) -> tuple[str | None, str | None]:
        """Return user and password that are not in the URI, None when nobody says."""
        if "@" in uri.partition("://")[2].partition("/")[0]:
            return None, None
        if self._credentials_path is not None:
            return read_credentials_file(self._credentials_path)
        user = os.environ.get(USER_VARIABLE) or read_configured(SECTION, "user")
        password = os.environ.get(PASSWORD_VARIABLE) or read_configured(SECTION, "password")
        if (user is None) != (password is None):
            there, missing = ("user", "password") if password is None else ("password", "user")
            raise RowSourceError(
                f"{self._shown}: there is a {there} and no {missing}: set {USER_VARIABLE} and {PASSWORD_VARIABLE}, "
                f"or both options of [{SECTION}] in Luigi's configuration"
            )
        return user, password


def _read_json(value: Mapping[str, Any] | str | None, name: str) -> Mapping[str, Any] | None:
    if not isinstance(value, str):
        return value
    try:
        found = json.loads(value)
    except ValueError as error:
        raise SettingsError(f"the {name} is no JSON ({error}): {value}") from error
    if not isinstance(found, dict):
        raise SettingsError(f"the {name} is no JSON object: {value}")
    return found


def _write_json(value: Mapping[str, Any] | str) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=_to_json)


def _to_json(value: Any) -> Any:
    """Write what is like a dict as one, and what is no JSON as it shows itself."""
    return dict(value) if isinstance(value, Mapping) else repr(value)
