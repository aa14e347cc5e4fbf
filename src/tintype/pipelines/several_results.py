"""Several results of one file: tiles, crops, frames. A generator in a pipeline yields suffix and data of each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from tintype.pipelines.file_result import FilePart
from tintype.records import current_file

if TYPE_CHECKING:
    from tintype.pipelines.file_work import FileWork, Op, Written


def add_suffix(path: str, suffix: str) -> str:
    """Return a path with something put before its extension.

    Examples
    --------
    >>> add_suffix("cats/7.jpg", "-left")
    'cats/7-left.jpg'
    """
    stem, extension = os.path.splitext(path)
    return f"{stem}{suffix}{extension}"


def check_result(result: Any) -> tuple[str, Any]:
    """Return the suffix and the data that a generator yielded.

    Raises
    ------
    TypeError
        When it is no such pair; says what it is.
    """
    if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[0], str)):
        what = type(result).__name__
        if isinstance(result, tuple):
            what = f"tuple of ({', '.join(type(value).__name__ for value in result)})"
        raise TypeError(f"a generator in the pipeline yielded a {what}: yield (suffix, data), such as ('-left', image)")
    suffix, data = result
    if type(data) is GeneratorType:
        raise TypeError(f"what was yielded with the suffix {suffix!r} is a generator itself: yield each result")
    return suffix, data


def put_through(data: Any, ops: Sequence[Op]) -> Any:
    """Return the data of one of several results after the last op; None when an op dropped it."""
    for op in ops:
        data = op(data)
        if data is None:
            return None
        if type(data) is GeneratorType:
            raise TypeError(
                f"the op {op!r} yields several results of what is one of several itself: yield all of them in one op"
            )
    return data


def result_path(outpath: str, suffix: str, taken: set[str]) -> str:
    """Return the path of one of several results, and add it to those that are taken.

    Raises
    ------
    ValueError
        When the suffix leads out of the folder, or was yielded before.
    """
    path = add_suffix(outpath, suffix)
    if ".." in suffix.split("/"):
        raise ValueError(f"the suffix {suffix!r} leads out of the folder: yield one without '..'")
    if path in taken:
        raise ValueError(f"the suffix {suffix!r} was yielded twice: give each result a suffix of its own")
    taken.add(path)
    return path


class SeveralResults:
    """Put what a generator yields through the rest of the pipeline, and write all of it or nothing.

    Parameters
    ----------
    work
        The work on the whole file.
    ops
        What is left of its ops.
    outpath
        The path that those of the results are made from; None when nothing is written.
    columns
        What was recorded before the generator began: it is in the row of every result.
    """

    def __init__(self, work: FileWork, ops: Sequence[Op], outpath: str | None, columns: dict[str, Any]) -> None:
        self._work = work
        self._ops = ops
        self._outpath = outpath if work.writer is not None else None
        self._columns = columns
        self._made: list[tuple[str | None, dict[str, Any]]] = []
        self._paths: set[str] = set()

    def write(self, results: Iterator[Any]) -> list[FilePart]:
        """Work on all results; return those that were not dropped."""
        writer = self._work.writer
        if writer is None or self._outpath is None:
            written: list[Written] = [(None, None) for _ in self._data(results)]
        else:
            written = writer.write_all(self._data(results))
        return [
            FilePart(outpath, *file, columns or None)
            for (outpath, columns), file in zip(self._made, written, strict=True)
        ]

    def _data(self, results: Iterator[Any]) -> Iterator[tuple[Any, str]]:
        """Yield the data and the path of each result, to be written before the next one is made."""
        generated = self._columns  # so that they are in the file's own row when there are no results
        while True:
            # What the generator records counts from then on; what ops and writing add is of one result alone.
            current_file.columns = generated
            try:
                suffix, data = check_result(next(results))
            except StopIteration:
                return
            own = dict(generated)
            current_file.columns, current_file.written = own, None
            data = put_through(data, self._ops)
            if data is None and self._ops:
                continue
            path = self._path(suffix)
            self._work.check_columns(own)
            self._made.append((path, own))
            yield data, self._work.out_folder + (path or "")
            self._work.check_columns(own)  # the write function may record too

    def _path(self, suffix: str) -> str | None:
        """Return the path of one result, with its folder made."""
        if self._outpath is None:
            return None
        path = result_path(self._outpath, suffix, self._paths)
        self._work.make_folder(self._work.out_folder + path)
        return path
