"""Rows from a database, through SQLAlchemy and a cursor of the server."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tintype.errors import MissingPackageError, RowSourceError, SettingsError
from tintype.raw.row_sources.base import ColumnChoice, Layout, Row, RowSource, read_table
from tintype.raw.row_sources.credentials import fill_in, find_secrets, hide_password, hide_secrets, read_configured

if TYPE_CHECKING:
    import sqlalchemy as sa

ROWS_PER_FETCH = 2000
SECTION = "tintype_sql"

_POSTGRESQL_TYPES = {16: bool, 20: int, 21: int, 23: int, 26: int, 700: float, 701: float}
"""Numbers (OIDs) of PostgreSQL's own types: bool, int8, int2, int4, oid, float4, float8."""

_DRIVERS = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}
"""What the extra installs, where a URL does not say."""


class SQLSource(RowSource):
    """The rows of a query.

    Columns of PostgreSQL have the types of the result, columns of SQLite those that their tables declare; what is no
    truth, number or text comes as text (numeric too, which may have more digits than a float). Other databases' columns
    are text unless they are declared. Without ``order by`` a database may give the rows in another order each time.

    Parameters
    ----------
    url
        An SQLAlchemy URL. ``${NAME}`` in user, password, host, database or options stands for an environment variable;
        user and password that it does not have are looked for in ``[tintype_sql]`` of Luigi's configuration.
    query
        One select statement.
    choice
        Which columns are wanted.
    """

    def __init__(self, url: str, query: str, choice: ColumnChoice) -> None:
        self._url = url
        self._query = query.strip().rstrip(";").rstrip()
        self._choice = choice
        self._shown = hide_password(url)
        if not self._query:
            raise SettingsError(f"the query for {self._shown} is empty: give a select statement")

    def columns(self) -> Mapping[str, type]:
        """Return the declared types, and the result's own for the other columns."""
        return self._layout.columns

    def digest(self) -> None:
        """Return None: a query's result is only known by running it."""
        return

    def identity(self) -> str:
        """Return the database's URL without user and password, and the query."""
        return f"{self._shown} {self._query}"

    @cached_property
    def _layout(self) -> Layout:
        with self._connect() as connection:
            if connection.dialect.name == "sqlite":
                types = self._find_sqlite_types(connection)
            else:
                with self._execute(connection) as result:
                    types = _find_types(result, connection.dialect.name)
            names = [name for name, _ in types]
            return self._choice.lay_out(names, f"the result of the query for {self._shown}", dict(types))

    def rows(self) -> Generator[Row, None, None]:
        """Yield the rows of the result, fetched some thousands at a time."""
        layout = self._layout
        with self._connect() as connection, self._execute(connection) as result:
            cells = _Cells(result, self._shown)
            if tuple(result.keys()) != layout.names:
                raise RowSourceError(f"{self._shown}: the columns have changed while they were being read: run again")
            yield from read_table(
                iter(cells), layout, self._choice, readers=layout.readers(), describe_place=cells.place
            )

    @contextmanager
    def _connect(self) -> Iterator[sa.Connection]:
        try:
            import sqlalchemy as sa
        except ImportError as error:
            raise MissingPackageError("rows from a database need SQLAlchemy: pip install 'tintype[sql]'") from error

        secrets: list[str | None] = list(find_secrets(self._url))
        try:
            url = self._make_url(secrets)
            engine = sa.create_engine(url, poolclass=sa.NullPool)
            try:
                with engine.connect() as connection:
                    yield connection
            finally:
                engine.dispose()
        except sa.exc.SQLAlchemyError as error:
            reason = getattr(error, "orig", None) or error
            text = " ".join(hide_secrets(str(reason), secrets).split()).rstrip(".?")
            raise RowSourceError(
                f"{self._shown} could not be asked: {type(reason).__name__}: {text}. Check the URL, which is one of "
                f"SQLAlchemy's, and the query: {self._query}"
            ) from None  # the cause may show the password
        except ModuleNotFoundError as error:
            raise MissingPackageError(
                f"{self._shown} needs the package {error.name}: pip install 'tintype[sql]' for PostgreSQL, "
                f"pip install {error.name} for another database"
            ) from error

    def _make_url(self, secrets: list[str | None]) -> sa.URL:
        """Return the URL with everything that is not written in it, and note what may not be shown."""
        import sqlalchemy as sa

        try:
            url = sa.make_url(self._url)
        except ValueError:
            raise RowSourceError(
                f"{self._shown} is no URL, its port is no number: percent-encode /, @ and : in user and password"
            ) from None

        def fill(text: str | None) -> str | None:
            return None if text is None else fill_in(text, self._shown)

        options = {
            name: fill_in(value, self._shown) if isinstance(value, str) else tuple(map(fill, value))
            for name, value in url.query.items()
        }
        password = fill(url.password) or read_configured(SECTION, "password")
        secrets += [password, *(value for value in options.values() if isinstance(value, str) and len(value) > 3)]
        return sa.URL.create(
            _DRIVERS.get(url.drivername, url.drivername),
            fill(url.username) or read_configured(SECTION, "user"),
            password,
            fill(url.host),
            url.port,
            fill(url.database),
            options,  # type: ignore[arg-type]  # a tuple of texts is what SQLAlchemy gave
        )

    @contextmanager
    def _execute(self, connection: sa.Connection) -> Iterator[sa.CursorResult[Any]]:
        """Run the query as it is written, % and : included, with a cursor that stays on the server."""
        connection = connection.execution_options(
            stream_results=True, yield_per=ROWS_PER_FETCH, max_row_buffer=ROWS_PER_FETCH, no_parameters=True
        )
        result = connection.exec_driver_sql(self._query)
        try:
            if not result.returns_rows:
                raise RowSourceError(
                    f"the query for {self._shown} gives no rows: give a select statement, not {self._query}"
                )
            yield result
        finally:
            result.close()

    def _find_sqlite_types(self, connection: sa.Connection) -> list[tuple[str, type]]:
        """Return names and types of the result's columns without running the query: SQLite knows those of a view."""
        view = "tintype_columns"
        connection.exec_driver_sql(f"create temp view {view} as {self._query}")
        found = connection.exec_driver_sql(f"pragma temp.table_info({view})").all()
        connection.exec_driver_sql(f"drop view temp.{view}")
        return [(row[1], _sqlite_type(row[2])) for row in found]


def _sqlite_type(declared: str) -> type:
    """Return the type of a column, by SQLite's own rules on its declaration."""
    declared = declared.upper()
    if "BOOL" in declared:
        return bool
    if "INT" in declared:
        return int
    if any(part in declared for part in ("REAL", "FLOA", "DOUB")):
        return float
    return str


def _find_types(result: sa.CursorResult[Any], dialect: str) -> list[tuple[str, type]]:
    """Return names and types of the result's columns."""
    described: Any = result.cursor.description
    known = _POSTGRESQL_TYPES if dialect == "postgresql" else {}
    return [(column[0], known.get(column[1], str)) for column in described]


class _Cells:
    """The rows of a result, that know where they are."""

    def __init__(self, result: sa.CursorResult[Any], shown: str) -> None:
        self._result = result
        self._shown = shown
        self._number = 0

    def place(self) -> str:
        """Return the database and the number of the row that was given last."""
        return f"{self._shown}, row {self._number} of the result"

    def __iter__(self) -> Iterator[Any]:
        for number, cells in enumerate(self._result, start=1):
            self._number = number
            yield cells
