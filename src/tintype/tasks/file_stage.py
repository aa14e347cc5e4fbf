"""FileStage: one pipeline over every file of the stage above."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from time import time_ns
from typing import TYPE_CHECKING, Any, ClassVar

from luigi.task import flatten

from tintype.errors import FileError
from tintype.executors.blocks import BlockRun
from tintype.executors.pools import ExecutorKind, open_executor
from tintype.manifest.schema import Status, columns_schema
from tintype.pipelines.core import Pipeline
from tintype.pipelines.file_work import Catch, FileItem, FileResult, FileWork, describe
from tintype.pipelines.file_writers import StagedFileWriter
from tintype.recipe import Keep, Rebuild
from tintype.settings import read_settings
from tintype.targets.relative_paths import check_outpath, printable
from tintype.targets.staging import Staging
from tintype.tasks.collisions import CollisionFinder
from tintype.tasks.failures import Failures
from tintype.tasks.inputs import only_directory
from tintype.tasks.interruption import stop_when_orphaned
from tintype.tasks.progress import StageProgress
from tintype.tasks.result_columns import added_batches, file_batches
from tintype.tasks.rows import InputRow, InputRows, ManifestRows, RowBatch
from tintype.tasks.stage import Stage

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger("luigi-interface.tintype")


class FileStage(Stage):
    """A stage that works on many files one by one: subclasses give :meth:`pipeline`.

    Every file of the stage above goes through the pipeline, many at once, into a hidden staging directory; the
    finished directory is published by one rename. A file that fails becomes a row of the manifest; when more fail
    than ``max_failure_rate`` allows, nothing is published and the finished files wait in staging for the next run.
    """

    exceptions_to_catch: ClassVar[type[BaseException] | tuple[type[BaseException], ...]] = Exception
    """Exceptions that become failed rows; any other stops the stage at once."""
    max_failure_rate: ClassVar[float] = 0.0
    """Share of the inputs that may fail, 0 to 1."""
    executor: ClassVar[ExecutorKind] = "threads"
    """``"processes"`` for pure Python work that holds the interpreter lock; its functions must be picklable."""
    not_in_recipe: ClassVar[frozenset[str]] = Stage.not_in_recipe | {
        "exceptions_to_catch",
        "max_failure_rate",
        "executor",
    }

    @abstractmethod
    def pipeline(self) -> Pipeline:
        """Return what happens to one file."""

    def rows(self) -> InputRows:
        """Return what the stage works on: by default every file of the one stage above."""
        return ManifestRows(only_directory(flatten(self.input()), self.get_task_family()).manifest())

    def input_folder(self) -> str:
        """Return what each input path is relative to; empty when input paths stand for themselves, as URLs do."""
        return only_directory(flatten(self.input()), self.get_task_family()).path

    def outpath(self, row: InputRow) -> str:
        """Return where the result of an input goes, relative to this stage's directory: by default its own path."""
        return row.inpath

    def decide(self) -> Keep | Rebuild:
        """Compare what is published with what is asked for; too many failures are a reason to build again."""
        decision = super().decide()
        stamp = self.output().stamp()
        if isinstance(decision, Keep) and stamp is not None:
            failures = Failures(self.max_failure_rate, stamp.n_rows, stamp.n_failed)
            if failures.are_too_many():
                return Rebuild((f"{failures.n_failed} of {failures.total} files failed, more than max_failure_rate",))
        return decision

    def run(self) -> None:
        """Decide, and build and publish the directory if it is not what is asked for."""
        # Asked for once a run, so that a source that changes meanwhile does not matter, and not kept after it.
        self._rows_of_run: InputRows | None = None
        try:
            super().run()
        finally:
            self._rows_of_run = None

    @property
    def _rows(self) -> InputRows:
        if self._rows_of_run is None:
            self._rows_of_run = self.rows()
        return self._rows_of_run

    def build(self, staging: Staging) -> None:
        """Put every input through the pipeline that an earlier run has not finished."""
        settings = read_settings()
        pipeline = self.pipeline()
        rows = self._rows
        total = self._plan(rows, pipeline, staging)
        folder = self.input_folder()
        work = FileWork(
            load_func=pipeline.load_func,
            ops=pipeline.ops,
            writer=StagedFileWriter(pipeline.write_func) if pipeline.write_func is not None else None,
            in_folder=f"{folder}/" if folder else "",
            out_folder=f"{staging.files}/",
            catch=self._catch(),
            column_types=dict(self.recorded_columns),
        )
        failures = Failures(self.max_failure_rate, total)
        n_jobs = self.n_jobs or settings.n_jobs
        todo = _Todo(self, rows, pipeline, staging)
        with (
            StageProgress(self, self.output().folder.name, settings.progress, total=total) as progress,
            open_executor(self.executor, n_jobs) as pool,
        ):
            run: BlockRun[FileItem, FileResult] = BlockRun(pool, work, todo, n_jobs=n_jobs)

            def note(results: list[FileResult]) -> None:
                results = [*results, *todo.take_failed()]
                n_kept = todo.take_kept()
                staging.rows.append(results)
                failures.count(results, n_kept=n_kept)
                progress.advance(len(results), n_kept=n_kept, n_failed=failures.n_failed)

            try:
                for results in run:
                    note(results)
                    failures.stop_when_all_fail(self.output().path)
                    stop_when_orphaned()
                note([])
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    logger.warning("%s: stopping after the files in hand; finished files are kept", self.output())
                note(run.stop())
                raise
            finally:
                staging.rows.flush()
        failures.stop_when_too_many(self.output().path)

    def extra_schema(self) -> pa.Schema:
        """Return the Arrow schema of the carried columns and the recorded ones."""
        import pyarrow as pa

        return pa.schema([*self._rows.carried_schema, *columns_schema(self.recorded_columns)])

    def manifest_batches(self, staging: Staging) -> Iterable[Mapping[str, Any]]:
        """Yield a row for each input, in their order, then the files that belong to the directory as a whole."""
        yield from self.file_batches(staging)
        for batch in added_batches(staging.added, columns_schema(self.recorded_columns)):
            n_rows = len(batch["outpath"])
            yield {**{name: [None] * n_rows for name in self.extra_schema().names}, **batch}

    def file_batches(self, staging: Staging) -> Iterator[Mapping[str, Any]]:
        """Yield the rows of the inputs, column by column; for what :meth:`build` makes from all of them."""
        staging.rows.flush()
        return file_batches(staging.rows, self._rows, columns_schema(self.recorded_columns))

    def _plan(self, rows: InputRows, pipeline: Pipeline, staging: Staging) -> int:
        """Return the number of inputs; refuse two that would become one output."""
        if pipeline.write_func is None:
            return sum(len(batch) for batch in rows.batches())
        finder = CollisionFinder(staging.folder)
        total = 0
        for batch in rows.batches():
            finder.add([outpath for outpath in self.outpaths(batch) if isinstance(outpath, str)])
            total += len(batch)
        finder.check(lambda: self._pairs(rows))
        return total

    def outpaths(self, batch: RowBatch) -> list[str | Exception]:
        """Return the output path of each input of a batch, or what :meth:`outpath` raised for it."""
        if type(self).outpath is FileStage.outpath and all(batch.input_digests):
            # A file that an upstream stage published keeps its path, which was checked there.
            return list(batch.inpaths)
        return [self._outpath(row) for row in batch.rows()]

    def _outpath(self, row: InputRow) -> str | Exception:
        try:
            outpath = str(self.outpath(row))
            check_outpath(outpath)
        except self._catch() as error:
            return error if isinstance(error, Exception) else RuntimeError(describe(error))
        except Exception as error:
            raise FileError(f"{printable(row.inpath)}: {type(error).__name__}: {describe(error)}") from error
        return outpath

    def _pairs(self, rows: InputRows) -> Iterator[tuple[str, str]]:
        for batch in rows.batches():
            for inpath, outpath in zip(batch.inpaths, self.outpaths(batch), strict=True):
                if isinstance(outpath, str):
                    yield inpath, outpath

    def _catch(self) -> Catch:
        kinds = self.exceptions_to_catch
        return kinds if isinstance(kinds, tuple) else (kinds,)


class _Todo:
    """The inputs that still need work, read as work proceeds."""

    def __init__(self, stage: FileStage, rows: InputRows, pipeline: Pipeline, staging: Staging) -> None:
        self._stage = stage
        self._rows = rows
        self._writes = pipeline.write_func is not None
        self._journal = staging.rows
        self._failed: list[FileResult] = []
        self._n_kept = 0

    def take_failed(self) -> list[FileResult]:
        """Return the inputs without an output path that were met since the last call."""
        failed, self._failed = self._failed, []
        return failed

    def take_kept(self) -> int:
        """Return the number of finished inputs that were met since the last call."""
        n_kept, self._n_kept = self._n_kept, 0
        return n_kept

    def __iter__(self) -> Iterator[FileItem]:
        for batch in self._rows.batches():
            outpaths: Sequence[str | Exception | None] = (
                self._stage.outpaths(batch) if self._writes else [None] * len(batch)
            )
            finished = self._finished(batch, outpaths)
            for place, (inpath, outpath) in enumerate(zip(batch.inpaths, outpaths, strict=True)):
                index = batch.start + place
                if finished[place]:
                    self._n_kept += 1
                elif isinstance(outpath, Exception):
                    self._failed.append(_failed_result(index, inpath, outpath))
                else:
                    yield FileItem(index, inpath, outpath)

    def _finished(self, batch: RowBatch, outpaths: Sequence[str | Exception | None]) -> Sequence[bool]:
        """Return which inputs an earlier run finished; a result of another input under this number is none."""
        start, stop = batch.start, batch.start + len(batch)
        if not self._journal.has(start, stop).any():
            return [False] * len(batch)
        known = self._journal.columns(start, stop)
        return [
            status is not None and known_inpath == inpath and known_outpath in (None, outpath)
            for status, known_inpath, known_outpath, inpath, outpath in zip(
                known["status"], known["inpath"], known["outpath"], batch.inpaths, outpaths, strict=True
            )
        ]


def _failed_result(index: int, inpath: str, error: Exception) -> FileResult:
    now = time_ns() // 1000
    return FileResult(
        index, printable(inpath), str(Status.FAILED), None, type(error).__name__, describe(error),
        None, None, 0, now, None,
    )  # fmt: skip
