"""The journal of a build: which files are finished. Append-only JSON lines, many results a line.

A line holds its results column by column; a column that has one value for all of them is that value. ``index`` is a
list of row numbers, or ``{"from": 3, "to": 67}``. The last line may be torn by a kill, then it does not count. Every
run of a build appends to a file of its own, and later lines supersede earlier ones of the same row.
"""

from __future__ import annotations

import json
import os
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import suppress
from operator import itemgetter
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from tintype.errors import StagingError
from tintype.pipelines.file_result import FilePart, FileResult

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

FIELDS = FileResult._fields[1:]
_NUMBER = itemgetter(0)
_OFTEN_ONE_VALUE = frozenset({"status", "error_type", "error", "columns", "parts"})
_NO_PARTS = b'"parts":null}\n'
"""End of a line in which every result is one file at most: its last column."""

FLUSH_ROWS = 512
FLUSH_SECONDS = 0.02
"""Finished work that a kill may lose: what waits at most this long to share a line."""


class Journal:
    """Append results, and read them back by row number.

    Costs four bytes of memory a row, and some for each line.

    Parameters
    ----------
    folder
        Where its files are; exists.
    name
        Begins their names.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._paths = sorted(folder.glob(f"{name}-*.jsonl"))
        self._lines: list[tuple[int, int, int]] = []  # number of the file, offset, length
        self._line_of_row = array("I")  # number of the line that holds a row, plus one; 0 where there is none
        self._line_at_hand: tuple[int, list[int], dict[str, list[Any]]] | None = None
        self._waiting: list[FileResult] = []
        self._last_flush = 0.0
        self._descriptor = -1
        self._offset = 0
        self.has_parts = False
        """Whether an input may have several results."""
        for number, path in enumerate(self._paths):
            self._read_lines(number, path)

    def __len__(self) -> int:
        """Return the number of rows up to the last one that has ever had a result."""
        return len(self._line_of_row)

    def append(self, results: Sequence[FileResult]) -> None:
        """Note finished results; they are on disk at the latest after the next flush."""
        self._waiting.extend(results)
        now = monotonic()
        if len(self._waiting) >= FLUSH_ROWS or (self._waiting and now - self._last_flush >= FLUSH_SECONDS):
            self.flush()
            self._last_flush = now

    def flush(self) -> None:
        """Write what waits as one line.

        Raises
        ------
        StagingError
            When the disk refuses; lines written before stay whole.
        """
        if not self._waiting:
            return
        self._waiting.sort(key=_NUMBER)
        numbers = list(map(_NUMBER, self._waiting))
        if len(set(numbers)) < len(numbers):
            # The last of each row: a line that is a run of rows holds each once.
            self._waiting = list(dict(zip(numbers, self._waiting, strict=True)).values())
            numbers = list(map(_NUMBER, self._waiting))
        line = _encode(self._waiting)
        self.has_parts |= not line.endswith(_NO_PARTS)
        try:
            if self._descriptor < 0:
                self._open()
            self._write(line)
        except BaseException as error:
            self._abandon()
            if not isinstance(error, OSError):
                raise
            raise StagingError(
                error.errno,
                f"{error.strerror} while the journal in {self._folder} was written: "
                "make room and run again; what is finished is kept",
            ) from error
        self._waiting = []
        self._note_line(len(self._paths) - 1, self._offset, len(line), numbers)
        self._offset += len(line)

    def close(self) -> None:
        """Flush and close; harmless a second time."""
        try:
            self.flush()
        finally:
            self._abandon()

    def forget(self, index: int) -> None:
        """Drop the result of a row."""
        self._line_of_row[index] = 0

    def has(self, start: int, stop: int) -> npt.NDArray[np.bool_]:
        """Return, for each row from `start` up to `stop`, whether it has a result."""
        import numpy as np

        known = np.frombuffer(self._line_of_row, np.uint32)[start:stop] != 0
        return np.pad(known, (0, stop - start - len(known)))

    def columns(self, start: int, stop: int) -> dict[str, list[Any]]:
        """Return the results of the rows from `start` up to `stop`, column by column; None where there is none."""
        import numpy as np

        n_rows = stop - start
        found: dict[str, list[Any]] = {name: [None] * n_rows for name in FIELDS}
        line_of_row = np.frombuffer(self._line_of_row, np.uint32)
        # Not np.unique, which imports numpy.ma for 15 ms.
        for number in sorted({*self._line_of_row[start:stop]} - {0}):
            indices, values = self._load_line(number - 1)
            first, last = indices[0], indices[-1] + 1
            is_run = last - first == len(indices) and start <= first and last <= stop
            if is_run and bool((line_of_row[first:last] == number).all()):
                # The common case, a run of rows: slices, not a loop over rows.
                for name in FIELDS:
                    found[name][first - start : last - start] = values[name]
                continue
            for place, after in self._find_stretches(indices, number, start, stop):
                index = indices[place] - start
                for name in FIELDS:
                    found[name][index : index + after - place] = values[name][place:after]
        return found

    def _find_stretches(self, indices: list[int], line: int, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Yield the places of a line, from and up to, where it holds one row after the other, of those asked for.

        Threads work on blocks of rows, so that a line has a few stretches, not one.
        """
        line_of_row = self._line_of_row
        first = 0
        for place, index in enumerate(indices):
            is_held = start <= index < stop and line_of_row[index] == line
            if is_held and place > first and index == indices[place - 1] + 1:
                continue
            if place > first:
                yield first, place
            first = place if is_held else place + 1
        if first < len(indices):
            yield first, len(indices)

    def result(self, number: int) -> FileResult | None:
        """Return the result of one row; None when it has none. Quick when rows are asked for about in their order."""
        line = self._line_of_row[number] if number < len(self._line_of_row) else 0
        if line == 0:
            return None
        if self._line_at_hand is None or self._line_at_hand[0] != line:
            self._line_at_hand = (line, *self._load_line(line - 1))
        _, indices, values = self._line_at_hand
        place = bisect_right(indices, number) - 1  # the last, when a line has the row more than once
        return FileResult(number, *(values[name][place] for name in FIELDS))

    def results(self, rows_per_batch: int = 16_384) -> Iterator[FileResult]:
        """Yield the result of each row that has one, in the order of rows."""
        for start in range(0, len(self), rows_per_batch):
            stop = min(start + rows_per_batch, len(self))
            columns = self.columns(start, stop)
            for index, values in enumerate(zip(*(columns[name] for name in FIELDS), strict=True), start):
                if values[1] is not None:
                    yield FileResult(index, *values)

    def _open(self) -> None:
        path = self._folder / f"{self._name}-{len(self._paths):04d}.jsonl"
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        self._paths.append(path)
        self._offset = 0

    def _abandon(self) -> None:
        """Write no more to the open file: its last line may be torn, and nothing may follow that."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with suppress(OSError):
                os.close(descriptor)

    def _write(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def _read_lines(self, number: int, path: Path) -> None:
        offset = 0
        with path.open("rb") as file:
            for line in file:
                values = _decode(line)
                if values is not None:
                    self._note_line(number, offset, len(line), values[0])
                    self.has_parts |= not line.endswith(_NO_PARTS)
                offset += len(line)

    def _note_line(self, number: int, offset: int, length: int, indices: Sequence[int]) -> None:
        self._lines.append((number, offset, length))
        missing = indices[-1] + 1 - len(self._line_of_row)
        if missing > 0:
            self._line_of_row.frombytes(bytes(missing * self._line_of_row.itemsize))
        line = len(self._lines)
        first, last = indices[0], indices[-1] + 1
        if last - first == len(indices):
            self._line_of_row[first:last] = array("I", [line]) * (last - first)
        else:
            for index in indices:
                self._line_of_row[index] = line

    def _load_line(self, line: int) -> tuple[list[int], dict[str, list[Any]]]:
        number, offset, length = self._lines[line]
        with self._paths[number].open("rb") as file:
            file.seek(offset)
            values = _decode(file.read(length))
        if values is None:
            raise StagingError(f"{self._paths[number]} changed while it was in use: run again")
        return values


def _encode(results: Sequence[FileResult]) -> bytes:
    """Return sorted results as one line."""
    indices, *columns = map(list, zip(*results, strict=True))
    first, last = indices[0], indices[-1] + 1
    row: dict[str, Any] = {"index": {"from": first, "to": last} if last - first == len(indices) else indices}
    for name, values in zip(FIELDS, columns, strict=True):
        is_one_value = len(values) == 1 or (name in _OFTEN_ONE_VALUE and values.count(values[0]) == len(values))
        if isinstance(values[0], list):
            is_one_value = False  # a list stands for the values of a column
        row[name] = values[0] if is_one_value else values
    return json.dumps(row, separators=(",", ":")).encode() + b"\n"


def _decode(line: bytes) -> tuple[list[int], dict[str, list[Any]]] | None:
    """Return the row numbers and columns of a line; None for a torn one."""
    if not line.endswith(b"\n"):
        return None
    try:
        row = json.loads(line)
        index = row["index"]
        indices = index if isinstance(index, list) else list(range(index["from"], index["to"]))
        columns = {name: row[name] for name in FIELDS}
    except (ValueError, KeyError, TypeError):
        return None
    for name, values in columns.items():
        if not isinstance(values, list):
            columns[name] = [values] * len(indices)
    if any(columns["parts"]):
        columns["parts"] = [parts and [FilePart(*part) for part in parts] for parts in columns["parts"]]
    return indices, columns
