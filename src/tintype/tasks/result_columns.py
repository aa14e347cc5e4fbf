"""From the journal to the manifest: the results of some rows as the columns of its schema."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tintype.errors import StagingError
from tintype.manifest.arrays import from_numpy, make_array
from tintype.manifest.schema import fixed_schema
from tintype.manifest.table_rows import take_rows
from tintype.pipelines.file_result import FilePart
from tintype.targets.journal import Journal
from tintype.targets.relative_paths import printable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from tintype.tasks.reuse import Reuse
    from tintype.tasks.rows import InputRows, RowBatch

_ROWS_PER_BATCH = 16_384


def file_batches(
    journal: Journal,
    rows: InputRows,
    recorded: pa.Schema,
    reuse: Reuse | None = None,
    outpaths: Callable[[RowBatch], Sequence[Any]] | None = None,
) -> Iterator[Mapping[str, Any]]:
    """Yield the manifest's columns for the inputs of a stage, in the order of the inputs.

    Parameters
    ----------
    journal
        Has a result for every input that is not taken over.
    rows
        The inputs.
    recorded
        Schema of the recorded columns.
    reuse
        What is taken over from the published directory; None when nothing is.
    outpaths
        Says where the result of each input goes; needed with `reuse`.
    """
    for batch in rows.batches():
        if reuse is not None and outpaths is not None and reuse.covers(batch).any():
            yield _with_reused(journal, batch, recorded, reuse, outpaths)
            continue
        columns = journal.columns(batch.start, batch.start + len(batch))
        if None in columns["status"]:
            missing = batch.inpaths[columns["status"].index(None)]
            raise StagingError(f"the journal has no result for {missing}: run again")
        carried, input_digests = batch.carried, batch.input_digests
        if any(columns["parts"]):
            places = _row_for_each_part(columns)
            carried, input_digests = _take(carried, input_digests, places)
        carried_columns = {name: carried.column(name) for name in carried.schema.names}
        yield {**_fixed_columns(columns, input_digests), **carried_columns, **_recorded_columns(columns, recorded)}


def _with_reused(
    journal: Journal,
    batch: RowBatch,
    recorded: pa.Schema,
    reuse: Reuse,
    outpaths: Callable[[RowBatch], Sequence[Any]],
) -> Mapping[str, Any]:
    """Return the columns of a batch of which some or all inputs are taken over, as Arrow arrays."""
    import numpy as np
    import pyarrow as pa

    start, stop = batch.start, batch.start + len(batch)
    is_done = journal.has(start, stop)
    places, arrays = reuse.columns(batch, outpaths, is_done)
    done = np.flatnonzero(is_done)
    if len(done):
        known = journal.columns(start, stop)
        columns = {name: [values[place] for place in done.tolist()] for name, values in known.items()}
        done = done[_row_for_each_part(columns)]
        _, digests = _take(None, batch.input_digests, done)
        own = {**_fixed_columns(columns, digests), **_recorded_columns(columns, recorded)}
        schema = pa.schema([*fixed_schema(), *recorded])
        order = np.argsort(np.concatenate([done, places]), kind="stable")
        arrays = {
            name: take_rows(pa.concat_arrays([_as_array(own[name], schema.field(name).type), array]), order)
            for name, array in arrays.items()
        }
        places = np.sort(np.concatenate([done, places]))
    if np.count_nonzero(np.diff(places, prepend=-1)) != len(batch):  # np.unique imports numpy.ma for 15 ms
        missing = batch.inpaths[min(set(range(len(batch))) - set(places.tolist()))]
        raise StagingError(f"there is no result for {missing}: run again")
    carried, _ = _take(batch.carried, [], places)
    return {**arrays, **{name: carried.column(name) for name in carried.schema.names}}


def added_batches(journal: Journal, extra: pa.Schema) -> Iterator[Mapping[str, Any]]:
    """Yield the manifest's columns for the files that were added to the directory as a whole."""
    for start in range(0, len(journal), _ROWS_PER_BATCH):
        stop = min(start + _ROWS_PER_BATCH, len(journal))
        columns = journal.columns(start, stop)
        known = [place for place, status in enumerate(columns["status"]) if status is not None]
        columns = {name: [values[place] for place in known] for name, values in columns.items()}
        if known:
            yield {**_fixed_columns(columns, [None] * len(known)), **_recorded_columns(columns, extra)}


def _row_for_each_part(columns: dict[str, list[Any]]) -> npt.NDArray[np.int64]:
    """Give each of several results of one input a row of its own, in place; return which input each row is of.

    The time of an input is shared out over its results.
    """
    import numpy as np

    all_parts = columns.pop("parts")
    if not any(all_parts):
        return np.arange(len(all_parts))
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
    return np.array(places, np.int64)


def _take(
    carried: Any, input_digests: list[str | None] | pa.Array, places: npt.NDArray[np.int64]
) -> tuple[Any, list[str | None] | pa.Array]:
    """Return the carried columns and the digests of some inputs."""
    import pyarrow as pa

    taken = None if carried is None else carried.take(from_numpy(places, pa.int64()))
    if isinstance(input_digests, pa.Array):
        return taken, take_rows(input_digests, places)
    return taken, [input_digests[place] for place in places.tolist()] if input_digests else []


def _as_array(values: Any, kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    return values if isinstance(values, pa.Array) else make_array(values, kind)


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
    if not any(columns["columns"]):
        return {name: [None] * len(columns["columns"]) for name in recorded.names}
    rows = [row or {} for row in columns["columns"]]
    return {name: [row.get(name) for row in rows] for name in recorded.names}
