"""Find rows of a published manifest by the text of a column, without holding the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from tintype.manifest.reader import Manifest

_GROUPS_IN_MEMORY = 4


class ManifestLookup:
    """Look up rows by a key column.

    Holds 16 bytes a row, and the few row groups that were read last: keys that come in about the manifest's own order
    are found about as fast as it can be read.

    Parameters
    ----------
    manifest
        What to look in.
    key
        Name of a text column; where several rows have one key, the first is found.
    columns
        Names of the columns that are wanted.
    """

    def __init__(self, manifest: Manifest, key: str, columns: Sequence[str]) -> None:
        import numpy as np

        self._key = key
        self._columns = list(dict.fromkeys([key, *columns]))
        hashes = [
            np.fromiter(map(hash, batch.column(0).to_pylist()), np.int64, batch.num_rows)
            for batch in manifest.batches([key])
        ]
        all_hashes = np.concatenate(hashes) if hashes else np.zeros(0, np.int64)
        self._rows = np.argsort(all_hashes, kind="stable")
        self._hashes = all_hashes[self._rows]
        self._parquet = manifest.open()
        sizes = [self._parquet.metadata.row_group(n).num_rows for n in range(self._parquet.metadata.num_row_groups)]
        self._starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self._read_group = lru_cache(_GROUPS_IN_MEMORY)(self._read_group_afresh)

    def find(self, keys: Sequence[str]) -> list[dict[str, Any] | None]:
        """Return the wanted columns of the row of each key, None where there is none."""
        import numpy as np

        wanted = np.fromiter(map(hash, keys), np.int64, len(keys))
        places = np.searchsorted(self._hashes, wanted)
        found: list[dict[str, Any] | None] = []
        for key, value, place in zip(keys, wanted.tolist(), places.tolist(), strict=True):
            row = None
            # Equal hashes stand together; mostly there is one.
            while row is None and place < len(self._hashes) and self._hashes[place] == value:
                candidate = self._row(int(self._rows[place]))
                row = candidate if candidate[self._key] == key else None
                place += 1
            found.append(row)
        return found

    def close(self) -> None:
        """Close the manifest's file."""
        self._parquet.close()

    def _row(self, number: int) -> dict[str, Any]:
        import numpy as np

        group = int(np.searchsorted(self._starts, number, side="right")) - 1
        columns = self._read_group(group)
        place = number - int(self._starts[group])
        return {name: values[place] for name, values in columns.items()}

    def _read_group_afresh(self, group: int) -> dict[str, list[Any]]:
        table: pa.Table = self._parquet.read_row_group(group, columns=self._columns)
        return {name: table.column(name).to_pylist() for name in self._columns}
