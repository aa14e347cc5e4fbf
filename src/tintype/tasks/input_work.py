"""The work of a stage that is not built on one input, and the rows that its results would have."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tintype.errors import FileError, StagingError
from tintype.manifest.schema import FIXED_COLUMNS, Status
from tintype.pipelines.file_result import FileItem, FilePart, FileResult, describe
from tintype.targets.relative_paths import printable
from tintype.tasks.item_sources import Made, MadeFile, NotMadeError, Trial
from tintype.tasks.item_work import make_item_work
from tintype.tasks.planned import PlannedTarget, count_asked, full_or_broken, scratch_path
from tintype.tasks.rows import LeftOut, RowBatch

if TYPE_CHECKING:
    from tintype.pipelines.core import Pipeline
    from tintype.tasks.file_stage import FileStage


def refuse_trouble(family: str, batch: RowBatch) -> None:
    """Tell why the one input of a batch cannot be worked on, if so.

    Raises
    ------
    NotMadeError
        When it is left out, or something about it is wrong.
    """
    trouble = batch.trouble[0] if batch.trouble is not None else None
    if isinstance(trouble, LeftOut):
        raise NotMadeError(family, batch.inpaths[0], reason=describe(trouble.reason), error=None)
    if trouble is not None:
        raise NotMadeError(family, batch.inpaths[0], reason=describe(trouble), error=trouble)


class InputWork:
    """What a stage does with one input, as its build would, with the results in the thread's scratch folder.

    Parameters
    ----------
    stage
        The stage, as it looks when its ``input()`` is the targets of the stages above.
    name
        Of its folder in the scratch folder.
    target
        What stands for the directory that it would publish.
    """

    def __init__(self, stage: FileStage, name: str, target: PlannedTarget) -> None:
        self._stage = stage
        self._family = str(stage.get_task_family())
        self._name = name
        self._target = target
        self._kept_pipeline: Pipeline | None = None

    def do(self, batch: RowBatch, trial: Trial | None) -> Made:
        """Work on the one input of a batch.

        Raises
        ------
        NotMadeError
            When it fails, or is dropped.
        """
        stage, inpath = self._stage, batch.inpaths[0]
        pipeline = self._pipeline()
        refuse_trouble(self._family, batch)
        outpath: Any = None
        if pipeline.write_func is not None:
            outpath = stage.outpaths(batch)[0]
            if not isinstance(outpath, str):
                refuse_trouble(self._family, replace(batch, trouble=[outpath]))
        given = stage.load_arguments(batch)
        source = None if given is None else given[0]
        ended: list[Any] = []
        work = make_item_work(stage, pipeline, scratch_path(self._name, ""), ended=ended, trial=trial)
        try:
            result = work(FileItem(batch.start, inpath, outpath, source))
        except StagingError as error:
            raise full_or_broken(error) from error
        except FileError as error:
            cause = error.__cause__
            if cause is None or not isinstance(cause, Exception):
                raise cause or error from None
            raise NotMadeError(self._family, inpath, reason=describe(cause), error=cause) from cause
        if result.status == Status.DROPPED:
            raise NotMadeError(self._family, inpath, reason=result.error or "no reason was given", error=None)
        return self._made(batch, result, work.out_folder, ended)

    def _pipeline(self) -> Pipeline:
        """Return the pipeline, made once unless it holds a path in the scratch folder of this item."""
        if self._kept_pipeline is not None:
            return self._kept_pipeline
        n_asked = count_asked()
        pipeline = self._stage.pipeline()
        if count_asked() == n_asked:
            self._kept_pipeline = pipeline
        return pipeline

    def _made(self, batch: RowBatch, result: FileResult, folder: str, ended: list[Any]) -> Made:
        in_place = self._target.files_folder() if not self._stage.links_results else None
        files = []
        for place, file in enumerate(result.results()):
            path = None
            if file.outpath is not None:
                path = f"{in_place}/{batch.inpaths[0]}" if in_place is not None else folder + file.outpath
            files.append(MadeFile(path, self._row(batch, result, file), ended[place] if ended else None))
        return Made(files, is_several=result.parts is not None)

    def _row(self, batch: RowBatch, result: FileResult, file: FilePart) -> dict[str, Any]:
        """Return the row that the manifest would have."""
        fixed = {
            "inpath": printable(batch.inpaths[0]),
            "outpath": file.outpath,
            "status": result.status,
            "input_digest": batch.input_digest(0),
            "digest": file.digest,
            "size_bytes": file.size_bytes,
            "seconds": result.microseconds / 1e6,
            "time_finished": datetime.fromtimestamp(result.time_finished / 1e6, UTC),
        }
        row = {name: fixed.get(name) for name in FIXED_COLUMNS}
        row.update((name, batch.carried.column(name)[0].as_py()) for name in batch.carried.schema.names)
        row.update(dict.fromkeys(self._stage.recorded_columns))
        row.update(file.columns or {})
        return row
