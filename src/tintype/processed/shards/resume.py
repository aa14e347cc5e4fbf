"""What an earlier run of a build has finished of an export, and the export's rows in the manifest."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from tintype.manifest.arrays import make_array
from tintype.processed.shards.index import WrittenShard

if TYPE_CHECKING:
    import pyarrow as pa

    from tintype.targets.staging import Staging

RECORDED_COLUMNS = {"part": str, "n_files": int, "rows_digest": str}


class FinishedShard(NamedTuple):
    """A file of an export that is written."""

    shard: WrittenShard
    rows_digest: str
    """Of what it was made from, see :func:`digest_rows`: another plan may have a file of the same name."""
    is_kept: bool
    """Whether an earlier run of the build wrote it."""


def digest_rows(batches: Iterable[pa.RecordBatch | pa.Table]) -> str:
    """Return a digest of files in their order: of the ``outpath`` and the ``digest`` of each."""
    digest = sha256()
    for batch in batches:
        outpaths, digests = (batch.column(name).to_pylist() for name in ("outpath", "digest"))
        text = "".join([f"{outpath}\0{known}\0" for outpath, known in zip(outpaths, digests, strict=True)])
        digest.update(text.encode())
    return digest.hexdigest()


def keep_finished(staging: Staging, planned: Collection[str]) -> dict[str, FinishedShard]:
    """Return what an earlier run of the build finished, by path; remove what is not in the plan any more.

    Parameters
    ----------
    staging
        Of the build.
    planned
        Paths of all files that this run will write.
    """
    known = {}
    for result in list(staging.added.results()):
        columns = result.columns or {}
        outpath = str(result.outpath)
        if "rows_digest" not in columns or not staging.is_finished(outpath):
            continue
        if outpath in planned:
            size, digest = int(result.size_bytes or 0), str(result.digest)
            shard = WrittenShard(outpath, columns.get("part"), columns["n_files"], size, digest)
            known[outpath] = FinishedShard(shard, columns["rows_digest"], is_kept=True)
        else:
            os.unlink(staging.files / outpath)
            staging.added.forget(result.number)
    return known


def put_on_manifest(staging: Staging, finished: FinishedShard) -> None:
    """Put a file of an export on the manifest."""
    shard = finished.shard
    columns = {"part": shard.part, "n_files": shard.n_files, "rows_digest": finished.rows_digest}
    staging.add(shard.outpath, columns=columns, digest=shard.digest, size_bytes=shard.size_bytes)
    staging.added.flush()  # it took seconds to write, so that nothing of it waits


def sort_rows(batches: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a manifest by their paths, not as threads finished them. An export has few."""
    chunks: dict[str, list[Any]] = {}
    for batch in batches:
        for name, values in batch.items():
            chunks.setdefault(name, []).append(values)
    if chunks:
        outpaths = _join(chunks["outpath"])
        order = sorted(range(len(outpaths)), key=outpaths.__getitem__)
        yield {name: _join(values, order) for name, values in chunks.items()}


def _join(chunks: Sequence[Any], order: Sequence[int] | None = None) -> Any:
    """Return lists, or Arrow arrays, as one, in an order; times in Arrow stay there: as Python's they import pandas."""
    import pyarrow as pa

    if order is not None and all(isinstance(chunk, pa.Array) for chunk in chunks):
        return pa.concat_arrays(chunks).take(make_array(order, pa.int64()))
    values = [value for chunk in chunks for value in (chunk if isinstance(chunk, list) else chunk.to_pylist())]
    return values if order is None else [values[place] for place in order]
