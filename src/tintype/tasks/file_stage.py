"""FileStage: one pipeline over every file of the stage above."""

from __future__ import annotations

import logging
import os
import weakref
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from luigi.task import flatten

from tintype.errors import FileError, SettingsError
from tintype.executors.blocks import MAX_BLOCK_SIZE, BlockRun
from tintype.executors.pools import ExecutorKind, open_executor
from tintype.manifest.schema import columns_schema, manifest_schema
from tintype.pipelines.core import Pipeline
from tintype.pipelines.file_result import FileItem, FileResult, describe
from tintype.pipelines.file_work import Catch, FileWork
from tintype.pipelines.file_writers import StagedFileWriter
from tintype.recipe import Keep
from tintype.settings import read_settings
from tintype.targets.earlier import InputsWriter
from tintype.targets.relative_paths import check_outpath
from tintype.targets.staging import Staging
from tintype.targets.staging_state import look_at_staging
from tintype.tasks.collisions import CollisionFinder, refuse_shared_parts
from tintype.tasks.computed_items import ComputedItems
from tintype.tasks.failures import Failures
from tintype.tasks.forecast import Forecast, count_files
from tintype.tasks.graph import TaskIdentity, identity, map_tasks
from tintype.tasks.inputs import directories
from tintype.tasks.interruption import stop_when_orphaned
from tintype.tasks.item_sources import ItemSource, PublishedItems
from tintype.tasks.joined_rows import JoinedRows
from tintype.tasks.look import Look
from tintype.tasks.naming import show_path
from tintype.tasks.orders import find_order
from tintype.tasks.progress import StageProgress
from tintype.tasks.result_columns import added_batches, file_batches
from tintype.tasks.reuse import Reuse
from tintype.tasks.rows import InputRow, InputRows, ManifestRows, RowBatch, Trouble
from tintype.tasks.stage import Stage
from tintype.tasks.todo import LastPass, Todo

if TYPE_CHECKING:
    from concurrent.futures import Executor

    import luigi
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
    collision_cure: ClassVar[str] = "override outpath(row) to keep them apart, or leave one out"
    """What the error says to do about two inputs that would become one output."""
    default_n_jobs: ClassVar[int | None] = None
    """Files worked on at once where ``n_jobs`` is not given; when None, ``[tintype] n_jobs``."""
    max_block_size: ClassVar[int] = MAX_BLOCK_SIZE
    """Most files that go to a worker at once; 1 where a file may wait for minutes and none should wait behind it."""
    join_on: ClassVar[str | tuple[str, ...]] = "path"
    """How files of several stages above become one input: those of equal relative path without extension, or those
    with equal values in the named columns. The first stage of ``requires`` leads, see :class:`JoinedRows`."""
    unmatched: ClassVar[Literal["fail", "drop"]] = "fail"
    """What becomes of a file without a partner in every stage above."""
    reuses_results: ClassVar[bool] = True
    """Whether the result of an input that is the same as in the last build is taken over, when nothing but inputs has
    changed; False where what becomes of one file depends on others."""
    links_results: ClassVar[bool] = True
    """Whether what is taken over are files in the published directory; False where they lie elsewhere and stay."""
    path_matters: ClassVar[bool] = True
    """Whether the same bytes under another path may give another result; when False, a file that was moved or renamed
    is not worked on again."""
    executor: ClassVar[ExecutorKind] = "threads"
    """``"processes"`` for pure Python work that holds the interpreter lock; its functions must be picklable."""
    not_in_recipe: ClassVar[frozenset[str]] = Stage.not_in_recipe | {
        "exceptions_to_catch",
        "collision_cure",
        "default_n_jobs",
        "max_block_size",
        "reuses_results",
        "path_matters",
        "links_results",
        "executor",
    }

    @abstractmethod
    def pipeline(self) -> Pipeline:
        """Return what happens to one file."""

    def rows(self) -> InputRows:
        """Return what the stage works on: by default every file of the stage above, or of several, see `join_on`."""
        targets = directories(flatten(self.input()), self.get_task_family())
        if len(targets) == 1:
            return ManifestRows(targets[0].manifest())
        return JoinedRows(targets, on=self.join_on, unmatched=self.unmatched)

    def input_folder(self) -> str:
        """Return what each input path is relative to; empty when input paths stand for themselves, as URLs do."""
        targets = directories(flatten(self.input()), self.get_task_family())
        return str(targets[0].files_folder()) if len(targets) == 1 else ""

    def outpath(self, row: InputRow) -> str:
        """Return where the result of an input goes, relative to this stage's directory: by default its own path."""
        return row.inpath

    def load_arguments(self, batch: RowBatch) -> Sequence[Any] | None:
        """Return what the load function gets for each input of a batch; None for the input's path.

        Where files of several stages are joined, a tuple of their paths in the order of ``requires``.
        """
        return self.input_rows.load_arguments(batch)

    def waits(self, batch: RowBatch) -> Sequence[bool] | None:
        """Return which inputs of a batch are left to :meth:`last_pass`; None for none of them."""
        return None

    def last_pass(self, rows: InputRows, staging: Staging) -> Iterable[FileItem | FileResult]:
        """Yield what is left to do when every input has been tried: files to work on, and results as they are.

        Asked only when some inputs failed or wait.
        """
        return ()

    def interrupt(self) -> None:
        """End what the workers wait for: called when a build is stopped."""

    def forecast(self) -> Forecast:
        """Return how many files a build would take over, work on and remove, as things are now. Changes nothing.

        Everything above must be published.
        """
        target = self.output()
        with self.one_look():
            recipe = self.recipe()
            decision = self.decide(recipe)
            if isinstance(decision, Keep):
                return Forecast()
            staged = look_at_staging(target.folder, recipe)
            reuse = self._find_reuse(keeps_unchanged=decision.keeps_unchanged)
            published = target.manifest() if target.exists() else None
            return count_files(self.input_rows, published, reuse, staged)

    def items(self, *, afresh: bool = False, known: dict[TaskIdentity, ItemSource] | None = None) -> ItemSource:
        """Return the items of this stage: those of its directory when it is up to date, else computed ones.

        Parameters
        ----------
        afresh
            Compute the items even when the stage is up to date; the stages above are read where they are.
        known
            The items of stages that were met before, so that each is looked at once; those of more stages are added.

        Raises
        ------
        SettingsError
            When a stage above is not up to date and makes its directory as a whole, or a task above that is no stage
            has not run.
        """
        if not afresh and self.complete() and self.pipeline().write_func is not None:
            return PublishedItems(self.output())
        known = {} if known is None else known
        above: dict[TaskIdentity, ItemSource] = {}
        for task in flatten(self.requires()):
            if isinstance(task, Stage):
                if identity(task) not in known:
                    known[identity(task)] = task.items(known=known)
                above[identity(task)] = known[identity(task)]
            elif not task.complete():
                raise SettingsError(
                    f"{self.get_task_family()} requires {task}, which is no stage and not complete: run it first"
                )
        is_chained = len(above) == 1 and type(self).rows is FileStage.rows
        return ComputedItems(self._looking_at(above), list(above.values()), is_chained=is_chained)

    def _looking_at(self, above: Mapping[TaskIdentity, ItemSource]) -> FileStage:
        """Return a copy of this task that reads other targets, once; Luigi's own object stays as it is."""

        def find_output(task: luigi.Task) -> Any:
            source = above.get(identity(task))
            return task.output() if source is None else source.target

        inputs = map_tasks(self.requires(), find_output)
        look = Look()
        copy: FileStage = object.__new__(type(self))
        vars(copy).update(vars(self), input=lambda: inputs, _look=look)
        weakref.finalize(copy, look.close)
        return copy

    @property
    def input_rows(self) -> InputRows:
        """What :meth:`rows` returns, looked at once a run."""
        return self.once("rows", self._checked_rows)

    def _checked_rows(self) -> InputRows:
        rows: object = self.rows()
        if not isinstance(rows, InputRows):
            raise SettingsError(
                f"{type(self).__name__}.rows() returned a {type(rows).__name__}: "
                "return RecordRows(lambda: records, columns), or another InputRows"
            )
        return rows

    def build(self, staging: Staging) -> None:
        """Put every input through the pipeline that an earlier run has not finished."""
        settings = read_settings()
        pipeline = self.pipeline()
        rows = self.input_rows
        manifest_schema(self.extra_schema())  # two columns of one name are told before any work is done
        reuse = self._find_reuse(keeps_unchanged=staging.keeps_unchanged)
        failures = Failures(self.max_failure_rate, self._plan(rows, pipeline, staging, reuse))
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
        todo = Todo(self, rows, staging, reuse, writes=pipeline.write_func is not None)
        with (
            StageProgress(self, self.output().folder.name, settings.progress, total=failures.total) as progress,
            open_executor(self.executor, self.number_of_jobs()) as pool,
        ):

            def note(results: list[FileResult]) -> None:
                results = [*results, *todo.take_ready()]
                n_kept = todo.take_kept()
                staging.rows.append(results)
                failures.count(results, n_kept=n_kept)
                progress.advance(len(results), n_kept=n_kept, n_failed=failures.n_failed)

            self._work_through(todo, work, pool, note, failures)
            staging.rows.flush()
            if failures.n_good < failures.total:
                last = LastPass(self.last_pass(rows, staging), note)
                self._work_through(last, work, pool, note, failures)
                staging.rows.flush()
                if last.n_items:
                    failures.recount(staging.rows.results(), n_kept=0 if reuse is None else reuse.n_found)
            staging.drop_earlier()
            if reuse is not None and self.links_results:
                self._work_through(self._link_reused(reuse, staging, failures), work, pool, note, failures)
                staging.rows.flush()
        staging.n_inputs = failures.total
        self._refuse_other_rows(failures.total, failures.n_good + failures.n_failed)
        refuse_shared_parts(staging)
        failures.stop_when_too_many(self.output().path)

    def number_of_jobs(self) -> int:
        """Return the number of files to work on at once."""
        if self.n_jobs is not None:
            return self.n_jobs
        return self.default_n_jobs or read_settings().n_jobs

    def _work_through(
        self,
        items: Iterable[FileItem],
        work: FileWork,
        pool: Executor,
        note: Callable[[list[FileResult]], None],
        failures: Failures,
    ) -> None:
        """Run items on the pool and note what becomes of them, whatever ends the run."""
        run: BlockRun[FileItem, FileResult] = BlockRun(
            pool, work, items, n_jobs=self.number_of_jobs(), max_block_size=self.max_block_size
        )
        path = self.output().path  # Luigi makes it anew each time, from every parameter
        try:
            for results in run:
                note(results)
                failures.stop_when_all_fail(path)
                stop_when_orphaned()
            note([])
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                logger.warning("%s: stopping after the files in hand; finished files are kept", self.output())
            self.interrupt()
            note(run.stop())
            raise

    def extra_schema(self) -> pa.Schema:
        """Return the Arrow schema of the carried columns and the recorded ones."""
        import pyarrow as pa

        return pa.schema([*self.input_rows.carried_schema, *columns_schema(self.recorded_columns)])

    def manifest_batches(self, staging: Staging) -> Iterable[Mapping[str, Any]]:
        """Yield a row for each input, in their order, then the files that belong to the directory as a whole."""
        yield from self.file_batches(staging)
        for batch in added_batches(staging.added, columns_schema(self.recorded_columns)):
            n_rows = len(batch["outpath"])
            yield {**{name: [None] * n_rows for name in self.extra_schema().names}, **batch}

    def file_batches(self, staging: Staging) -> Iterator[Mapping[str, Any]]:
        """Yield the rows of the inputs, column by column; for what :meth:`build` makes from all of them."""
        staging.rows.flush()
        recorded = columns_schema(self.recorded_columns)
        reuse = self.once("reuse", lambda: None)
        return file_batches(staging.rows, self.input_rows, recorded, reuse, self.outpaths)

    def _plan(self, rows: InputRows, pipeline: Pipeline, staging: Staging, reuse: Reuse | None) -> int:
        """Return the number of inputs; note them, and refuse two that would become one output."""
        finder = CollisionFinder(staging.folder, self.collision_cure)
        total = 0
        with InputsWriter(staging.folder) as inputs:
            for batch in rows.batches():
                inputs.write(*batch.identities)
                if reuse is not None:
                    reuse.plan(batch)
                if pipeline.write_func is not None:
                    finder.add([outpath for outpath in self.outpaths(batch) if isinstance(outpath, str)])
                total += len(batch)
        finder.check(lambda: self._pairs(rows))
        return total

    def _find_reuse(self, *, keeps_unchanged: bool) -> Reuse | None:
        """Return what can be taken over from the published directory; None when nothing can."""
        return self.once("reuse", lambda: self._make_reuse() if keeps_unchanged and self.reuses_results else None)

    def _make_reuse(self) -> Reuse | None:
        target = self.output()
        stamp = target.stamp()
        if stamp is None or (stamp.files_in is not None and self.links_results):
            return None
        order = find_order(target, stamp)
        return Reuse.find(
            target,
            self.input_rows,
            list(self.recorded_columns),
            with_path=self.path_matters,
            retried=None if order is None or order.kind != "retry" else order.error_types,
            without=() if order is None else order.outpaths,
        )

    def _link_reused(self, reuse: Reuse, staging: Staging, failures: Failures) -> Iterator[FileItem]:
        """Take over what can be taken over; yield the inputs whose files are not there any more."""
        for batch in self.input_rows.batches():
            is_done = staging.rows.has(batch.start, batch.start + len(batch))
            outpaths = self.outpaths(batch)
            lost = reuse.link(batch, outpaths, is_done, staging.files)
            failures.n_good -= len(lost)
            sources = self.load_arguments(batch) if lost else None
            for place in lost:
                outpath = outpaths[place]
                source = None if sources is None else sources[place]
                yield FileItem(
                    batch.start + place, batch.inpaths[place], outpath if isinstance(outpath, str) else None, source
                )

    def outpaths(self, batch: RowBatch) -> list[str | Trouble]:
        """Return the output path of each input of a batch, or what :meth:`outpath` raised for it."""
        if type(self).outpath is FileStage.outpath and isinstance(self.input_rows, ManifestRows | JoinedRows):
            # A file that an upstream stage published keeps its path, which was checked there.
            outpaths: list[str | Trouble] = list(batch.inpaths)
        else:
            outpaths = [self._outpath(row) for row in batch.rows()]
        if batch.trouble is None:
            return outpaths
        return [trouble or outpath for trouble, outpath in zip(batch.trouble, outpaths, strict=True)]

    def _outpath(self, row: InputRow) -> str | Exception:
        try:
            outpath = os.fspath(self.outpath(row))
            check_outpath(outpath)
        except self._catch() as error:
            return error if isinstance(error, Exception) else RuntimeError(describe(error))
        except Exception as error:
            raise FileError(f"{show_path(row.inpath)}: {type(error).__name__}: {describe(error)}") from error
        return outpath

    def _refuse_other_rows(self, n_planned: int, n_seen: int) -> None:
        """Refuse to publish when the inputs were not the same in each pass over them."""
        if n_seen != n_planned:
            raise SettingsError(
                f"{type(self).__name__}.rows() gave {n_planned} inputs at first, and then {n_seen}: "
                "let it give the same ones any number of times, so no iterator that ends and no source that changes"
            )

    def _pairs(self, rows: InputRows) -> Iterator[tuple[str, str]]:
        for batch in rows.batches():
            for inpath, outpath in zip(batch.inpaths, self.outpaths(batch), strict=True):
                if isinstance(outpath, str):
                    yield inpath, outpath

    def _catch(self) -> Catch:
        kinds = self.exceptions_to_catch
        return kinds if isinstance(kinds, tuple) else (kinds,)
