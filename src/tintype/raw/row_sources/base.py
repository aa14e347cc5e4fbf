"""What every source of rows is, and how its columns become those of a row."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Literal

from tintype.errors import RowSourceError, SettingsError
from tintype.raw.row_sources.values import COLUMN_TYPES, READERS, Reader, read_path, read_sha256, read_text

Row = dict[str, Any]

_SHOWN_LENGTH = 80


class RowSource(ABC):
    """A list of files to download, that can be read from the start any number of times.

    Making one touches nothing: files and connections are opened by :meth:`columns`, :meth:`rows` and :meth:`digest`.
    """

    @abstractmethod
    def columns(self) -> Mapping[str, type]:
        """Return the name and type (bool, int, float or str) of every column but ``url``, ``path`` and ``sha256``."""

    @abstractmethod
    def rows(self) -> Generator[Row, None, None]:
        """Yield the rows, streamed. Close the generator to let go of a connection before its end.

        Yields
        ------
        dict
            ``url``, never empty; ``path`` and ``sha256`` (None where the cell is empty) when the source has them; and
            every one of :meth:`columns`. A new dict each time.

        Raises
        ------
        RowSourceError
            When the source cannot be read, or a row cannot be used; names the source, the line and the column.
        """

    @abstractmethod
    def digest(self) -> str | None:
        """Return the SHA-256 of a local file's bytes; None where only :meth:`identity` tells sources apart."""

    @abstractmethod
    def identity(self) -> str:
        """Return what to show and what to put in a recipe: where the rows come from, without a password."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.identity()}>"


@dataclass(frozen=True)
class ColumnChoice:
    """Which columns of a source are wanted, and as what.

    Examples
    --------
    >>> layout = ColumnChoice(types={"size": int}).lay_out(["url", "label", "size"], "a.csv")
    >>> layout.columns
    {'label': <class 'str'>, 'size': <class 'int'>}
    """

    url_column: str = "url"
    path_column: str = "path"
    """Need not be there when it has its default name; the same holds for `sha256_column`."""
    sha256_column: str = "sha256"
    types: Mapping[str, type] = field(default_factory=dict)
    """Types of the columns that are declared."""
    keep: tuple[str, ...] | None = None
    """Names of the columns that travel with a file. None is all."""
    missing_url: Literal["error", "skip"] = "error"
    """What becomes of a row whose URL is empty."""

    def __post_init__(self) -> None:
        names = (self.url_column, self.path_column, self.sha256_column)
        if len(set(names)) < len(names) or "" in names:
            raise SettingsError(
                f"url_column, path_column and sha256_column are {', '.join(map(repr, names))}: give three names"
            )
        if self.missing_url not in {"error", "skip"}:
            raise SettingsError(f"missing_url is {self.missing_url!r}: give 'error' or 'skip'")
        for name, kind in self.types.items():
            if kind not in COLUMN_TYPES:
                raise SettingsError(f"column {name!r} is declared as {kind!r}: declare it as bool, int, float or str")
            if name in names:
                raise SettingsError(f"column {name!r} is always text: leave it out of columns")

    @property
    def keys(self) -> dict[str, str]:
        """The key in a row of each column that has a meaning of its own."""
        return {self.url_column: "url", self.path_column: "path", self.sha256_column: "sha256"}

    def is_wanted(self, name: str) -> bool:
        """Return whether a column travels with a file, or has a meaning of its own."""
        return self.keep is None or name in self.keep or name in self.keys

    def key_of(self, name: str, shown: str) -> str:
        """Return the key of a column in a row; refuse one that would hide the URL, the path or the digest."""
        keys = self.keys
        if name not in keys and name in keys.values():
            meant = next(column for column, key in keys.items() if key == name)
            raise RowSourceError(
                f"{shown}: column {name!r} is there beside {meant!r}, which is the {name}_column: "
                "rename one of them, or leave it out of keep_columns"
            )
        return keys.get(name, name)

    def lay_out(self, names: Sequence[str], shown: str, own_types: Mapping[str, type] | None = None) -> Layout:
        """Return where each key of a row is found in a source whose columns are known.

        Parameters
        ----------
        names
            Of the source's columns, in order. One without a name is left out: the index that pandas writes has none.
        shown
            The source, for messages.
        own_types
            What the source itself says of its columns' types; text where it says nothing.

        Raises
        ------
        RowSourceError
            When a column is missing, or is there twice.
        """
        repeated = sorted({name for name in names if name and names.count(name) > 1})
        if repeated:
            raise RowSourceError(f"{shown} has more than one column {repeated[0]!r}: give each a name of its own")
        optional = {"path", "sha256"}
        for name in [self.url_column, self.path_column, self.sha256_column, *self.types, *(self.keep or ())]:
            if name not in names and not (name in optional and self.keys.get(name) == name):
                there = ", ".join(map(repr, filter(None, names))) or "none"
                raise RowSourceError(
                    f"{shown} has no column {name!r}; there are: {there}. "
                    "Correct the name, or set url_column, path_column, sha256_column, columns or keep_columns"
                )
        types: dict[str, type] = dict.fromkeys(names, str) | dict(own_types or {}) | dict(self.types)
        wanted = [place for place, name in enumerate(names) if name and self.is_wanted(name)]
        keys = tuple(self.key_of(names[place], shown) for place in wanted)
        columns = {names[place]: types[names[place]] for place in wanted if names[place] not in self.keys}
        return Layout(tuple(names), tuple(wanted), keys, columns)


@dataclass(frozen=True)
class Layout:
    """Where each key of a row is found among a source's cells."""

    names: tuple[str, ...]
    """All columns of the source."""
    places: tuple[int, ...]
    """Places of the cells that are wanted."""
    keys: tuple[str, ...]
    """Their keys in a row."""
    columns: dict[str, type]
    """The types of those that travel with a file."""

    def readers(self) -> dict[str, Reader]:
        """Return how the value of every key but the URL is read."""
        special: dict[str, Reader] = {"path": read_path, "sha256": read_sha256}
        return {key: special.get(key) or READERS[self.columns[key]] for key in self.keys if key != "url"}


def read_table(
    cells: Iterable[Sequence[Any]],
    layout: Layout,
    choice: ColumnChoice,
    *,
    readers: Mapping[str, Reader],
    describe_place: Callable[[], str],
) -> Iterator[Row]:
    """Yield the rows of a source that gives all its cells in the same order.

    Parameters
    ----------
    cells
        One sequence a row. Empty ones are left out.
    layout
        Which cells are wanted.
    choice
        What to do without a URL.
    readers
        For each key whose value cannot stay as it is, how to read it.
    describe_place
        Called for a row with a fault, before the next one is asked for: the source and the line.
    """
    keys = layout.keys
    width = len(layout.names)
    pick = _make_pick(layout)
    to_read = list(readers.items())
    for found in cells:
        if len(found) != width:
            if not found:
                continue
            raise RowSourceError(
                f"{describe_place()} has {len(found)} cells, the columns are {width}: "
                "correct it, and put text with commas, quotes or line breaks in double quotes"
            )
        row: Row = dict(zip(keys, found if pick is None else pick(found), strict=True))
        url = row["url"]
        if type(url) is not str or not url or url[0] <= " " or url[-1] <= " ":
            row["url"] = url = clean_url(url)
            if not url:
                if choice.missing_url == "skip":
                    continue
                raise no_url_error(describe_place(), choice)
        for key, read in to_read:
            try:
                row[key] = read(row[key])
            except ValueError as error:
                raise value_error(describe_place(), _column_of(key, choice), row[key], error) from None
        yield row


def _make_pick(layout: Layout) -> Callable[[Sequence[Any]], Sequence[Any]] | None:
    """Return what picks the wanted cells, None when all are."""
    if len(layout.places) == len(layout.names):
        return None
    if len(layout.places) == 1:
        only = layout.places[0]
        return lambda cells: (cells[only],)
    return itemgetter(*layout.places)


def clean_url(url: Any) -> str:
    """Return a URL as text without blanks around it, empty for None."""
    return (read_text(url) or "").strip()


def no_url_error(place: str, choice: ColumnChoice) -> RowSourceError:
    """Return the error of a row without a URL."""
    return RowSourceError(
        f"{place}, column {choice.url_column!r} is empty: give it a URL, remove it, or set missing_url to 'skip'"
    )


def value_error(place: str, column: str, value: Any, reason: ValueError) -> RowSourceError:
    """Return the error of a value that is not of its column's type."""
    cure = "set sha256_column to another" if "SHA-256" in str(reason) else "declare the column as another type"
    return RowSourceError(f"{place}, column {column!r}: {shorten(value)} {reason}: correct it, or {cure}")


def shorten(value: Any) -> str:
    """Return a value as it is shown in a message."""
    text = repr(value)
    return text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}..."


def _column_of(key: str, choice: ColumnChoice) -> str:
    return next((column for column, meant in choice.keys.items() if meant == key), key)
