"""The files that the rows of a manifest name, by number."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from tintype.errors import SettingsError
from tintype.manifest.once import once
from tintype.manifest.reader import Manifest
from tintype.manifest.row_groups import CACHE_BYTES, RowGroups
from tintype.manifest.rows import ManifestView, Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HAS_FILE = "outpath is not None"


class FilePaths:
    """The files that rows name; rows without one (failed, dropped) are left out.

    How many there are in a whole manifest stands in its footer, so that no row is read to know it. Of chosen rows the
    numbers are found once, 8 bytes a file. Paths are read by row groups, of which the last ones are kept.

    Parameters
    ----------
    rows
        A manifest, or rows chosen from one.
    columns
        Columns to read and keep beside the paths, for :meth:`values`.
    cache_bytes
        Size of the row groups that are kept, of these columns alone.

    Raises
    ------
    SettingsError
        When the rows are of no manifest that is in a file. A ValueError.
    """

    def __init__(self, rows: ManifestView, *, columns: Sequence[str] = (), cache_bytes: int = CACHE_BYTES) -> None:
        if not isinstance(rows.source, Manifest):
            raise SettingsError(f"{rows!r} are no rows of a published directory: build the stage first")
        self.manifest = rows.source
        self.rows = rows
        self._columns = tuple(columns)
        self._cache_bytes = cache_bytes

    def __len__(self) -> int:
        """Return the number of files."""
        return self._ends[-1] if self._numbers is None else len(self._numbers)

    def find(self, index: int) -> tuple[int, str]:
        """Return the number of a file's row in the manifest, and the file's path, relative to where the files are.

        Parameters
        ----------
        index
            In ``range(len(self))``.
        """
        groups = self._groups
        if self._numbers is not None:
            number = self._numbers.item(index)
            group = groups.around(number)
            return number, group.first_column(number - group.start)
        ordinal = bisect_right(self._ends, index) - 1
        group = groups.group(ordinal)
        place = group.places[index - self._ends[ordinal]]
        return group.start + place, group.first_column(place)

    def values(self, number: int) -> Row:
        """Return the values of the columns that are kept, by the number of a row in the manifest."""
        row = self._groups.row(number)
        return {name: row[name] for name in self._columns}

    @once
    def _groups(self) -> RowGroups:
        columns = dict.fromkeys(["outpath", *self._columns])
        return self.manifest.row_groups(list(columns), cache_bytes=self._cache_bytes)

    @once
    def _ends(self) -> list[int]:
        """Return the number of files before each row group, and of all."""
        return [0, *accumulate(self.manifest.held.count_values("outpath"))]

    @once
    def _numbers(self) -> NDArray[np.int64] | None:
        """Return the numbers of the rows, where they are chosen ones."""
        return None if self.rows is self.manifest else self.rows.where(HAS_FILE).numbers

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in vars(self).items() if name != "_groups"}
