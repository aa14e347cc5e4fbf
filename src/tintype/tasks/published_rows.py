"""The rows of a published manifest, found by what an input is: its digest, what it carries, and perhaps its path."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from tintype.manifest.arrays import make_array, text_scalar, to_numpy
from tintype.manifest.hash_index import HashIndex
from tintype.manifest.once import once
from tintype.manifest.schema import Status
from tintype.manifest.table_rows import are_equal, hash_rows, one_array, take_rows, to_bools

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from tintype.manifest.reader import Manifest

_GROUPS_IN_MEMORY = 4


class PublishedRows:
    """Find the rows of inputs, many at once.

    Most inputs stand where they stood in the last build. So they are first looked for by their paths, from the row on
    that comes after the last one found: whole columns are compared, for a third of what an index costs. What is not
    there is looked up in an index of everything, made when it is needed: 16 bytes a row, or 20 where an input has
    several. The few row groups that were read last are held, too.

    Parameters
    ----------
    manifest
        What to look in.
    carried
        Names of the carried columns that must be the same.
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
        *,
        with_path: bool,
        has_parts: bool = False,
        retried: Collection[str] | None = None,
    ) -> None:
        import numpy as np

        self._manifest = manifest
        self._has_parts = has_parts
        self._retried = retried
        self._carried = list(carried)
        self._with_path = with_path
        self._key = ["input_digest", *carried, *(["inpath"] if with_path else [])]
        """Names of the columns that must be the same."""
        self._looked_at = ["inpath", "input_digest", *carried, "status", "error_type"]
        self._parquet = manifest.open()
        sizes = [self._parquet.metadata.row_group(n).num_rows for n in range(self._parquet.metadata.num_row_groups)]
        self._starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self._read_group = lru_cache(_GROUPS_IN_MEMORY)(self._read_group_afresh)
        self._next_row = 0
        """The one after the last that was found."""

    def find(self, inpaths: pa.Array, digests: pa.Array, carried: pa.RecordBatch) -> npt.NDArray[np.int64]:
        """Return the number of the first row of each input; -1 where there is none.

        Parameters
        ----------
        inpaths
            Paths of the inputs, text.
        digests
            Their digests, text; an input without one is never found.
        carried
            The columns that they carry.
        """
        import numpy as np
        import pyarrow as pa

        columns = [inpaths, digests, *(carried.column(name) for name in self._carried)]
        inputs = pa.Table.from_arrays(columns, names=["inpath", "input_digest", *self._carried])
        found = np.full(len(inpaths), -1, np.int64)
        is_open = to_bools(digests.is_valid()).copy()
        if not self._has_parts:  # the first row of a path in a row group may not be the input's first
            self._find_nearby(inputs, found, is_open)
        if is_open.any():
            found[is_open] = self._find_anywhere(take_rows(inputs, np.flatnonzero(is_open)))
            if (found >= 0).any():
                self._next_row = found[found >= 0].item(-1) + 1
        return found

    def with_parts(self, rows: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the rows of all results of some inputs, given the first of each, and the place of each row's input."""
        import numpy as np

        if not self._has_parts:
            return rows, np.arange(len(rows))
        _, all_counts = self._index
        counts = all_counts[rows]
        places = np.repeat(np.arange(len(rows)), counts)
        first = np.repeat(np.cumsum(counts) - counts, counts)
        return np.repeat(rows, counts) + np.arange(len(places)) - first, places

    def take(self, rows: npt.NDArray[np.int64], columns: Sequence[str]) -> pa.Table:
        """Return some columns of some rows, in the order they are asked for; each column is one chunk."""
        import numpy as np
        import pyarrow as pa

        groups = np.searchsorted(self._starts, rows, side="right") - 1
        tables, places = [], []
        for group in sorted(set(groups.tolist())):
            here = np.flatnonzero(groups == group)
            tables.append(take_rows(self._read_group(group, tuple(columns)), rows[here] - self._starts[group]))
            places.append(here)
        if not tables:
            schema = self._parquet.schema_arrow
            return pa.Table.from_batches([], pa.schema([schema.field(name) for name in columns]))
        if len(tables) == 1:
            return tables[0]
        return take_rows(pa.concat_tables(tables).combine_chunks(), np.argsort(np.concatenate(places)))

    def close(self) -> None:
        """Close the manifest's file."""
        self._parquet.close()

    def _find_nearby(self, inputs: pa.Table, found: npt.NDArray[np.int64], is_open: npt.NDArray[np.bool_]) -> None:
        """Look in the row groups from the next row on, up to the one that has the path of the last input.

        Fills in `found`, and takes what need not be looked up elsewhere off `is_open`.
        """
        import numpy as np

        inpaths = one_array(inputs.column("inpath"))
        first = int(np.searchsorted(self._starts, self._next_row, side="right")) - 1
        for group in range(first, len(self._starts) - 1):
            published, start = self._read_group(group, tuple(self._looked_at)), self._starts.item(group)
            rows = _find_texts(inpaths, one_array(published.column("inpath")), max(self._next_row - start, 0))
            is_here = rows >= 0
            if is_here.any():
                self._next_row = start + rows[is_here].item(-1) + 1
                places = np.flatnonzero(is_here & is_open)
                is_good, is_settled = self._compare(take_rows(published, rows[places]), take_rows(inputs, places))
                found[places[is_good]] = start + rows[places[is_good]]
                is_open[places[is_settled]] = False
            elif group > first:
                break
            if is_here[-1:].any():
                break

    def _compare(self, published: pa.Table, inputs: pa.Table) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Return which inputs have the row of the same path opposite, and which need not be looked up elsewhere."""
        has_same_bytes = are_equal(published, inputs, ["input_digest"])
        is_same = has_same_bytes & are_equal(published, inputs, self._carried)
        is_good = is_same & self._are_usable(published)
        # Where the path counts: other bytes under this path have no other row.
        return is_good, (is_same | ~has_same_bytes) if self._with_path else is_good

    def _find_anywhere(self, inputs: pa.Table) -> npt.NDArray[np.int64]:
        """Return the number of the first row of each input; -1 where there is none."""
        import numpy as np

        index, _ = self._index
        found = index.find(hash_rows(inputs, self._key))
        # Equal hashes are all but always equal keys; another key would be a wrong file, so each is compared.
        hits = np.flatnonzero(found >= 0)
        if len(hits):
            is_same = are_equal(self.take(found[hits], self._key), take_rows(inputs, hits), self._key)
            found[hits[~is_same]] = -1
        return found

    @once
    def _index(self) -> tuple[HashIndex, npt.NDArray[np.int32]]:
        """Index the first row of each input that has a result; also how many rows each input has from there on."""
        import numpy as np

        hashes, usable, again = [np.zeros(0, np.int64)], [np.zeros(0, bool)], [np.zeros(0, bool)]
        columns = list(dict.fromkeys([*self._key, "status", "error_type", *(["inpath"] if self._has_parts else [])]))
        last: pa.RecordBatch | None = None
        for batch in self._manifest.batches(columns):
            hashes.append(hash_rows(batch, self._key))
            usable.append(to_bools(batch.column("input_digest").is_valid()) & self._are_usable(batch))
            again.append(self._repeat(batch, last) if self._has_parts else np.zeros(batch.num_rows, bool))
            last = batch
        return _index_first(np.concatenate(hashes), np.concatenate(usable), np.concatenate(again))

    def _repeat(self, rows: pa.RecordBatch, before: pa.RecordBatch | None) -> npt.NDArray[np.bool_]:
        """Return which rows are of the same input as the row before them."""
        import numpy as np

        names = ["inpath", *self._key]
        again = np.zeros(rows.num_rows, bool)
        again[1:] = are_equal(rows.slice(1), rows.slice(0, rows.num_rows - 1), names)
        if before is not None:
            again[:1] = are_equal(rows.slice(0, 1), before.slice(before.num_rows - 1), names)
        return again

    def _are_usable(self, published: pa.Table | pa.RecordBatch) -> npt.NDArray[np.bool_]:
        """Return which rows are not to be tried again."""
        import pyarrow as pa
        import pyarrow.compute as pc

        is_good = pc.not_equal(published.column("status"), text_scalar(Status.FAILED.value))
        if self._retried is not None:
            retried = make_array(sorted(self._retried), pa.string())
            is_good = pc.or_(is_good, pc.invert(pc.is_in(published.column("error_type"), value_set=retried)))
        return to_bools(is_good)

    def _read_group_afresh(self, group: int, columns: tuple[str, ...]) -> pa.Table:
        with self._manifest.reading():
            return self._parquet.read_row_group(group, columns=list(columns), use_threads=False).combine_chunks()


def _find_texts(wanted: pa.Array, texts: pa.Array, guess: int) -> npt.NDArray[np.int64]:
    """Return a place of each text among others, -1 where it is not there; `guess` is where all of them may begin."""
    import numpy as np
    import pyarrow.compute as pc

    if texts.slice(guess, len(wanted)).equals(wanted):
        return np.arange(guess, guess + len(wanted))
    at = pc.index_in(wanted, value_set=texts, skip_nulls=True)
    places = np.full(len(wanted), -1, np.int64)
    places[to_bools(at.is_valid())] = to_numpy(at.drop_null())
    return places


def _index_first(
    hashes: npt.NDArray[np.int64], usable: npt.NDArray[np.bool_], again: npt.NDArray[np.bool_]
) -> tuple[HashIndex, npt.NDArray[np.int32]]:
    """Index the rows by hashes: of rows of one input, which stand together, the first, which has their number."""
    import numpy as np

    first = np.flatnonzero(~again)
    counts = np.zeros(len(hashes), np.int32)
    counts[first] = np.diff(np.append(first, len(hashes)))
    first = first[usable[first]]
    return HashIndex(hashes[first], first), counts
