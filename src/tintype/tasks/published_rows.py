"""The rows of a published manifest, found by what an input is: its digest, what it carries, and perhaps its path."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tintype.manifest.arrays import from_numpy, make_array, text_scalar
from tintype.manifest.schema import Status

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from tintype.manifest.reader import Manifest

RESULT_COLUMNS = ("inpath", "outpath", "status", "error_type", "error", "digest", "size_bytes")
_GROUPS_IN_MEMORY = 4
_SEPARATOR = "\x1f"
_MISSING = "\x00"


class PublishedRows:
    """Find the rows of inputs, many at once.

    Holds 20 bytes a row, and the few row groups that were read last: inputs that come in about the manifest's own order
    are found about as fast as it can be read.

    Parameters
    ----------
    manifest
        What to look in.
    carried
        Names of the carried columns that must be the same.
    recorded
        Names of the columns that are wanted with the results.
    with_path
        Whether the input's path must be the same too.
    has_parts
        Whether an input may have several rows, which then stand together.
    retried
        Types of errors; rows that failed with another are found too. None finds no failed row.
    """

    def __init__(
        self,
        manifest: Manifest,
        carried: Sequence[str],
        recorded: Sequence[str],
        *,
        with_path: bool,
        has_parts: bool = False,
        retried: Collection[str] | None = None,
    ) -> None:
        import numpy as np

        self._has_parts = has_parts
        self._retried = retried
        self._carried = list(carried)
        self._with_path = with_path
        self._parquet = manifest.open()
        sizes = [self._parquet.metadata.row_group(n).num_rows for n in range(self._parquet.metadata.num_row_groups)]
        self._starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self._columns = [*RESULT_COLUMNS, "input_digest", *carried, *recorded]
        self._read_group = lru_cache(_GROUPS_IN_MEMORY)(self._read_group_afresh)
        self._index(manifest)

    def find(self, inpaths: Sequence[str], digests: pa.Array, carried: pa.RecordBatch) -> npt.NDArray[np.int64]:
        """Return the number of the first row of each input; -1 where there is none.

        Parameters
        ----------
        inpaths
            Paths of the inputs.
        digests
            Their digests, text; an input without one is never found.
        carried
            The columns that they carry.
        """
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        keys = self._keys(inpaths, digests, carried)
        hashes = _hash(keys)
        places = np.searchsorted(self._hashes, hashes)
        places[places == len(self._hashes)] = 0
        found = np.full(len(keys), -1, np.int64)
        if not len(self._hashes):
            return found
        is_hit = (self._hashes[places] == hashes) & np.asarray(digests.is_valid())
        found[is_hit] = self._rows[places[is_hit]]
        # Equal hashes are all but always equal keys; another key would be a wrong file, so each is compared.
        hits = np.flatnonzero(is_hit)
        is_same = pc.equal(self._keys_of(self.take(found[hits])), keys.take(from_numpy(hits, pa.int64())))
        found[hits[~np.asarray(is_same.fill_null(False))]] = -1
        return found

    def with_parts(self, rows: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the rows of all results of some inputs, given the first of each, and the place of each row's input."""
        import numpy as np

        counts = self._counts[rows]
        places = np.repeat(np.arange(len(rows)), counts)
        first = np.repeat(np.cumsum(counts) - counts, counts)
        return np.repeat(rows, counts) + np.arange(len(places)) - first, places

    def take(self, rows: npt.NDArray[np.int64]) -> pa.Table:
        """Return some rows, in the order they are asked for."""
        import numpy as np
        import pyarrow as pa

        groups = np.searchsorted(self._starts, rows, side="right") - 1
        tables, places = [self._parquet.schema_arrow.empty_table().select(self._columns)], []
        for group in sorted(set(groups.tolist())):
            here = np.flatnonzero(groups == group)
            tables.append(self._read_group(group).take(from_numpy(rows[here] - self._starts[group], pa.int64())))
            places.append(here)
        table = pa.concat_tables(tables)
        if len(places) > 1:
            table = table.take(from_numpy(np.argsort(np.concatenate(places)), pa.int64()))
        return table.combine_chunks()

    def close(self) -> None:
        """Close the manifest's file."""
        self._parquet.close()

    def _index(self, manifest: Manifest) -> None:
        """Read the keys of all rows that have a result to take over."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        hashes, usable, again = [np.zeros(0, np.int64)], [np.zeros(0, bool)], [np.zeros(0, bool)]
        last: tuple[Any, ...] = ()
        for batch in manifest.batches(["inpath", "input_digest", "status", "error_type", *self._carried]):
            keys = self._keys_of(batch)
            hashes.append(_hash(keys))
            is_good = pc.not_equal(batch.column("status"), text_scalar(Status.FAILED.value))
            if self._retried is not None:
                left = pc.invert(
                    pc.is_in(batch.column("error_type"), value_set=make_array(sorted(self._retried), pa.string()))
                )
                is_good = pc.or_(is_good, left)
            usable.append(np.asarray(pc.and_(batch.column("input_digest").is_valid(), is_good)))
            if self._has_parts:
                named = list(zip(batch.column("inpath").to_pylist(), keys.to_pylist(), strict=True))
                again.append(np.array([one == other for one, other in zip([last, *named], named, strict=False)], bool))
                last = named[-1] if named else last
            else:
                again.append(np.zeros(len(keys), bool))
        self._sort(np.concatenate(hashes), np.concatenate(usable), np.concatenate(again))

    def _sort(self, hashes: npt.NDArray[np.int64], usable: npt.NDArray[np.bool_], again: npt.NDArray[np.bool_]) -> None:
        import numpy as np

        # Rows of one input stand together: the first is found, and says how many there are.
        first = np.flatnonzero(~again)
        self._counts = np.zeros(len(hashes), np.int32)
        self._counts[first] = np.diff(np.append(first, len(hashes)))
        first = first[usable[first]]
        order = np.argsort(hashes[first], kind="stable")
        self._rows = first[order]
        self._hashes = hashes[first][order]

    def _keys_of(self, table: pa.Table | pa.RecordBatch) -> pa.Array:
        return self._keys(table.column("inpath"), table.column("input_digest"), table)

    def _keys(
        self, inpaths: pa.Array | Sequence[str], digests: pa.Array, carried: pa.RecordBatch | pa.Table
    ) -> pa.Array:
        """Return what inputs are found by, as text; null for an input without a digest."""
        import pyarrow as pa
        import pyarrow.compute as pc

        columns: list[Any] = [digests, *(carried.column(name) for name in self._carried)]
        if self._with_path:
            columns.append(make_array(list(inpaths), pa.string()) if isinstance(inpaths, list) else inpaths)
        if len(columns) == 1:
            return _whole(digests)
        texts = pc.binary_join_element_wise(
            *(column.cast(pa.string()) for column in columns),
            text_scalar(_SEPARATOR),
            null_handling="replace",
            null_replacement=_MISSING,
        )
        return _whole(texts)

    def _read_group_afresh(self, group: int) -> pa.Table:
        return self._parquet.read_row_group(group, columns=self._columns)


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column if not hasattr(column, "combine_chunks") else column.combine_chunks()


def _hash(texts: pa.Array) -> npt.NDArray[np.int64]:
    import numpy as np

    return np.fromiter(map(hash, texts.to_pylist()), np.int64, len(texts))
