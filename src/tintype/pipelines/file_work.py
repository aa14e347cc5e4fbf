"""The work on one file inside a run: load, ops, write, and a result that says what became of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter_ns, time_ns
from typing import Any, NamedTuple

from tintype.errors import FileError, StagingError
from tintype.manifest.schema import Status
from tintype.records import current_file

LoadFunc = Callable[[Any], Any]
Op = Callable[[Any], Any]
WriteFunc = Callable[[Any, Any], Any]
FileWriter = Callable[[Any, str], tuple[str | None, int | None]]
"""Writes data to a path; returns the sha256 (hex) and size in bytes where the run needs them."""
Catch = tuple[type[BaseException], ...]

DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""The disk's fault, not the file's: every further file would fail too."""

# Members looked up once: an Enum attribute costs 30 ns, and these are on the path of every file.
_WRITTEN, _RECORDED, _DROPPED, _FAILED = (
    str(Status.WRITTEN),
    str(Status.RECORDED),
    str(Status.DROPPED),
    str(Status.FAILED),
)


class FileItem(NamedTuple):
    """One file to work on."""

    number: int
    """Position of the file's row among the inputs of the run."""
    inpath: Any
    """Relative to the run's input folder where it has one; else whatever the load function takes."""
    outpath: str | None
    """None when the pipeline writes nothing."""


class FileResult(NamedTuple):
    """What became of one file."""

    number: int
    """That of the item."""
    inpath: Any
    status: str
    outpath: str | None
    error_type: str | None
    error: str | None
    digest: str | None
    """sha256 of the written file, in hex."""
    size_bytes: int | None
    microseconds: int
    """Wall time of the work on this file."""
    time_finished: int
    """Microseconds since 1970 (UTC)."""
    columns: dict[str, Any] | None
    """Recorded columns."""


@dataclass
class FileWork:
    """A callable that works on one :class:`FileItem` and returns a :class:`FileResult`.

    Everything that is the same for all files of a run is in here, so that it can be sent to another process as it is.
    """

    load_func: LoadFunc
    ops: Sequence[Op]
    writer: FileWriter | None
    """Writes the result; None when this run writes no file for an input."""
    in_folder: str = ""
    """Put before each input path, as it is: it ends in a slash, or is empty."""
    out_folder: str = ""
    catch: Catch = ()
    """Exceptions that become failed results; any other ends the run."""
    column_types: Mapping[str, type] | None = None
    """Declared types of the recorded columns; None where anything may be recorded."""

    _made_folders: set[str] = field(default_factory=set, repr=False)

    def __call__(self, item: FileItem) -> FileResult:
        """Work on one file.

        Raises
        ------
        FileError
            When it fails with an exception that is not to be caught; names the file.
        StagingError
            When the disk is full or read-only.
        """
        number, inpath, outpath = item
        started = perf_counter_ns()
        columns: dict[str, Any] = {}
        current_file.columns = columns
        current_file.written = None
        status, kept, digest, size_bytes = _DROPPED, None, None, None
        error_type = error = None
        try:
            data = self.load_func(self.in_folder + inpath if self.in_folder else inpath)
            for op in self.ops:
                data = op(data)
                if data is None:
                    break
            else:
                if self.writer is None or outpath is None:
                    status = _RECORDED
                else:
                    digest, size_bytes = self._write(self.writer, data, outpath)
                    status, kept = _WRITTEN, outpath
            if columns:
                columns = self._check_columns(columns)
        except self.catch as caught:
            self._refuse_disk_errors(inpath, caught)
            status, error_type, error = _FAILED, type(caught).__name__, describe(caught)
            kept = digest = size_bytes = None
        except StagingError:
            raise
        except BaseException as raised:
            self._refuse_disk_errors(inpath, raised)
            raise FileError(f"{inpath}: {type(raised).__name__}: {describe(raised)}") from raised
        finally:
            current_file.columns = None
        now = time_ns() // 1000
        took = (perf_counter_ns() - started) // 1000
        return FileResult(
            number, inpath, status, kept, error_type, error, digest, size_bytes, took, now, columns or None
        )

    def _write(self, writer: FileWriter, data: Any, outpath: str) -> tuple[str | None, int | None]:
        path = self.out_folder + outpath
        folder = path.rpartition("/")[0]
        if folder not in self._made_folders:
            os.makedirs(folder or ".", exist_ok=True)
            self._made_folders.add(folder)
        return writer(data, path)

    def _check_columns(self, columns: dict[str, Any]) -> dict[str, Any]:
        """Return the recorded columns as plain Python values of their declared types."""
        return {name: _as_declared(name, _as_plain(value), self.column_types) for name, value in columns.items()}

    @staticmethod
    def _refuse_disk_errors(inpath: str, error: BaseException) -> None:
        if isinstance(error, OSError) and error.errno in DISK_ERRORS:
            raise StagingError(error.errno, f"{error.strerror} while the result of {inpath} was written") from error


def describe(error: BaseException) -> str:
    """Return an exception's message on one line; never empty."""
    return " ".join(str(error).split()) or repr(error)


def _as_plain(value: Any) -> Any:
    """Return a NumPy scalar as the Python value it holds."""
    return value.item() if hasattr(value, "item") else value


def _as_declared(name: str, value: Any, types: Mapping[str, type] | None) -> Any:
    """Return a recorded value if it fits the column's declared type."""
    if types is None or value is None:
        return value
    if name not in types:
        raise TypeError(
            f"column {name!r} is recorded but not declared: add {name!r}: {type(value).__name__} "
            "to the stage's recorded_columns"
        )
    kind = types[name]
    if kind is int and type(value) is int and not -(1 << 63) <= value < 1 << 63:
        raise OverflowError(f"column {name!r} got {value}, which needs more than 64 bits: declare it as str")
    if kind is float and type(value) is int:
        return float(value)
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise TypeError(f"column {name!r} is declared as {kind.__name__} and got {value!r}, a {type(value).__name__}")
