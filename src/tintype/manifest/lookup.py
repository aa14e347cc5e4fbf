"""Find rows of a published manifest by the text of a column, without holding the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tintype.manifest.reader import Manifest
    from tintype.manifest.row_groups import RowGroups

CACHE_BYTES = 16 << 20
"""Of the row groups in memory: about four."""


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
        names = list(dict.fromkeys([key, *columns]))
        self._groups: RowGroups | None = manifest.row_groups(names, cache_bytes=CACHE_BYTES)
        hashes = [
            np.fromiter(map(hash, batch.column(0).to_pylist()), np.int64, batch.num_rows)
            for batch in manifest.batches([key])
        ]
        all_hashes = np.concatenate(hashes) if hashes else np.zeros(0, np.int64)
        self._rows = np.argsort(all_hashes, kind="stable")
        self._hashes = all_hashes[self._rows]

    def find(self, keys: Sequence[str]) -> list[dict[str, Any] | None]:
        """Return the wanted columns of the row of each key, None where there is none."""
        import numpy as np

        assert self._groups is not None  # closed
        wanted = np.fromiter(map(hash, keys), np.int64, len(keys))
        places = np.searchsorted(self._hashes, wanted)
        found: list[dict[str, Any] | None] = []
        for key, value, place in zip(keys, wanted.tolist(), places.tolist(), strict=True):
            row = None
            # Equal hashes stand together; mostly there is one.
            while row is None and place < len(self._hashes) and self._hashes[place] == value:
                candidate = self._groups.row(self._rows.item(place))
                row = candidate if candidate[self._key] == key else None
                place += 1
            found.append(row)
        return found

    def close(self) -> None:
        """Let go of the manifest and what was read of it."""
        self._groups = None
