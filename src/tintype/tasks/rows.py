"""What a file stage works on: rows, streamed in batches, any number of times and always in the same order."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from tintype.errors import ManifestError, SettingsError
from tintype.manifest.arrays import make_array, rows_without_columns
from tintype.manifest.reader import Manifest
from tintype.manifest.schema import FIXED_COLUMNS, columns_schema, travels
from tintype.targets.relative_paths import printable
from tintype.tasks.naming import show_path

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_PER_BATCH = 16_384


@dataclass(frozen=True)
class LeftOut:
    """Why an input is dropped without any work."""

    reason: Exception


Trouble = Exception | LeftOut
"""Why an input cannot be worked on: it fails, or is dropped."""


class InputRow(Mapping[str, Any]):
    """One input of a stage: its path, and the columns that travel with it.

    A read-only mapping of the column names; values are looked up when they are asked for.
    """

    __slots__ = ("_batch", "_place")

    def __init__(self, batch: RowBatch, place: int) -> None:
        self._batch = batch
        self._place = place

    @property
    def inpath(self) -> str:
        """The input's path, relative to the upstream directory."""
        return self._batch.inpaths[self._place]

    def __getitem__(self, name: str) -> Any:
        return self._batch.carried.column(name)[self._place].as_py()

    def __iter__(self) -> Iterator[str]:
        return iter(self._batch.carried.schema.names)

    def __len__(self) -> int:
        return len(self._batch.carried.schema.names)

    def __repr__(self) -> str:
        return f"InputRow({self.inpath!r}, {dict(self)!r})"


@dataclass(frozen=True)
class RowBatch:
    """Some consecutive inputs, column by column."""

    start: int
    """Number of the first row."""
    paths: list[str] | pa.Array
    """Of the inputs; as Arrow has them where they come from a manifest, which need not become Python's for all uses."""
    input_digests: list[str | None] | pa.Array
    """sha256 of each file, in hex; as Arrow has it where it comes from a manifest and only goes to another."""
    carried: pa.RecordBatch
    """The columns that travel with each file."""
    hidden: pa.RecordBatch | None = None
    """Columns that the stage itself needs and that do not travel on."""
    trouble: list[Trouble | None] | None = None
    """Why inputs cannot be worked on, None for those that can; None when all can."""

    def __len__(self) -> int:
        return len(self.paths)

    @cached_property
    def inpaths(self) -> list[str]:
        """The paths of the inputs."""
        paths = self.paths
        return paths if isinstance(paths, list) else paths.to_pylist()

    def input_digest(self, place: int) -> str | None:
        """Return the digest of one input."""
        digest = self.input_digests[place]
        return digest if digest is None or isinstance(digest, str) else digest.as_py()

    @cached_property
    def identities(self) -> tuple[pa.Array, pa.Array]:
        """The paths and the digests of the inputs, as Arrow arrays of text."""
        import pyarrow as pa

        paths, digests = self.paths, self.input_digests
        if not isinstance(paths, pa.Array):
            paths = make_array([path if path.isascii() else printable(path) for path in paths], pa.string())
        return paths, digests if isinstance(digests, pa.Array) else make_array(digests, pa.string())

    def rows(self) -> Iterator[InputRow]:
        """Yield the inputs one by one."""
        return (InputRow(self, place) for place in range(len(self)))


class InputRows(ABC):
    """The inputs of a stage."""

    @property
    @abstractmethod
    def carried_schema(self) -> pa.Schema:
        """Arrow schema of the columns that travel with each file."""

    @abstractmethod
    def batches(self) -> Iterator[RowBatch]:
        """Yield the inputs in batches, from the start, in the same order every time."""

    def load_arguments(self, batch: RowBatch) -> Sequence[Any] | None:
        """Return what the load function gets for each input of a batch; None for the input's path."""
        return None


class ManifestRows(InputRows):
    """The files of an upstream manifest, with the columns they carry and those recorded for them."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest

    @cached_property
    def carried_schema(self) -> pa.Schema:
        """Arrow schema of every upstream column that is not one of the manifest's own and that does not stay there."""
        import pyarrow as pa

        return pa.schema([field for field in self._manifest.extra_schema if travels(field)])

    def batches(self) -> Iterator[RowBatch]:
        """Yield the upstream files; rows without a file (failed, dropped, recorded) are left out."""
        import pyarrow as pa

        carried_names = self.carried_schema.names
        start = 0
        for batch in self._manifest.batches(["outpath", "digest", *carried_names], rows_per_batch=ROWS_PER_BATCH):
            if batch.column("outpath").null_count:
                batch = batch.filter(batch.column("outpath").is_valid())
            if batch.num_rows == 0:
                continue
            yield RowBatch(
                start,
                batch.column("outpath"),
                batch.column("digest"),
                pa.RecordBatch.from_arrays([batch.column(name) for name in carried_names], schema=self.carried_schema)
                if carried_names
                else rows_without_columns(batch.num_rows),
            )
            start += batch.num_rows


class RecordRows(InputRows):
    """Inputs from anything that can be iterated over again: a listing, a list of dicts, a file of rows.

    Parameters
    ----------
    make_records
        Called for each pass; returns an iterable of mappings with an ``inpath`` and any of the `columns`.
    columns
        Type of each column that travels with a file: bool, int, float or str.

    Examples
    --------
    >>> rows = RecordRows(lambda: [{"inpath": "a.jpg", "label": "cat"}], {"label": str})
    >>> [(row.inpath, row["label"]) for batch in rows.batches() for row in batch.rows()]
    [('a.jpg', 'cat')]
    """

    def __init__(
        self, make_records: Callable[[], Iterable[Mapping[str, Any]]], columns: Mapping[str, type] | None = None
    ) -> None:
        if not callable(make_records):
            raise SettingsError(
                f"RecordRows got a {type(make_records).__name__}: give a function that returns the records anew for "
                "each pass, such as lambda: records"
            )
        self._make_records = make_records
        self._columns = dict(columns or {})
        for name in self._columns:
            if name in FIXED_COLUMNS:
                raise ManifestError(f"column {name!r} is the manifest's own: give the carried column another name")

    @cached_property
    def carried_schema(self) -> pa.Schema:
        """Arrow schema of the declared columns."""
        return columns_schema(self._columns)

    def batches(self) -> Iterator[RowBatch]:
        """Yield the records in batches."""
        import pyarrow as pa

        records = iter(self._make_records())
        start = 0
        while chunk := list(islice(records, ROWS_PER_BATCH)):
            try:
                inpaths = [os.fspath(record["inpath"]) for record in chunk]
            except (KeyError, TypeError) as error:
                raise _find_record_without_path(chunk) from error
            if self._columns:
                arrays = [self._make_array(name, chunk) for name in self._columns]
                carried = pa.RecordBatch.from_arrays(arrays, schema=self.carried_schema)
            else:
                carried = rows_without_columns(len(chunk))
            yield RowBatch(start, inpaths, [record.get("input_digest") for record in chunk], carried)
            start += len(chunk)

    def _make_array(self, name: str, chunk: list[Mapping[str, Any]]) -> pa.Array:
        """Return the values of a column; SettingsError names the record whose value does not fit."""
        import pyarrow as pa

        kind = self.carried_schema.field(name).type
        try:
            return make_array([record.get(name) for record in chunk], kind)
        except (pa.ArrowException, OverflowError, UnicodeError):
            for record in chunk:
                value = record.get(name)
                try:
                    make_array([value], kind)
                except (pa.ArrowException, OverflowError, UnicodeError) as error:
                    inpath, declared = show_path(os.fspath(record["inpath"])), self._columns[name].__name__
                    raise SettingsError(
                        f"{inpath}: column {name!r} is declared as {declared} and got {value!r}: declare "
                        f"it as another type, or mend the value ({error})"
                    ) from error
            raise


def _find_record_without_path(records: Iterable[Mapping[str, Any]]) -> SettingsError:
    for record in records:
        inpath = record.get("inpath")
        if not isinstance(inpath, str | os.PathLike):
            return SettingsError(
                f"the record {dict(record)} has no 'inpath' that is a path: give each record the path of its file"
            )
    return SettingsError("a record has no 'inpath': give each record the path of its file")
