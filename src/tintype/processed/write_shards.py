"""WriteShards: the files above in a few large files, as training jobs read them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import luigi

from tintype.errors import FileError, ManifestError, SettingsError
from tintype.executors.blocks import BlockRun
from tintype.executors.pools import open_executor
from tintype.manifest.arrays import make_array
from tintype.processed.shards.index import CARD_NAME, INDEX_NAME, WrittenShard, write_card, write_index
from tintype.processed.shards.parquet_shard import GroupMemory, ParquetShard
from tintype.processed.shards.parts import (
    batches_of_files,
    exported_schema,
    find_directory_above,
    find_part_column,
    refuse_missing_part,
)
from tintype.processed.shards.plan import FilesToShard, Shard, ShardPlan, ShardRule
from tintype.processed.shards.resume import RECORDED_COLUMNS, FinishedShard, keep_finished, put_on_manifest, sort_rows
from tintype.processed.shards.rows import OrderedRows
from tintype.processed.shards.webdataset_keys import SharedKeys
from tintype.processed.shards.webdataset_shard import METADATA, TarShard
from tintype.processed.shards.work import ShardFailed, ShardWork, ShardWriter, Tally
from tintype.settings import read_settings
from tintype.targets.disk_errors import disk_errors
from tintype.tasks.interruption import stop_when_orphaned
from tintype.tasks.naming import show_path
from tintype.tasks.progress import StageProgress
from tintype.tasks.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from tintype.manifest.reader import Manifest
    from tintype.processed.shards.files import ShardFile
    from tintype.targets.directory import DirectoryTarget
    from tintype.targets.staging import Staging

logger = logging.getLogger("luigi-interface.tintype")

EXTENSIONS = {"webdataset": ".tar", "parquet": ".parquet"}


class WriteShards(Stage):
    """Write the files above into shards: WebDataset's tar archives, or Parquet files that Hugging Face datasets reads.

    ``<part>-000000.tar`` and so on, part by part where the files have a column ``part`` (:class:`SplitDataset` gives
    it), else ``shard-000000.tar``. A file's bytes go in as they are, beside the columns of its row in the manifest. In
    a tar archive it is ``<key>.<extension>``, with ``<key>.json`` after it; the key is the file's path without
    extension, where dots in the name are written ``%2E``, because readers cut a name at its first dot. In Parquet it is
    a struct of ``bytes`` and ``path`` that is marked as an image. ``shards.json`` lists the shards with their number of
    files, size and sha256; ``README.md`` tells ``datasets.load_dataset(folder)`` which split each shard is of.

    Equal files, columns and parameters give equal shards, byte by byte, on any machine and with any number of threads.
    Each thread writes a shard; a build that was interrupted goes on with those that are not finished. A file that is
    missing or has changed is an error, after every other shard has been written.

    Examples
    --------
    >>> class Shards(WriteShards):
    ...     files_per_shard = luigi.OptionalIntParameter(default=1_000)
    >>> Shards(shard_format="parquet").output().path
    'data/processed/Shards-shard_format=parquet'
    """

    shard_format: str = luigi.Parameter(default="webdataset", description="webdataset (tar) or parquet")
    files_per_shard: int | None = luigi.OptionalIntParameter(
        default=10_000, description="most files in a shard; empty for any number"
    )
    bytes_per_shard: int | None = luigi.OptionalIntParameter(
        default=500_000_000, description="most bytes of files in a shard; empty for any number"
    )
    seed: int | None = luigi.OptionalIntParameter(
        default=0, description="files are shuffled within their part; another seed gives another order, empty none"
    )

    layer = "processed"
    part_column: str | None = "part"
    """The column that says which part a file is in; None puts all files together."""
    data_column: str = "image"
    """The column of a Parquet shard that has the files."""

    own_settings = frozenset(
        {"shard_format", "files_per_shard", "bytes_per_shard", "seed", "part_column", "data_column"}
    )
    recorded_columns = RECORDED_COLUMNS
    columns_that_stay = frozenset(recorded_columns)

    def plan(self) -> ShardPlan:
        """Return which file goes where, without building anything; the stage above must be published.

        Raises
        ------
        SettingsError, ManifestError
            When the files cannot be put into such shards, as a build would say.
        """
        return self._plan(find_directory_above(self).manifest())[0]

    def build(self, staging: Staging) -> None:
        """Write the shards that an earlier run has not finished, then the index and the card."""
        target = find_directory_above(self)
        manifest = target.manifest()
        _ = manifest.held  # so that each pass reads the same rows, whatever is built meanwhile
        plan, is_shared = self._plan(manifest)
        staging.n_inputs = plan.n_files
        known = keep_finished(staging, {f"{shard.name}{EXTENSIONS[self.shard_format]}" for shard in plan.shards})
        with OrderedRows(
            self._row_schema(manifest), plan.n_files, staging.folder, n_readers=self._number_of_jobs()
        ) as rows:
            with disk_errors(f"putting the rows of {target} in order"):
                for batch, ranks in self._ranked_batches(manifest, plan, is_shared):
                    rows.add(batch, ranks)
            tally = Tally()
            work = ShardWork(
                rows,
                self._writer_maker(str(target.files_folder()), exported_schema(manifest)),
                in_folder=str(target.files_folder()),
                out_folder=str(staging.files),
                extension=EXTENSIONS[self.shard_format],
                known=known,
                tally=tally,
                durable=read_settings().durable,
            )
            with disk_errors(f"writing the shards of {self.output()}"):
                shards = self._write(staging, plan, work, tally, target)
        self._describe(staging, shards)

    def manifest_batches(self, staging: Staging) -> Iterator[Mapping[str, Any]]:
        """Yield a row for each file of the export, by their paths."""
        return sort_rows(super().manifest_batches(staging))

    def _number_of_jobs(self) -> int:
        return read_settings().n_jobs if self.n_jobs is None else self.n_jobs

    def _plan(self, manifest: Manifest) -> tuple[ShardPlan, NDArray[np.bool_] | None]:
        """Return the plan, and which files share a key with others; None where there are no keys."""
        self._check_settings(manifest)
        rule = ShardRule(self.files_per_shard, self.bytes_per_shard, self.seed)
        part_column = find_part_column(manifest.schema, self.part_column)
        files = FilesToShard(self.seed)
        keys = SharedKeys() if self.shard_format == "webdataset" else None
        for batch in batches_of_files(manifest, ["size_bytes", *([part_column] if part_column else [])]):
            outpaths = batch.column("outpath").to_pylist()
            if part_column is not None:
                refuse_missing_part(batch, part_column)
            if keys is not None:
                refuse_metadata_files(outpaths)
                keys.add(outpaths)
            files.add(
                outpaths, batch.column("size_bytes").to_pylist(), batch.column(part_column) if part_column else None
            )
        is_shared = None if keys is None else keys.find()
        del keys  # 16 bytes a file, before the plan takes as much
        return files.plan(rule), is_shared

    def _check_settings(self, manifest: Manifest) -> None:
        name = type(self).__name__
        if self.shard_format not in EXTENSIONS:
            raise SettingsError(f"{name}.shard_format is {self.shard_format!r}: give one of {', '.join(EXTENSIONS)}")
        given: object = self.data_column
        if not isinstance(given, str) or not given:
            raise SettingsError(f"{name}.data_column is {given!r}: give the name of a column, such as 'image'")
        if self.shard_format == "parquet" and self.data_column in ("outpath", *exported_schema(manifest).names):
            raise ManifestError(
                f"the files carry a column {self.data_column!r}, which is where a Parquet shard has their bytes: set "
                f"{name}.data_column to another name"
            )

    def _row_schema(self, manifest: Manifest) -> pa.Schema:
        import pyarrow as pa

        fixed = [manifest.schema.field(name).remove_metadata() for name in ("outpath", "digest", "size_bytes")]
        shared = [pa.field("is_shared", pa.bool_())] if self.shard_format == "webdataset" else []
        return pa.schema([*fixed, *exported_schema(manifest), *shared])

    def _ranked_batches(
        self, manifest: Manifest, plan: ShardPlan, is_shared: NDArray[np.bool_] | None
    ) -> Iterator[tuple[pa.RecordBatch, NDArray[np.int64]]]:
        """Yield what is known of the files, and the place of each in the order of the plan."""
        import pyarrow as pa

        schema = self._row_schema(manifest)
        start = 0
        for batch in batches_of_files(manifest, [name for name in schema.names if name != "is_shared"]):
            stop = start + batch.num_rows
            arrays = list(batch.columns)
            if is_shared is not None:
                arrays.append(make_array(is_shared[start:stop].tolist(), pa.bool_()))
            yield pa.RecordBatch.from_arrays(arrays, schema=schema), plan.ranks[start:stop]
            start = stop

    def _writer_maker(self, folder: str, schema: pa.Schema) -> Callable[[ShardFile], ShardWriter]:
        if self.shard_format == "webdataset":
            return partial(TarShard, folder=folder, columns=schema.names)
        return partial(ParquetShard, folder=folder, schema=schema, data_column=self.data_column, memory=GroupMemory())

    def _write(
        self, staging: Staging, plan: ShardPlan, work: ShardWork, tally: Tally, target: DirectoryTarget
    ) -> list[WrittenShard]:
        """Write the shards, many at once, and put each on the manifest; return them in order."""
        done: list[WrittenShard] = []
        failed: list[ShardFailed] = []
        n_jobs = self._number_of_jobs()
        title = self.output().folder.name
        with (
            StageProgress(self, title, read_settings().progress, total=plan.n_files) as progress,
            open_executor("threads", n_jobs) as pool,
        ):

            def note(results: list[FinishedShard | ShardFailed]) -> None:
                n_kept = 0
                for result in results:
                    if isinstance(result, ShardFailed):
                        failed.append(result)
                        continue
                    done.append(result.shard)
                    if result.is_kept:
                        n_kept += result.shard.n_files
                    else:
                        put_on_manifest(staging, result)
                progress.advance(tally.take(), n_kept=n_kept, n_failed=sum(shard.n_bad for shard in failed))

            run: BlockRun[Shard, FinishedShard | ShardFailed] = BlockRun(
                pool, work, plan.shards, n_jobs=n_jobs, max_block_size=1
            )
            try:
                for results in run:
                    note(results)
                    stop_when_orphaned()
            except BaseException:
                tally.stop()
                note(run.stop())
                raise
        self._refuse_bad_files(failed, plan, target)
        return sorted(done, key=lambda shard: (shard.part or "", shard.outpath))

    def _refuse_bad_files(self, failed: list[ShardFailed], plan: ShardPlan, target: DirectoryTarget) -> None:
        if failed:
            first = min((result.first for result in failed), key=lambda error: error.outpath)
            n_bad = sum(result.n_bad for result in failed)
            raise FileError(
                f"{n_bad} of {plan.n_files} files could not be read, so {self.output()} was not published; the shards "
                f"without them are kept. First: {show_path(first.outpath)}: {first.reason}. See what is wrong above "
                f"with: tintype verify {target}"
            )

    def _describe(self, staging: Staging, shards: list[WrittenShard]) -> None:
        with disk_errors(f"describing the shards of {self.output()}"):
            write_index(staging.files / INDEX_NAME, self.shard_format, shards)
            write_card(staging.files / CARD_NAME, self.get_task_family(), EXTENSIONS[self.shard_format], shards)
        for name in (INDEX_NAME, CARD_NAME):
            staging.add(name)


def refuse_metadata_files(outpaths: list[str]) -> None:
    """Refuse files whose name is that of what is known of them; SettingsError names the first."""
    for outpath in outpaths:
        if outpath.lower().endswith(f".{METADATA}"):
            raise SettingsError(
                f"{show_path(outpath)} would take the name of what is known of it, which a WebDataset has as "
                f"<key>.{METADATA}: give it another extension in the stage above, or set shard_format to 'parquet'"
            )
