"""What is known of an input when the files that it is loaded from were made: digest, and what was recorded."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tintype.manifest.arrays import make_array, rows_without_columns
from tintype.manifest.schema import travels

if TYPE_CHECKING:
    import pyarrow as pa

    from tintype.tasks.rows import RowBatch


def find_texts(value: Any) -> Iterator[str]:
    """Yield the texts and paths in what a load function gets: a path, or several in a tuple.

    Examples
    --------
    >>> list(find_texts(("a.jpg", {"mask": "a.png"}, 7)))
    ['a.jpg', 'a.png']
    """
    if isinstance(value, str):
        yield value
    elif isinstance(value, os.PathLike):
        yield os.fsdecode(value)
    elif isinstance(value, tuple | list | Mapping):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from find_texts(one)


def fill_in(batch: RowBatch, rows: Sequence[Mapping[str, Any]], digest: str | None) -> RowBatch:
    """Return an input with what was not known when it was planned.

    Parameters
    ----------
    batch
        One input. Not modified.
    rows
        Of each file that was made for it, as the manifest would have it; of a column of several the first counts.
    digest
        Of the input; taken where it has none.

    Returns
    -------
    RowBatch
        With the values of those columns that are null in `batch` and that a row has.
    """
    import pyarrow as pa

    arrays = []
    for field, column in zip(batch.carried.schema, batch.carried.columns, strict=True):
        row = next((row for row in rows if field.name in row), None)
        is_filled = row is not None and not column[0].is_valid
        arrays.append(make_array([row[field.name]], field.type) if is_filled and row is not None else column)
    return replace(
        batch,
        carried=pa.RecordBatch.from_arrays(arrays, schema=batch.carried.schema) if arrays else batch.carried,
        input_digests=[batch.input_digest(0) or digest],
    )


def select_columns(batch: pa.RecordBatch, schema: pa.Schema, n_rows: int) -> pa.RecordBatch:
    """Return the columns of a schema that travel; null where the batch has none."""
    import pyarrow as pa

    names = batch.schema.names
    arrays = [batch.column(f.name) if f.name in names else pa.nulls(n_rows, f.type) for f in schema if travels(f)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema) if arrays else rows_without_columns(n_rows)
