"""Find rows of a published manifest by the text of a column, without holding the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tintype.manifest.hash_index import HashIndex, hash_texts

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
        hashes = [hash_texts(batch.column(0).to_pylist()) for batch in manifest.batches([key])]
        self._index = HashIndex(np.concatenate([np.zeros(0, np.int64), *hashes]))

    def find(self, keys: Sequence[str]) -> list[dict[str, Any] | None]:
        """Return the wanted columns of the row of each key, None where there is none."""
        return [
            None if number < 0 else self._first_of(key, number)
            for key, number in zip(keys, self._index.find(hash_texts(keys)).tolist(), strict=True)
        ]

    def _first_of(self, key: str, number: int) -> dict[str, Any] | None:
        """Return the first row with a key, given the first with its hash."""
        assert self._groups is not None  # closed
        row = self._groups.row(number)
        if row[self._key] == key:
            return row
        rows = map(self._groups.row, self._index.find_all(hash_texts([key]).item()))
        return next((row for row in rows if row[self._key] == key), None)

    def close(self) -> None:
        """Let go of the manifest and what was read of it."""
        self._groups = None
