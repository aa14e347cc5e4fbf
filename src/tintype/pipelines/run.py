"""Run a pipeline over many files on its own, without a stage: the rows come back as a DataFrame."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tintype.errors import CollisionError, SettingsError
from tintype.executors.blocks import BlockRun
from tintype.executors.pools import ExecutorKind, open_executor
from tintype.pipelines.file_result import FileItem, FileResult, show_inpath
from tintype.pipelines.file_work import Catch, FileWork, SkipFunc
from tintype.pipelines.file_writers import sweep_temporaries
from tintype.pipelines.run_plan import PathFunc, PathLike, RunPlan, plan_run
from tintype.pipelines.run_progress import RunProgress
from tintype.pipelines.run_report import ReportRows

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger("tintype.pipelines")

ExceptionTypes = type[BaseException] | tuple[type[BaseException], ...]


@dataclass(frozen=True)
class RunOptions:
    """How to run; :meth:`tintype.Pipeline.run` describes each."""

    n_jobs: int
    skip_existing: bool
    skip_func: SkipFunc | None
    exceptions_to_catch: ExceptionTypes | None
    executor: ExecutorKind | Executor
    progress: bool | None


def run_over_files(
    make_work: Callable[[Catch, SkipFunc | None], FileWork],
    inpaths: Iterable[PathLike | tuple[PathLike, ...]],
    path_func: PathFunc | None,
    options: RunOptions,
) -> pd.DataFrame:
    """Run one work over many files, and return the run report.

    Whatever ends the run early, Ctrl-C too, has the report so far as its ``run_report``.
    """
    catch = _as_tuple(options.exceptions_to_catch)
    work = make_work(catch, _choose_skip_func(options, path_func))
    if isinstance(inpaths, str | bytes | os.PathLike):
        raise SettingsError(f"inpaths is the single path {os.fspath(inpaths)!r}: give a list of paths")
    if path_func is None and work.writer is not None:
        raise SettingsError("path_func is None, but the pipeline writes: give a function from input to output path")
    rows = ReportRows()
    try:
        plan = plan_run(list(inpaths), path_func, catch, rows)
        _log_failures(plan.failed)
        _work_through(plan, work, rows, options)
        if rows.has_parts:
            _refuse_shared_results(rows)
    except BaseException as error:
        error.run_report = rows.to_frame()  # type: ignore[attr-defined]
        raise
    n_skipped = rows.count_skipped()
    if n_skipped:
        logger.warning("%d of %d files were left out, as skip_existing or skip_func says", n_skipped, plan.n_inputs)
    return rows.to_frame()


def _work_through(plan: RunPlan, work: FileWork, rows: ReportRows, options: RunOptions) -> None:
    """Work on all files, and collect their rows whatever ends the run."""
    with (
        open_executor(options.executor, options.n_jobs) as pool,
        RunProgress(plan.n_inputs, wanted=options.progress) as progress,
    ):
        sweep_temporaries(plan.folders)
        run: BlockRun[FileItem, FileResult] = BlockRun(pool, work, plan.items, n_jobs=options.n_jobs)
        n_failed = len(plan.failed)
        try:
            for finished in run:
                rows.add(finished)
                n_failed += _log_failures(finished)
                progress.advance(len(finished), n_failed=n_failed)
        except BaseException:
            finished = run.stop()
            rows.add(finished)
            _log_failures(finished)
            raise


def _log_failures(results: Sequence[FileResult]) -> int:
    """Log each file that failed; return how many did."""
    failed = [result for result in results if result.error_type is not None]
    for result in failed:
        logger.error("%s: %s: %s", show_inpath(result.inpath), result.error_type, result.error)
    return len(failed)


def _as_tuple(exceptions: ExceptionTypes | None) -> Catch:
    if exceptions is None:
        return ()
    catch: tuple[Any, ...] = exceptions if isinstance(exceptions, tuple) else (exceptions,)
    for kind in catch:
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise SettingsError(f"exceptions_to_catch is {exceptions!r}: give an exception type, or a tuple of them")
    return catch


def _choose_skip_func(options: RunOptions, path_func: PathFunc | None) -> SkipFunc | None:
    """Return the one function that says which files are left out, of the two ways to ask for it."""
    skip_func = options.skip_func
    is_exception = isinstance(skip_func, type) and issubclass(skip_func, BaseException)
    if is_exception or not (skip_func is None or callable(skip_func)):
        raise SettingsError(
            f"skip_func is {skip_func!r}, not a function of input path and output path; the order is inpaths, "
            "path_func, n_jobs, skip_existing, skip_func, exceptions_to_catch, executor"
        )
    if skip_func is not None and path_func is None:
        raise SettingsError("skip_func is given, but path_func is None: give a function from input to output path")
    if not options.skip_existing:
        return skip_func
    return _output_exists if skip_func is None else _ExistsOr(skip_func)


def _output_exists(inpath: object, outpath: str) -> bool:
    return os.path.isfile(outpath)


@dataclass(frozen=True)
class _ExistsOr:
    """Skip what exists, and what another function says. A class so that worker processes can be sent it."""

    skip_func: SkipFunc

    def __call__(self, inpath: Any, outpath: str) -> Any:
        return os.path.isfile(outpath) or self.skip_func(inpath, outpath)


def _refuse_shared_results(rows: ReportRows) -> None:
    """Refuse results of two inputs that became one file: suffixes are not known before the work."""
    owners: dict[str, str] = {}
    for inpath, outpath in _written(rows):
        other = owners.setdefault(os.path.normpath(outpath), inpath)
        if other != inpath:
            raise CollisionError(
                f"results of {other} and of {inpath} both became {outpath}, and only one of them is there: "
                "yield other suffixes, or give a path_func that keeps them apart"
            )


def _written(rows: ReportRows) -> Iterator[tuple[str, str]]:
    for inpath, outpath in zip(rows.inpaths, rows.outpaths, strict=True):
        if outpath is not None:
            yield show_inpath(inpath), outpath
