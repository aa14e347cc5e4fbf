"""From the journal to the manifest: the results of some rows as the columns of its schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tintype.errors import StagingError
from tintype.manifest.arrays import from_numpy
from tintype.pipelines.file_result import FilePart
from tintype.targets.journal import Journal
from tintype.targets.relative_paths import printable
from tintype.tasks.rows import InputRows

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS_PER_BATCH = 16_384


def file_batches(journal: Journal, rows: InputRows, recorded: pa.Schema) -> Iterator[Mapping[str, Any]]:
    """Yield the manifest's columns for the inputs of a stage, in the order of the inputs.

    Parameters
    ----------
    journal
        Has a result for every input.
    rows
        The inputs.
    recorded
        Schema of the recorded columns.
    """
    for batch in rows.batches():
        columns = journal.columns(batch.start, batch.start + len(batch))
        if None in columns["status"]:
            missing = batch.inpaths[columns["status"].index(None)]
            raise StagingError(f"the journal has no result for {missing}: run again")
        carried, input_digests = batch.carried, batch.input_digests
        if any(columns["parts"]):
            carried, input_digests = _row_for_each_part(columns, carried, input_digests)
        carried_columns = {name: carried.column(name) for name in carried.schema.names}
        yield {**_fixed_columns(columns, input_digests), **carried_columns, **_recorded_columns(columns, recorded)}


def added_batches(journal: Journal, extra: pa.Schema) -> Iterator[Mapping[str, Any]]:
    """Yield the manifest's columns for the files that were added to the directory as a whole."""
    for start in range(0, len(journal), _ROWS_PER_BATCH):
        stop = min(start + _ROWS_PER_BATCH, len(journal))
        columns = journal.columns(start, stop)
        known = [place for place, status in enumerate(columns["status"]) if status is not None]
        columns = {name: [values[place] for place in known] for name, values in columns.items()}
        if known:
            yield {**_fixed_columns(columns, [None] * len(known)), **_recorded_columns(columns, extra)}


def _row_for_each_part(
    columns: dict[str, list[Any]], carried: pa.RecordBatch, input_digests: list[str | None] | pa.Array
) -> tuple[pa.RecordBatch, list[str | None] | pa.Array]:
    """Give each of several results of one input a row of its own, in place; the time of the input is shared out."""
    import pyarrow as pa

    all_parts = columns.pop("parts")
    places = [place for place, parts in enumerate(all_parts) for _ in parts or (None,)]
    parts = [part for parts in all_parts for part in parts or (None,)]
    n_parts = [len(parts or (None,)) for parts in all_parts]
    microseconds = [round(columns["microseconds"][place] / n_parts[place]) for place in places]
    for name, values in columns.items():
        if name in FilePart._fields:
            at = FilePart._fields.index(name)
            columns[name] = [
                values[place] if part is None else part[at] for place, part in zip(places, parts, strict=True)
            ]
        else:
            columns[name] = [values[place] for place in places]
    columns["microseconds"] = microseconds
    indices = pa.array(places, pa.int64())
    if isinstance(input_digests, pa.Array):
        return carried.take(indices), input_digests.take(indices)
    return carried.take(indices), [input_digests[place] for place in places]


def _fixed_columns(columns: dict[str, list[Any]], input_digests: list[str | None] | pa.Array) -> dict[str, Any]:
    import numpy as np
    import pyarrow as pa

    seconds = np.array(columns["microseconds"], np.int64) / 1e6
    time_finished = np.array(columns["time_finished"], np.int64)
    return {
        "inpath": [path if path is None or path.isascii() else printable(path) for path in columns["inpath"]],
        "outpath": columns["outpath"],
        "status": columns["status"],
        "error_type": columns["error_type"],
        "error": columns["error"],
        "input_digest": input_digests,
        "digest": columns["digest"],
        "size_bytes": columns["size_bytes"],
        "seconds": from_numpy(seconds, pa.float64()),
        "time_finished": from_numpy(time_finished, pa.timestamp("us", tz="UTC")),
    }


def _recorded_columns(columns: dict[str, list[Any]], recorded: pa.Schema) -> dict[str, list[Any]]:
    if not recorded.names:
        return {}
    rows = [row or {} for row in columns["columns"]]
    return {name: [row.get(name) for row in rows] for name in recorded.names}
