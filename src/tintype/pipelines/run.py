"""Run a pipeline over many files on its own, without a stage: the rows come back as a DataFrame."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

from tintype.errors import CollisionError, FileError, SettingsError
from tintype.executors.blocks import BlockRun
from tintype.executors.pools import ExecutorKind, open_executor
from tintype.manifest.schema import Status
from tintype.pipelines.file_result import FileItem, FileResult, describe, result_without_work
from tintype.pipelines.file_work import Catch, FileWork
from tintype.pipelines.file_writers import sweep_temporaries
from tintype.pipelines.run_report import make_run_report

if TYPE_CHECKING:
    import pandas as pd


ExceptionTypes = type[BaseException] | tuple[type[BaseException], ...]
PathLike = str | os.PathLike[str]
PathFunc = Callable[[Any], PathLike]


def run_over_files(
    make_work: Callable[[Catch], FileWork],
    inpaths: Iterable[PathLike],
    path_func: PathFunc | None,
    n_jobs: int,
    *,
    skip_existing: bool,
    exceptions_to_catch: ExceptionTypes | None,
    executor: ExecutorKind | Executor,
) -> pd.DataFrame:
    """Run one work over many files; :meth:`tintype.Pipeline.run` describes the other parameters."""
    if isinstance(inpaths, str | bytes | os.PathLike):
        raise SettingsError(f"inpaths is the single path {os.fspath(inpaths)!r}: give a list of paths")
    catch = _as_tuple(exceptions_to_catch)
    work = make_work(catch)
    if path_func is None and work.writer is not None:
        raise SettingsError("path_func is None, but the pipeline writes: give a function from input to output path")
    results: list[FileResult] = []
    items = list(_plan(inpaths, path_func, catch, results))
    _refuse_collisions(items)
    if skip_existing:
        items = list(_skip_existing(items, results))
    sweep_temporaries({os.path.dirname(item.outpath) for item in items if item.outpath is not None})
    with open_executor(executor, n_jobs) as pool:
        run: BlockRun[FileItem, FileResult] = BlockRun(pool, work, items, n_jobs=n_jobs)
        try:
            for finished in run:
                results.extend(finished)
        except BaseException as error:
            results.extend(run.stop())
            if isinstance(error, FileError):
                error.run_report = make_run_report(results)
            raise
    return make_run_report(results)


def _as_tuple(exceptions: ExceptionTypes | None) -> Catch:
    if exceptions is None:
        return ()
    catch: tuple[Any, ...] = exceptions if isinstance(exceptions, tuple) else (exceptions,)
    for kind in catch:
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise SettingsError(f"exceptions_to_catch is {exceptions!r}: give an exception type, or a tuple of them")
    return catch


def _plan(
    inpaths: Iterable[PathLike], path_func: PathFunc | None, catch: Catch, results: list[FileResult]
) -> Iterator[FileItem]:
    """Give each input its output path; an input whose path cannot be told becomes a result at once."""
    for index, inpath in enumerate(inpaths):
        try:
            yield FileItem(index, inpath, os.fspath(path_func(inpath)) if path_func is not None else None)
        except catch as error:
            results.append(result_without_work(index, inpath, Status.FAILED, error=error))
        except Exception as error:
            raise FileError(f"{inpath}: {type(error).__name__}: {describe(error)}") from error


def _refuse_collisions(items: Iterable[FileItem]) -> None:
    inpaths: dict[str, Any] = {}
    for item in items:
        if item.outpath is None:
            continue
        other = inpaths.setdefault(os.path.normpath(item.outpath), item.inpath)
        if other is not item.inpath and str(other) != str(item.inpath):
            raise CollisionError(
                f"{other} and {item.inpath} would both become {item.outpath}: "
                "give a path_func that keeps them apart, such as join_outdir_hashed_path_extension"
            )


def _skip_existing(items: Iterable[FileItem], results: list[FileResult]) -> Iterator[FileItem]:
    for item in items:
        if item.outpath is not None and os.path.isfile(item.outpath):
            results.append(result_without_work(item.number, item.inpath, Status.SKIPPED, outpath=item.outpath))
        else:
            yield item
