"""The work on one file inside a run: load, ops, write, and a result that says what became of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter_ns, time_ns
from types import GeneratorType
from typing import Any, Protocol

from tintype.errors import FileError, StagingError
from tintype.manifest.schema import FIXED_COLUMNS, Status
from tintype.pipelines.file_result import FileItem, FilePart, FileResult, describe, show_inpath
from tintype.pipelines.several_results import SeveralResults
from tintype.records import current_file

LoadFunc = Callable[[Any], Any]
Op = Callable[[Any], Any]
WriteFunc = Callable[[Any, Any], Any]
SkipFunc = Callable[[Any, str], Any]
"""Called with the input path and the output path; what it returns says whether the file is left out."""
Written = tuple[str | None, int | None]
"""sha256 (hex) and size in bytes of a file that was written, where the run needs them."""
Catch = tuple[type[BaseException], ...]


class FileWriter(Protocol):
    """Writes data to a path so that no half file is ever taken for a whole one."""

    def __call__(self, data: Any, path: str, /) -> Written:
        """Write one file, or none."""

    def write_all(self, results: Iterable[tuple[Any, str]], /) -> list[Written]:
        """Write the several results of one input, data and path each: all of them, or none."""


REPORT_COLUMNS = frozenset({*FIXED_COLUMNS, "skipped_existing", "exception_handled"})
"""Names that a pipeline on its own refuses for recorded columns; a stage refuses them when they are declared."""

_Outcome = tuple[str, str | None, str | None, str | None, int | None, list[FilePart] | None]
"""Status, output path, reason to drop, digest, size in bytes and parts."""

DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""The disk's fault, not the file's: every further file would fail too."""

# Members looked up once: an Enum attribute costs 30 ns, and these are on the path of every file.
_WRITTEN, _REUSED, _RECORDED, _SKIPPED, _DROPPED, _FAILED = (
    str(Status.WRITTEN),
    str(Status.REUSED),
    str(Status.RECORDED),
    str(Status.SKIPPED),
    str(Status.DROPPED),
    str(Status.FAILED),
)


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
    skip_func: SkipFunc | None = None
    """Says which files are left out."""

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
        current_file.drop_reason = None
        current_file.written = None
        current_file.is_reused = False
        error_type = None
        try:
            status, kept, error, digest, size_bytes, parts = self._work(number, inpath, outpath, source, columns)
            if parts is not None:
                columns = {}  # each part has a copy
        except StagingError:  # first: a failing disk is no file's failure, whatever is to be caught
            raise
        except self.catch as caught:
            self._refuse_disk_errors(inpath, caught)
            status, error_type, error = _FAILED, type(caught).__name__, describe(caught)
            columns, kept, digest, size_bytes, parts = self._keep_fitting(columns), None, None, None, None
        except BaseException as raised:
            self._refuse_disk_errors(inpath, raised)
            raise FileError(f"{show_inpath(inpath)}: {type(raised).__name__}: {describe(raised)}") from raised
        finally:
            current_file.columns = None
        now = time_ns() // 1000
        took = (perf_counter_ns() - started) // 1000
        # _make takes two thirds of the time of calling FileResult with twelve arguments.
        return FileResult._make(
            (number, inpath, status, kept, error_type, error, digest, size_bytes, took, now, columns or None, parts)
        )

    def _work(self, number: int, inpath: Any, outpath: str | None, source: Any, columns: dict[str, Any]) -> _Outcome:
        """Skip, or load, ops and write; what is recorded meanwhile goes to `columns`."""
        if self.skip_func is not None and outpath is not None and self.skip_func(inpath, self.out_folder + outpath):
            return _SKIPPED, outpath, None, None, None, None
        if source is None:
            source = self.in_folder + inpath if self.in_folder else inpath
        data = self.load_func(source)
        if type(data) is GeneratorType:
            return self._work_on_parts(data, self.ops, outpath, columns)
        for place, op in enumerate(self.ops, 1):
            data = op(data)
            if data is None:
                self.check_columns(columns)
                return _DROPPED, None, current_file.drop_reason, None, None, None
            if type(data) is GeneratorType:
                return self._work_on_parts(data, self.ops[place:], outpath, columns)
        if self.writer is None or outpath is None:
            self.check_columns(columns)
            return _RECORDED, None, None, None, None, None
        digest, size_bytes = self._write(self.writer, data, outpath, columns)
        return _REUSED if current_file.is_reused else _WRITTEN, outpath, None, digest, size_bytes, None

    def _work_on_parts(
        self, results: Iterator[Any], ops: Sequence[Op], outpath: str | None, columns: dict[str, Any]
    ) -> _Outcome:
        """Work on the several results of one file."""
        parts = SeveralResults(self, ops, outpath, columns).write(results)
        if not parts:
            self.check_columns(columns)
            return _DROPPED, None, current_file.drop_reason, None, None, None
        if parts[0].outpath is None:
            return _RECORDED, None, None, None, None, parts
        return _WRITTEN, outpath, None, None, None, parts

    def make_folder(self, path: str) -> None:
        """Make the folder of a file that will be written, once a run."""
        folder = path.rpartition("/")[0]
        if folder not in self._made_folders:
            os.makedirs(folder or ".", exist_ok=True)
            self._made_folders.add(folder)

    def _write(self, writer: FileWriter, data: Any, outpath: str, columns: dict[str, Any]) -> Written:
        path = self.out_folder + outpath
        self.make_folder(path)
        if columns:  # what does not fit is told before an old file is replaced
            self.check_columns(columns)
        written = writer(data, path)
        if columns:
            try:
                self.check_columns(columns)
            except BaseException:  # the write function recorded what does not fit
                with suppress(OSError):
                    os.unlink(path)
                raise
        return written

    def check_columns(self, columns: dict[str, Any]) -> None:
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
    def _refuse_disk_errors(inpath: Any, error: BaseException) -> None:
        if isinstance(error, OSError) and error.errno in DISK_ERRORS:
            raise StagingError(
                error.errno, f"{error.strerror} while the result of {show_inpath(inpath)} was written"
            ) from error


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
