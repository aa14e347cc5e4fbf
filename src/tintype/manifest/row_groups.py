"""Rows of a Parquet file by their numbers, through the row groups that were touched last."""

from __future__ import annotations

import os
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from tintype.manifest.once import once
from tintype.manifest.table_rows import one_array
from tintype.manifest.values import read_values_of

if TYPE_CHECKING:
    import pyarrow as pa

    from tintype.manifest.held_file import HeldFile

CACHE_BYTES = 128 << 20
"""Row groups are kept up to this size, as Arrow has them in memory; the last one always."""


class RowGroup:
    """Rows of one row group, in memory.

    Parameters
    ----------
    table
        The rows.
    start
        Number of the first in the file.
    """

    def __init__(self, table: pa.Table, start: int) -> None:
        self.start = start
        """Number of its first row in the file."""
        self.stop = start + table.num_rows
        """Number of the first row after it."""
        self.n_bytes = int(table.nbytes)
        self._arrays = [one_array(column) for column in table.columns]
        self._readers = [
            (name, read_values_of(array)) for name, array in zip(table.column_names, self._arrays, strict=True)
        ]

    def row(self, number: int) -> dict[str, Any]:
        """Return the row of this number in the file."""
        place = number - self.start
        return {name: read(place) for name, read in self._readers}

    @once
    def first_column(self) -> Any:
        """Return the function that returns a value of the first column, by its place in the group."""
        return self._readers[0][1]

    @once
    def places(self) -> Sequence[int]:
        """Find the places in the group whose value in the first column is not null."""
        import numpy as np

        array = self._arrays[0]
        if array.null_count == 0:
            return range(len(array))
        return np.flatnonzero(array.is_valid().to_numpy(zero_copy_only=False)).data


class RowGroups:
    """The row groups of a file: read when they are touched, and kept as long as there is room.

    Any number of threads may share one. A group that several ask for is read once; groups are read one at a time, and
    what is in memory is had meanwhile. A process that forked off reads for itself.

    Parameters
    ----------
    file
        What to read.
    columns
        Names of the columns; all of them when None.
    cache_bytes
        Size of the row groups that are kept.
    """

    def __init__(self, file: HeldFile, columns: Sequence[str] | None = None, *, cache_bytes: int = CACHE_BYTES) -> None:
        self._file = file
        self._columns = None if columns is None else list(columns)
        self._cache_bytes = cache_bytes
        self.starts = [0, *accumulate(file.group_sizes)]
        """Number of the first row of each group, and the number of rows."""
        self._last: RowGroup | None = None
        self._kept: dict[int, _KeptGroups] = {}

    def row(self, number: int) -> dict[str, Any]:
        """Return a row by its number in the file."""
        return self.around(number).row(number)

    def around(self, number: int) -> RowGroup:
        """Return the row group that a row is in."""
        group = self._last
        if group is not None and group.start <= number < group.stop:
            return group
        return self.group(bisect_right(self.starts, number) - 1)

    def group(self, ordinal: int) -> RowGroup:
        """Return a row group by its number."""
        group = self._last
        if group is not None and group.start == self.starts[ordinal] and group.stop == self.starts[ordinal + 1]:
            return group
        kept = self._kept_here()
        group = kept.find(ordinal)
        if group is None:
            with kept.reading:
                group = kept.find(ordinal)  # somebody else may have read it meanwhile
                if group is None:
                    group = RowGroup(self._file.read_group(ordinal, self._columns), self.starts[ordinal])
                    kept.add(ordinal, group, self._cache_bytes)
        self._last = group
        return group

    def _kept_here(self) -> _KeptGroups:
        """Return what this process has read: a lock that came over a fork may be held for ever."""
        pid = os.getpid()
        kept = self._kept.get(pid)
        if kept is None:
            for other in list(self._kept):
                self._kept.pop(other, None)
            kept = self._kept.setdefault(pid, _KeptGroups())
        return kept


class _KeptGroups:
    """Row groups in the order of their last use, and the locks around them."""

    def __init__(self) -> None:
        self.reading = threading.Lock()
        self._lock = threading.Lock()
        self._groups: OrderedDict[int, RowGroup] = OrderedDict()
        self._n_bytes = 0

    def find(self, ordinal: int) -> RowGroup | None:
        with self._lock:
            group = self._groups.get(ordinal)
            if group is not None:
                self._groups.move_to_end(ordinal)
            return group

    def add(self, ordinal: int, group: RowGroup, most_bytes: int) -> None:
        with self._lock:
            self._groups[ordinal] = group
            self._n_bytes += group.n_bytes
            while self._n_bytes > most_bytes and len(self._groups) > 1:
                _, oldest = self._groups.popitem(last=False)
                self._n_bytes -= oldest.n_bytes
