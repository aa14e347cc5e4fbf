"""One file of a run, before the work and after it."""

from __future__ import annotations

from time import time_ns
from typing import Any, NamedTuple

from tintype.manifest.schema import Status


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


class FilePart(NamedTuple):
    """One of several results of one file."""

    outpath: str | None
    digest: str | None
    """sha256 of the written file, in hex."""
    size_bytes: int | None
    columns: dict[str, Any] | None
    """Recorded columns."""


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
    parts: list[FilePart] | None = None
    """The results, when there may be several: then they and not this have digest, size and columns, and ``outpath`` is
    the path that theirs are made from."""

    def results(self) -> list[FilePart]:
        """Return its results, whether they are files or not: one, or any number where it has parts."""
        if self.parts is not None:
            return self.parts
        return [FilePart(self.outpath, self.digest, self.size_bytes, self.columns)]

    def files(self) -> list[FilePart]:
        """Return the files that were written for it, each with its digest and size."""
        return [part for part in self.results() if part.outpath is not None]


def result_without_work(
    number: int, inpath: Any, status: Status, *, outpath: str | None = None, error: BaseException | None = None
) -> FileResult:
    """Return the result of an input that never reached a worker."""
    error_type, message = (None, None) if error is None else (type(error).__name__, describe(error))
    now = time_ns() // 1000
    return FileResult(number, inpath, str(status), outpath, error_type, message, None, None, 0, now, None)


def show_inpath(inpath: object) -> str:
    """Return an input path as text; of several that are worked on together, all."""
    return " + ".join(map(str, inpath)) if isinstance(inpath, tuple | list) else str(inpath)


def describe(error: BaseException) -> str:
    """Return an exception's message on one line; never empty, and always text that can be encoded."""
    words = " ".join(str(error).split()) or repr(error)
    return words.encode("utf-8", "backslashreplace").decode()
