"""Rows of Arrow tables: taken by number, compared and hashed, whole columns at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tintype.manifest.arrays import from_numpy, make_array, to_numpy
from tintype.manifest.hash_index import hash_texts

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

_MOST_RUNS = 1 / 64
"""Of the rows: with more of them, to take rows one by one is quicker."""
_DIGITS = 64
"""Of a sha256 in hex."""
_FACTORS = [
    7046029254386353131, -4417276706812531889, 1609587929392839161, -8796714831421723037, 2870177450012600261,
    -6534734903238641935, 3935559000370003845, -2643881736870682267,
]  # fmt: skip
"""One for each word of a digest, so that the order of the words counts; odd, so that no bit of them is lost."""


def one_array(column: pa.ChunkedArray) -> pa.Array:
    """Return a table's column in one piece."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def to_bools(values: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """Return bools as a NumPy array, not to be written to; a missing one is false.

    ``numpy.asarray`` imports pandas for that, as ``fill_null`` does.

    Examples
    --------
    >>> import pyarrow as pa
    >>> to_bools(pa.array([True, None, False])).tolist()
    [True, False, False]
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if values.null_count:
        values = pc.and_kleene(values.is_valid(), values)
    return to_numpy(values.cast(pa.uint8())).view(np.bool_)


def take_rows(rows: Any, places: npt.NDArray[np.int64]) -> Any:
    """Return some rows, as ``rows.take(places)`` does, each column in one chunk.

    Runs of rows are sliced: one run costs nothing, a few are put together in a third of the time.

    Parameters
    ----------
    rows
        An Arrow array, or a table whose columns have one chunk each. Not modified.
    places
        int64, from 0, in any order.

    Examples
    --------
    >>> import numpy as np
    >>> import pyarrow as pa
    >>> take_rows(pa.array(["a", "b", "c"]), np.array([1, 2, 0])).to_pylist()
    ['b', 'c', 'a']
    """
    import numpy as np
    import pyarrow as pa

    starts = np.flatnonzero(np.diff(places, prepend=-2) != 1)
    if len(starts) > max(1, _MOST_RUNS * len(places)) or not len(places):
        return rows.take(from_numpy(places, pa.int64()))
    lengths = np.diff(starts, append=len(places)).tolist()
    runs = [rows.slice(first, length) for first, length in zip(places[starts].tolist(), lengths, strict=True)]
    if len(runs) == 1:
        return runs[0]
    return pa.concat_tables(runs).combine_chunks() if isinstance(rows, pa.Table) else pa.concat_arrays(runs)


def are_equal(
    rows: pa.Table | pa.RecordBatch, others: pa.Table | pa.RecordBatch, names: Sequence[str]
) -> npt.NDArray[np.bool_]:
    """Return which rows have the same values in some columns as those opposite; a missing value is one, too.

    Numbers are compared as text: -0.0 is not 0.0, and NaN is NaN.

    Examples
    --------
    >>> import pyarrow as pa
    >>> rows, others = pa.table({"label": ["cat", None]}), pa.table({"label": ["dog", None]})
    >>> are_equal(rows, others, ["label"]).tolist()
    [False, True]
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    equal = np.ones(rows.num_rows, np.bool_)
    for name in names:
        one, other = rows.column(name), others.column(name)
        has_one_text = to_bools(pc.equal(one.cast(pa.string()), other.cast(pa.string())))
        equal &= has_one_text | (to_bools(one.is_null()) & to_bools(other.is_null()))
    return equal


def hash_rows(rows: pa.Table | pa.RecordBatch, names: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return hashes of the values that rows have in some columns; they mean something in this process only.

    Examples
    --------
    >>> import pyarrow as pa
    >>> one, other, again = hash_rows(pa.table({"label": ["cat", "dog", "cat"]}), ["label"]).tolist()
    >>> one == again, one == other
    (True, False)
    """
    import numpy as np
    import pyarrow as pa

    hashes = np.zeros(rows.num_rows, np.int64)
    for name in names:
        column = rows.column(name).cast(pa.string())
        hashes = hashes * _FACTORS[0] + _hash_texts(column if isinstance(column, pa.Array) else one_array(column))
    return hashes


def _hash_texts(texts: pa.Array) -> npt.NDArray[np.int64]:
    """Hash texts; those of 64 bytes, as digests are, by their words in NumPy, for a tenth of the time."""
    import numpy as np
    import pyarrow as pa

    if not len(texts):
        return np.zeros(0, np.int64)
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    is_digest = np.diff(ends) == _DIGITS
    if not is_digest.all():
        hashes = hash_texts(texts.to_pylist())
        if is_digest.any():
            hashes[is_digest] = _hash_texts(texts.filter(make_array(is_digest.tolist(), pa.bool_())))
        return hashes
    words = np.frombuffer(data, np.int64, len(texts) * _DIGITS // 8, ends.item(0)).reshape(len(texts), -1)
    mixed: npt.NDArray[np.int64] = words @ np.array(_FACTORS)
    return mixed
