"""What a run will do, known before any work: every output path, and that no two inputs share one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count, repeat
from typing import Any

from tintype.errors import CollisionError, FileError
from tintype.manifest.schema import Status
from tintype.pipelines.file_result import FileItem, FileResult, describe, result_without_work, show_inpath
from tintype.pipelines.file_work import Catch
from tintype.pipelines.run_report import ReportRows

PathLike = str | os.PathLike[str]
PathFunc = Callable[[Any], PathLike]


@dataclass(frozen=True)
class RunPlan:
    """The files to work on."""

    items: Iterator[FileItem]
    """Made as they are asked for: a hundred thousand of them would keep the garbage collector busy."""
    n_inputs: int
    folders: set[str] = field(default_factory=set)
    """Where files will be written."""
    failed: Sequence[FileResult] = ()
    """Inputs whose output path cannot be told, in the report already."""


def plan_run(inpaths: Sequence[Any], path_func: PathFunc | None, catch: Catch, rows: ReportRows) -> RunPlan:
    """Give each input its output path; an input whose path cannot be told becomes a row at once.

    Raises
    ------
    FileError
        When `path_func` fails with an exception that is not to be caught; names the file.
    CollisionError
        When two inputs would become one output.
    """
    if path_func is None:
        return RunPlan(_make_items(count(), inpaths, repeat(None)), len(inpaths))
    numbers: list[int] = []
    outpaths: list[str] = []
    failed: list[FileResult] = []
    for number, inpath in enumerate(inpaths):
        try:
            outpaths.append(os.fsdecode(path_func(inpath)))
            numbers.append(number)
        except catch as error:
            failed.append(result_without_work(number, inpath, Status.FAILED, error=error))
        except Exception as error:
            raise FileError(f"{show_inpath(inpath)}: {type(error).__name__}: {describe(error)}") from error
    rows.add(failed)
    good = inpaths if len(numbers) == len(inpaths) else [inpaths[number] for number in numbers]
    _refuse_collisions(good, outpaths)
    folders = set(map(os.path.dirname, outpaths))
    return RunPlan(_make_items(numbers, good, outpaths), len(inpaths), folders, failed)


def _make_items(numbers: Iterable[int], inpaths: Iterable[Any], outpaths: Iterable[str | None]) -> Iterator[FileItem]:
    # A named tuple made from a tuple, without its Python-level constructor: this is on the path of every file.
    return map(partial(tuple.__new__, FileItem), zip(numbers, inpaths, outpaths, repeat(None), strict=False))


def _refuse_collisions(inpaths: Iterable[Any], outpaths: Iterable[str]) -> None:
    owners: dict[str, Any] = {}
    for inpath, outpath in zip(inpaths, outpaths, strict=True):
        other = owners.setdefault(_normal(outpath), inpath)
        if other is not inpath and show_inpath(other) != show_inpath(inpath):
            raise CollisionError(
                f"{show_inpath(other)} and {show_inpath(inpath)} would both become {outpath}: "
                "give a path_func that keeps them apart, such as join_outdir_hashed_path_extension"
            )


def _normal(path: str) -> str:
    """Return a path without detours; most have none, and to look for them is quicker than to remove them."""
    return os.path.normpath(path) if "/." in path or "//" in path or path[:1] == "." or path[-1:] == "/" else path
