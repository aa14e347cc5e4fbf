"""The work on one item of a stage that is not built: that of a build, in a temporary folder, and timed."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tintype.pipelines.core import function_name
from tintype.pipelines.file_work import FileWork
from tintype.pipelines.file_writers import StagedFileWriter
from tintype.pipelines.several_inputs import unpacked
from tintype.write_funcs.files import copy_file

if TYPE_CHECKING:
    from tintype.pipelines.core import Pipeline
    from tintype.tasks.file_stage import FileStage
    from tintype.tasks.item_sources import Trial


def make_item_work(
    stage: FileStage, pipeline: Pipeline, out_folder: str, *, ended: list[Any], trial: Trial | None = None
) -> FileWork:
    """Return what works on a file of a stage as a build does.

    Parameters
    ----------
    stage
        The stage.
    pipeline
        Its pipeline.
    out_folder
        Where results are written; ends in a slash.
    ended
        Gets what comes out of the last op of a pipeline that writes nothing.
    trial
        Gets the time of each step.
    """
    folder = stage.input_folder()
    load, ops, write = pipeline.load_func, list(pipeline.ops), pipeline.write_func
    if trial is not None:
        load = trial.timed("load", load)
        ops = [trial.timed(function_name(op.function if isinstance(op, unpacked) else op), op) for op in ops]
        write = trial.timed("write", write) if write is not None else None
    if write is None:
        ops.append(_Noted(ended))
    return FileWork(
        load_func=load,
        ops=ops,
        writer=StagedFileWriter(_Elsewhere(write)) if write is not None else None,
        in_folder=f"{folder}/" if folder else "",
        out_folder=out_folder,
        column_types=dict(stage.recorded_columns),
    )


class _Noted:
    """The last op of a pipeline that writes nothing: keeps what came out."""

    def __init__(self, ended: list[Any]) -> None:
        self._ended = ended

    def __call__(self, data: Any) -> Any:
        self._ended.append(data)
        return data


@dataclass(frozen=True)
class _Elsewhere:
    """A write function as it works in the temporary folder, which may lie on another disk than the dataset.

    Where no hard link can be made for that reason alone, the file is copied.
    """

    write_func: Callable[[Any, Any], Any]

    def __call__(self, data: Any, path: str) -> None:
        try:
            self.write_func(data, path)
        except OSError as error:
            if error.errno != errno.EXDEV or not isinstance(data, str | os.PathLike):
                raise
            copy_file(data, path)
