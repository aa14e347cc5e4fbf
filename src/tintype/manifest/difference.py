"""What differs between two manifests: rows added, removed and changed, for millions of rows at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tintype.errors import ManifestError
from tintype.manifest.arrays import from_numpy
from tintype.manifest.schema import FIXED_COLUMNS, is_digested

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from tintype.manifest.reader import Manifest

_COMPARED = ("digest", "size_bytes", "error_type", "error")
"""The fixed columns that say what a result is, not how or when it was made."""
_IDENTITY = ("inpath", "outpath", "status", "size_bytes")
_ROWS_AT_ONCE = 131_072
"""Rows of each manifest that are held and compared at a time."""


@dataclass(frozen=True)
class ManifestTotals:
    """What the rows of one manifest add up to."""

    n_rows: int
    n_files: int
    size_bytes: int
    statuses: Mapping[str, int]
    """Number of rows of each status."""

    def to_json(self) -> dict[str, Any]:
        """Return the totals as plain values."""
        return {
            "n_rows": self.n_rows,
            "n_files": self.n_files,
            "size_bytes": self.size_bytes,
            "statuses": dict(self.statuses),
        }


@dataclass(frozen=True)
class ChangedRow:
    """A row that both manifests have, with other values."""

    inpath: str | None
    """Of the row before."""
    outpath: str | None
    status: str
    """Of the row after."""
    size_bytes: tuple[int | None, int | None]
    """Before and after."""
    values: Mapping[str, tuple[Any, Any]]
    """The value before and after of each column that changed."""


@dataclass(frozen=True, kw_only=True)
class ManifestDifference:
    """The difference between two manifests; made by :func:`compare`.

    Holds 8 bytes for each row that is added or removed, and 16 for one that changed. The rows themselves are read again
    when they are asked for.
    """

    before: Manifest
    after: Manifest
    totals_before: ManifestTotals
    totals_after: ManifestTotals
    columns: tuple[str, ...]
    """The columns that were compared."""
    columns_added: tuple[str, ...]
    """Columns that only the manifest after has."""
    columns_removed: tuple[str, ...]
    columns_retyped: Mapping[str, tuple[str, str]]
    """The type before and after of columns that were not compared because it is not one."""
    n_unchanged: int
    n_changed_by_column: Mapping[str, int]
    """Number of changed rows by column, of the columns that changed anywhere; a row may count in several."""
    _added: npt.NDArray[np.int64] = field(repr=False, compare=False)
    _removed: npt.NDArray[np.int64] = field(repr=False, compare=False)
    _changed: npt.NDArray[np.int64] = field(repr=False, compare=False)
    """Row numbers before and after, of shape (2, rows)."""

    @property
    def n_added(self) -> int:
        """Number of rows that only the manifest after has."""
        return len(self._added)

    @property
    def n_removed(self) -> int:
        """Number of rows that only the manifest before has."""
        return len(self._removed)

    @property
    def n_changed(self) -> int:
        """Number of rows that both have, with another value in a column that was compared."""
        return int(self._changed.shape[1])

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs: neither rows nor columns."""
        n_rows = self.n_added + self.n_removed + self.n_changed
        return not (n_rows or self.columns_added or self.columns_removed or self.columns_retyped)

    def added(self) -> Iterator[dict[str, Any]]:
        """Yield each row that only the manifest after has, as a dict, in its order."""
        return _read_rows(self.after, self._added)

    def removed(self) -> Iterator[dict[str, Any]]:
        """Yield each row that only the manifest before has, as a dict, in its order."""
        return _read_rows(self.before, self._removed)

    def changed(self) -> Iterator[ChangedRow]:
        """Yield each row that both have and that changed, in the order of the manifest before."""
        names = list(dict.fromkeys([*_IDENTITY, *self.columns]))
        for start in range(0, self.n_changed, _ROWS_AT_ONCE):
            numbers = self._changed[:, start : start + _ROWS_AT_ONCE]
            before, after = _take(self.before, numbers[0], names), _take(self.after, numbers[1], names)
            differs = {name: _find_differences(before[name], after[name]) for name in self.columns}
            yield from _pair_rows(before, after, differs)

    def to_json(self) -> dict[str, Any]:
        """Return the counts and totals as plain values, without the rows."""
        return {
            "is_empty": self.is_empty,
            "n_added": self.n_added,
            "n_removed": self.n_removed,
            "n_changed": self.n_changed,
            "n_unchanged": self.n_unchanged,
            "n_changed_by_column": dict(self.n_changed_by_column),
            "columns": list(self.columns),
            "columns_added": list(self.columns_added),
            "columns_removed": list(self.columns_removed),
            "columns_retyped": {name: list(types) for name, types in self.columns_retyped.items()},
            "before": self.totals_before.to_json(),
            "after": self.totals_after.to_json(),
        }


def compare(before: Manifest, after: Manifest, *, columns: Sequence[str] | None = None) -> ManifestDifference:
    """Compare two manifests row by row.

    Rows with a file are one row when they have one ``outpath``; rows without a file when they have one ``inpath`` and
    one ``status``. Where several rows of a manifest have the same, the first is compared with the first, and so on. The
    order of rows counts for nothing else.

    Takes about 80 bytes of memory for a row of the longer manifest, and two passes over both; more when their rows are
    in different orders, as one block of rows after the other is then looked up all over the manifest after. Rows are
    matched by 64-bit hashes, keyed anew in each process: among a million, two of them meet once in 37 million runs.
    Their values are compared as they are.

    Parameters
    ----------
    before, after
        The manifests.
    columns
        What is compared. When None: ``digest``, ``size_bytes``, ``error_type``, ``error``, and of the carried and
        recorded columns those that count in a directory's digest.

    Raises
    ------
    ManifestError
        When a manifest is missing or corrupt, or neither has one of `columns`.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> from tintype.manifest import Manifest, ManifestWriter
    >>> from tintype.manifest.schema import columns_schema
    >>> def write(name, **columns):
    ...     path = Path(mkdtemp()) / name
    ...     with ManifestWriter(path, columns_schema({"label": str})) as writer:
    ...         writer.write(dict.fromkeys(writer.schema.names, [None, None]) | {"status": ["written"] * 2} | columns)
    ...     return Manifest(path)
    >>> before = write("a.parquet", outpath=["1.png", "2.png"], digest=["aa", "bb"], size_bytes=[10, 20])
    >>> after = write("b.parquet", outpath=["2.png", "3.png"], digest=["ff", "cc"], size_bytes=[25, 30])
    >>> difference = compare(before, after)
    >>> difference.n_added, difference.n_removed, difference.n_changed, difference.n_unchanged
    (1, 1, 1, 0)
    >>> [row["outpath"] for row in difference.added()]
    ['3.png']
    >>> [(row.outpath, row.size_bytes, dict(row.values)) for row in difference.changed()]
    [('2.png', (20, 25), {'digest': ('bb', 'ff'), 'size_bytes': (20, 25)})]
    >>> difference.totals_after.size_bytes - difference.totals_before.size_bytes
    25
    """
    import numpy as np

    chosen = _choose_columns(before.schema, after.schema, columns)
    keys_before, totals_before = _read_keys(before)
    keys_after, totals_after = _read_keys(after)
    partners = _match(keys_before, keys_after)
    del keys_before, keys_after
    rows = np.flatnonzero(partners >= 0)
    is_added = np.ones(totals_after.n_rows, bool)
    is_added[partners[rows]] = False
    pairs = np.stack([rows, partners[rows]])
    is_changed, counts = _find_changes(before, after, pairs, chosen["columns"])
    return ManifestDifference(
        before=before,
        after=after,
        totals_before=totals_before,
        totals_after=totals_after,
        n_unchanged=len(rows) - int(is_changed.sum()),
        n_changed_by_column=counts,
        _added=np.flatnonzero(is_added),
        _removed=np.flatnonzero(partners < 0),
        _changed=pairs[:, is_changed],
        **chosen,
    )


def _choose_columns(before: pa.Schema, after: pa.Schema, wanted: Sequence[str] | None) -> dict[str, Any]:
    """Return which columns to compare and which cannot be, as the fields of a ManifestDifference."""
    if wanted is None:
        names = [*_COMPARED, *(field.name for field in [*before, *after] if is_digested(field))]
        wanted = [name for name in names if name in _COMPARED or name not in FIXED_COLUMNS]
    unknown = [name for name in wanted if name not in before.names and name not in after.names]
    if unknown:
        there_are = ", ".join(dict.fromkeys([*before.names, *after.names]))
        raise ManifestError(f"neither manifest has a column {', '.join(unknown)}: there are {there_are}")
    names = list(dict.fromkeys(wanted))
    shared = [name for name in names if name in before.names and name in after.names]
    types = {name: (before.field(name).type, after.field(name).type) for name in shared}
    return {
        "columns": tuple(name for name in shared if types[name][0] == types[name][1]),
        "columns_added": tuple(name for name in names if name not in before.names),
        "columns_removed": tuple(name for name in names if name not in after.names),
        "columns_retyped": {name: (str(old), str(new)) for name, (old, new) in types.items() if old != new},
    }


def _read_keys(manifest: Manifest) -> tuple[npt.NDArray[np.int64], ManifestTotals]:
    """Return a hash of what makes each row one row, and the totals."""
    import numpy as np

    hashes = [np.zeros(0, np.int64)]
    statuses: Counter[str] = Counter()
    n_files = size_bytes = 0
    for batch in manifest.batches(_IDENTITY):
        outpaths = batch.column("outpath")
        keys = np.fromiter(map(hash, outpaths.to_pylist()), np.int64, batch.num_rows)
        if outpaths.null_count:
            is_fileless = outpaths.is_null()
            others = zip(
                *(batch.column(name).filter(is_fileless).to_pylist() for name in ("status", "inpath")), strict=True
            )
            keys[is_fileless.to_numpy(zero_copy_only=False)] = np.fromiter(map(hash, others), np.int64)
        hashes.append(keys)
        n_files += batch.num_rows - outpaths.null_count
        size_bytes += batch.column("size_bytes").drop_null().sum().as_py() or 0
        for count in batch.column("status").value_counts().to_pylist():
            statuses[count["values"]] += count["counts"]
    keys = np.concatenate(hashes)
    return keys, ManifestTotals(len(keys), n_files, size_bytes, dict(sorted(statuses.items())))


def _match(before: npt.NDArray[np.int64], after: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return for each row before the number of its row after, -1 where there is none: the n-th of a key to the n-th."""
    import numpy as np

    order_before, order_after = np.argsort(before, kind="stable"), np.argsort(after, kind="stable")
    before, after = before[order_before], after[order_after]
    places = np.arange(len(before)) - np.searchsorted(before, before)  # which one of its key each row is
    places += np.searchsorted(after, before)
    is_found = places < len(after)
    is_found[is_found] = after[places[is_found]] == before[is_found]
    partners = np.full(len(before), -1, np.int64)
    partners[order_before[is_found]] = order_after[places[is_found]]
    return partners


def _find_changes(
    before: Manifest, after: Manifest, pairs: npt.NDArray[np.int64], columns: Sequence[str]
) -> tuple[npt.NDArray[np.bool_], dict[str, int]]:
    """Return which pairs of rows differ, and in how many each column does."""
    import numpy as np

    is_changed = np.zeros(pairs.shape[1], bool)
    counts: Counter[str] = Counter()
    for start in range(0, pairs.shape[1] if columns else 0, _ROWS_AT_ONCE):
        here = slice(start, start + _ROWS_AT_ONCE)
        old, new = _take(before, pairs[0, here], columns), _take(after, pairs[1, here], columns)
        for name in columns:
            differs = _find_differences(old[name], new[name])
            is_changed[here] |= differs
            counts[name] += int(differs.sum())
    return is_changed, {name: counts[name] for name in columns if counts[name]}


def _find_differences(before: pa.ChunkedArray, after: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """Return where the values of two columns of one type differ; missing is missing, and NaN is NaN."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        equal = pc.fill_null(pc.equal(before, after), False)
    except pa.ArrowNotImplementedError:  # lists and the like
        pairs = zip(before.to_pylist(), after.to_pylist(), strict=True)
        return np.fromiter((old != new for old, new in pairs), bool, len(before))
    equal = pc.or_(equal, pc.and_(before.is_null(), after.is_null()))
    if pa.types.is_floating(before.type):
        nan = pc.and_(pc.is_nan(before), pc.is_nan(after))
        equal = pc.or_(equal, pc.fill_null(nan, False))
    differs: npt.NDArray[np.bool_] = ~equal.to_numpy()
    return differs


def _take(manifest: Manifest, numbers: npt.NDArray[np.int64], columns: Sequence[str] | None) -> pa.Table:
    """Return the rows of some numbers, in the order of these, from the row groups that have them."""
    import numpy as np
    import pyarrow as pa

    order = np.argsort(numbers, kind="stable")
    ascending = numbers[order]
    parts = []
    start = 0
    with manifest.open() as parquet, manifest.reading():
        for group in range(parquet.num_row_groups):
            n_rows = parquet.metadata.row_group(group).num_rows
            first, last = np.searchsorted(ascending, [start, start + n_rows])
            if first < last:
                part = parquet.read_row_group(group, columns, use_threads=False)
                wanted = ascending[first:last] - start
                is_run = wanted[-1] - wanted[0] == len(wanted) - 1
                parts.append(
                    part.slice(wanted[0], len(wanted)) if is_run else part.take(from_numpy(wanted, pa.int64()))
                )
            start += n_rows
        schema = parquet.schema_arrow
    table = pa.concat_tables(parts) if parts else schema.empty_table()
    if table.num_rows != len(numbers):
        raise ManifestError(f"{manifest.path} changed while it was compared: compare again")
    if np.array_equal(ascending, numbers):
        return table
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    return table.combine_chunks().take(from_numpy(places, pa.int64()))


def _read_rows(manifest: Manifest, numbers: npt.NDArray[np.int64]) -> Iterator[dict[str, Any]]:
    for start in range(0, len(numbers), _ROWS_AT_ONCE):
        for batch in _take(manifest, numbers[start : start + _ROWS_AT_ONCE], None).to_batches(16_384):
            yield from batch.to_pylist()


def _pair_rows(before: pa.Table, after: pa.Table, differs: Mapping[str, npt.NDArray[np.bool_]]) -> Iterator[ChangedRow]:
    for start in range(0, before.num_rows, 16_384):
        olds, news = before.slice(start, 16_384).to_pylist(), after.slice(start, 16_384).to_pylist()
        for number, (old, new) in enumerate(zip(olds, news, strict=True), start):
            values = {name: (old[name], new[name]) for name, where in differs.items() if where[number]}
            yield ChangedRow(
                old["inpath"], old["outpath"], new["status"], (old["size_bytes"], new["size_bytes"]), values
            )
