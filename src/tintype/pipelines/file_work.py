"""The work on one file inside a run: load, ops, write, and a result that says what became of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter_ns, time_ns
from typing import Any, NamedTuple

from tintype.errors import FileError, StagingError
from tintype.manifest.schema import FIXED_COLUMNS, Status
from tintype.records import current_file

LoadFunc = Callable[[Any], Any]
Op = Callable[[Any], Any]
WriteFunc = Callable[[Any, Any], Any]
FileWriter = Callable[[Any, str], tuple[str | None, int | None]]
"""Writes data to a path; returns the sha256 (hex) and size in bytes where the run needs them."""
Catch = tuple[type[BaseException], ...]

REPORT_COLUMNS = frozenset({*FIXED_COLUMNS, "skipped_existing", "exception_handled"})
"""Names that a pipeline on its own refuses for recorded columns; a stage refuses them when they are declared."""

DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""The disk's fault, not the file's: every further file would fail too."""

# Members looked up once: an Enum attribute costs 30 ns, and these are on the path of every file.
_WRITTEN, _REUSED, _RECORDED, _DROPPED, _FAILED = (
    str(Status.WRITTEN),
    str(Status.REUSED),
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
    source: Any = None
    """What the load function gets; None for the input path."""


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


def result_without_work(
    number: int, inpath: Any, status: Status, *, outpath: str | None = None, error: BaseException | None = None
) -> FileResult:
    """Return the result of an input that never reached a worker."""
    error_type, message = (None, None) if error is None else (type(error).__name__, describe(error))
    now = time_ns() // 1000
    return FileResult(number, inpath, str(status), outpath, error_type, message, None, None, 0, now, None)


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
        number, inpath, outpath, source = item
        started = perf_counter_ns()
        columns: dict[str, Any] = {}
        current_file.columns = columns
        current_file.written = None
        current_file.is_reused = False
        status, kept, digest, size_bytes = _DROPPED, None, None, None
        error_type = error = None
        try:
            if source is None:
                source = self.in_folder + inpath if self.in_folder else inpath
            data = self.load_func(source)
            for op in self.ops:
                data = op(data)
                if data is None:
                    break
            else:
                if self.writer is None or outpath is None:
                    status = _RECORDED
                else:
                    digest, size_bytes = self._write(self.writer, data, outpath, columns)
                    status, kept = _REUSED if current_file.is_reused else _WRITTEN, outpath
            if columns and kept is None:
                self._check_columns(columns)
        except StagingError:  # first: a failing disk is no file's failure, whatever is to be caught
            raise
        except self.catch as caught:
            self._refuse_disk_errors(inpath, caught)
            status, error_type, error = _FAILED, type(caught).__name__, describe(caught)
            columns = self._keep_fitting(columns)
        except BaseException as raised:
            self._refuse_disk_errors(inpath, raised)
            raise FileError(f"{inpath}: {type(raised).__name__}: {describe(raised)}") from raised
        finally:
            current_file.columns = None
        now = time_ns() // 1000
        took = (perf_counter_ns() - started) // 1000
        # _make takes two thirds of the time of calling FileResult with eleven arguments.
        return FileResult._make(
            (number, inpath, status, kept, error_type, error, digest, size_bytes, took, now, columns or None)
        )

    def _write(
        self, writer: FileWriter, data: Any, outpath: str, columns: dict[str, Any]
    ) -> tuple[str | None, int | None]:
        path = self.out_folder + outpath
        folder = path.rpartition("/")[0]
        if folder not in self._made_folders:
            os.makedirs(folder or ".", exist_ok=True)
            self._made_folders.add(folder)
        if columns:  # what does not fit is told before an old file is replaced
            self._check_columns(columns)
        written = writer(data, path)
        if columns:
            try:
                self._check_columns(columns)
            except BaseException:  # the write function recorded what does not fit
                with suppress(OSError):
                    os.unlink(path)
                raise
        return written

    def _check_columns(self, columns: dict[str, Any]) -> None:
        """Turn the recorded columns into plain Python values of their declared types."""
        for name, value in columns.items():
            columns[name] = as_declared(name, value, self.column_types)

    def _keep_fitting(self, columns: dict[str, Any]) -> dict[str, Any]:
        """Return what a file recorded before it failed, without what may be the reason."""
        fitting = {}
        for name, value in columns.items():
            with suppress(Exception):
                fitting[name] = as_declared(name, value, self.column_types)
        return fitting

    @staticmethod
    def _refuse_disk_errors(inpath: str, error: BaseException) -> None:
        if isinstance(error, OSError) and error.errno in DISK_ERRORS:
            raise StagingError(error.errno, f"{error.strerror} while the result of {inpath} was written") from error


def describe(error: BaseException) -> str:
    """Return an exception's message on one line; never empty, and always text that can be encoded."""
    words = " ".join(str(error).split()) or repr(error)
    return words.encode("utf-8", "backslashreplace").decode()


def as_declared(name: str, value: Any, types: Mapping[str, type] | None) -> Any:
    """Return a recorded value as a plain Python value, if it fits the column's declared type.

    Raises
    ------
    TypeError, OverflowError, UnicodeError
        When it does not fit.
    """
    value = value.item() if hasattr(value, "item") else value
    if types is None and name in REPORT_COLUMNS:
        raise TypeError(f"column {name!r} is the run report's own: record it by another name")
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
    if kind is str and isinstance(value, str) and not value.isascii():
        value.encode()  # a lone surrogate is told here, for this file, and not when all are done
    if kind is float and type(value) in {int, float}:
        return float(value) + 0.0  # -0.0 becomes 0.0: they are equal, so they must not tell two digests apart
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise TypeError(f"column {name!r} is declared as {kind.__name__} and got {value!r}, a {type(value).__name__}")
