"""The items of a stage that is not built, each computed when it is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Any

from tintype.errors import FileError, SettingsError
from tintype.manifest.arrays import make_array, rows_without_columns
from tintype.manifest.schema import FIXED_COLUMNS, Status, mark_staying, mark_undigested, travels
from tintype.pipelines.file_result import FileItem, FilePart, FileResult, describe
from tintype.pipelines.file_work import FileWork
from tintype.pipelines.file_writers import StagedFileWriter
from tintype.tasks.item_sources import ItemSource, Made, MadeFile, NotMadeError, Trial
from tintype.tasks.kept_rows import KeptRows
from tintype.tasks.planned import PlannedBatch, PlannedTarget, scratch_path
from tintype.tasks.rows import LeftOut, RowBatch

if TYPE_CHECKING:
    import pyarrow as pa

    from tintype.pipelines.core import Pipeline
    from tintype.tasks.file_stage import FileStage

_names = count()


class ComputedItems(ItemSource):
    """The items of a file stage that is not built, each computed by its own pipeline from the item above.

    What the stages above make is written to a scratch folder by their own write functions and read from there, so that
    an item is what the build will make, to the last bit.

    Parameters
    ----------
    stage
        The stage, as it looks when its ``input()`` is the targets of `above`.
    above
        The items of the stages that it requires, in their order.
    is_chained
        Whether its inputs are the files of the one stage above, as they are.
    """

    def __init__(self, stage: FileStage, above: Sequence[ItemSource], *, is_chained: bool) -> None:
        self._stage = stage
        self._above = above
        self._is_chained = is_chained
        self.name = str(next(_names))
        self.recorded_columns = tuple(stage.recorded_columns)
        self.target = PlannedTarget(
            stage.output().folder,
            self.name,
            extra_schema=self._extra_schema,
            make_batches=self.planned,
            files_in=None if stage.links_results else stage.input_folder(),
        )

    def __len__(self) -> int:
        return len(self._above[0]) if self._is_chained else len(self._kept)

    def made(self, number: int, trial: Trial | None = None) -> Made:
        """Compute one item, and what it needs of the stages above."""
        if not self._is_chained:
            batch = self._kept.row(number)
            paths = self._make_what_it_reads(batch)
            if trial is not None:
                trial.before = [MadeFile(path, {}) for path in paths if os.path.isfile(path)]
            return self._work(batch, trial)
        make = self._above[0].made if trial is None else trial.timed("stages above", self._above[0].made)
        above: Made = make(number)
        if trial is not None:
            trial.before = above.files
        results = [self._work(self._below(number, file), trial) for file in above.files]
        files = [file for made in results for file in made.files]
        return Made(files, is_several=above.is_several or any(made.is_several for made in results))

    def planned(self) -> Iterator[PlannedBatch]:
        """Yield the paths that the stage would write."""
        for numbers, batch in self._inputs():
            outpaths = self._stage.outpaths(batch)
            good = [place for place, outpath in enumerate(outpaths) if isinstance(outpath, str)]
            yield PlannedBatch(
                [numbers[place] for place in good],
                [str(outpaths[place]) for place in good],
                batch.carried.take(make_array(good, _int64())) if len(good) < len(batch) else batch.carried,
            )

    def find(self, outpath: str) -> int | None:
        """Return the number of the item that a path is made from; None when none is."""
        return self._numbers.get(outpath)

    @cached_property
    def _numbers(self) -> Mapping[str, int]:
        return {path: number for batch in self.planned() for number, path in zip(*batch[:2], strict=True)}

    @cached_property
    def _kept(self) -> KeptRows:
        return KeptRows(self._stage.input_rows)

    @cached_property
    def _pipeline(self) -> Pipeline:
        return self._stage.pipeline()

    @cached_property
    def _carried(self) -> pa.Schema:
        return self._stage.input_rows.carried_schema

    def _extra_schema(self) -> pa.Schema:
        extra = mark_undigested(self._stage.extra_schema(), self._stage.undigested_columns)
        return mark_staying(extra, self._stage.columns_that_stay)

    def _inputs(self) -> Iterator[tuple[list[int], RowBatch]]:
        """Yield the inputs, each batch with the numbers of its items."""
        if not self._is_chained:
            for batch in self._stage.input_rows.batches():
                yield list(range(batch.start, batch.start + len(batch))), batch
            return
        for planned in self._above[0].planned():
            if planned.outpaths:
                carried = _select(planned.carried, self._carried, len(planned.outpaths))
                yield planned.numbers, RowBatch(0, planned.outpaths, [None] * len(planned.outpaths), carried)

    def _below(self, number: int, file: MadeFile) -> RowBatch:
        """Return a file of the stage above as an input of this one."""
        import pyarrow as pa

        row = file.row
        arrays = [make_array([row.get(field.name)], field.type) for field in self._carried]
        carried = pa.RecordBatch.from_arrays(arrays, schema=self._carried) if arrays else rows_without_columns(1)
        return RowBatch(number, [row["outpath"]], [row["digest"]], carried)

    def _make_what_it_reads(self, batch: RowBatch) -> list[str]:
        """Compute the files of stages that are not built which an input is loaded from; return all texts it goes by."""
        given = self._stage.load_arguments(batch)
        argument = given[0] if given is not None else _join(self._stage.input_folder(), batch.inpaths[0])
        texts = list(_texts(argument))
        for path in texts:
            for source in self._above:
                if isinstance(source, ComputedItems) and path.startswith(scratch_path(source.name, "")):
                    source.make_file(path.removeprefix(scratch_path(source.name, "")))
        return texts

    def make_file(self, outpath: str) -> None:
        """Compute the item that becomes a path."""
        number = self.find(outpath)
        if number is None:
            return  # the load function will say that it is not there
        made = self.made(number)
        if all(file.row["outpath"] != outpath for file in made.files):
            names = ", ".join(str(file.row["outpath"]) for file in made.files) or "nothing"
            raise SettingsError(
                f"{self._stage.get_task_family()} makes {names} where {outpath} was expected, which is known only when "
                f"it is built: build it first, tintype rebuild --stage {self._stage.get_task_family()}"
            )

    def _work(self, batch: RowBatch, trial: Trial | None) -> Made:
        stage, inpath = self._stage, batch.inpaths[0]
        pipeline = self._pipeline
        trouble = batch.trouble[0] if batch.trouble is not None else None
        outpath: Any = None
        if pipeline.write_func is not None:
            outpath = stage.outpaths(batch)[0]
            trouble = outpath if isinstance(outpath, Exception | LeftOut) else None
        if trouble is not None:
            is_dropped = isinstance(trouble, LeftOut)
            error = trouble.reason if isinstance(trouble, LeftOut) else trouble
            raise self._not_made(inpath, describe(error), None if is_dropped else error)
        given = stage.load_arguments(batch)
        source = None if given is None else given[0]
        ended: list[Any] = []
        work = self._file_work(pipeline, ended, trial)
        try:
            result = work(FileItem(batch.start, inpath, outpath, source))
        except FileError as error:
            cause = error.__cause__
            if cause is None or not isinstance(cause, Exception):
                raise cause or error from None
            raise self._not_made(inpath, describe(cause), cause) from cause
        if result.status == Status.DROPPED:
            raise self._not_made(inpath, result.error or "no reason was given", None)
        return self._made(batch, result, work.out_folder, ended)

    def _file_work(self, pipeline: Pipeline, ended: list[Any], trial: Trial | None) -> FileWork:
        folder = self._stage.input_folder()
        load, ops, write = pipeline.load_func, list(pipeline.ops), pipeline.write_func
        if trial is not None:
            load = trial.timed("load", load)
            ops = [trial.timed(_name(op), op) for op in ops]
            write = trial.timed("write", write) if write is not None else None
        if write is None:
            ops.append(_Noted(ended))
        return FileWork(
            load_func=load,
            ops=ops,
            writer=StagedFileWriter(write) if write is not None else None,
            in_folder=f"{folder}/" if folder else "",
            out_folder=scratch_path(self.name, ""),
            column_types=dict(self._stage.recorded_columns),
        )

    def _made(self, batch: RowBatch, result: FileResult, folder: str, ended: list[Any]) -> Made:
        in_place = self.target.files_folder() if not self._stage.links_results else None
        files = []
        for place, file in enumerate(_parts(result)):
            path = None
            if file.outpath is not None:
                path = f"{in_place}/{batch.inpaths[0]}" if in_place is not None else folder + file.outpath
            files.append(MadeFile(path, self._row(batch, result, file), ended[place] if ended else None))
        return Made(files, is_several=result.parts is not None)

    def _row(self, batch: RowBatch, result: FileResult, file: FilePart) -> dict[str, Any]:
        """Return the row that the manifest would have."""
        fixed = {
            "inpath": batch.inpaths[0],
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

    def _not_made(self, inpath: str, reason: str, error: BaseException | None) -> NotMadeError:
        return NotMadeError(self._stage.get_task_family(), inpath, reason=reason, error=error)


class _Noted:
    """The last op of a pipeline that writes nothing: keeps what came out."""

    def __init__(self, ended: list[Any]) -> None:
        self._ended = ended

    def __call__(self, data: Any) -> Any:
        self._ended.append(data)
        return data


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in what a load function gets: a path, or several in a tuple."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _texts(one)


def _parts(result: FileResult) -> list[FilePart]:
    if result.parts is not None:
        return result.parts
    return [FilePart(result.outpath, result.digest, result.size_bytes, result.columns)]


def _select(batch: pa.RecordBatch, schema: pa.Schema, n_rows: int) -> pa.RecordBatch:
    """Return the columns of a schema; null where the batch has none."""
    import pyarrow as pa

    names = batch.schema.names
    arrays = [batch.column(f.name) if f.name in names else pa.nulls(n_rows, f.type) for f in schema if travels(f)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema) if arrays else rows_without_columns(n_rows)


def _join(folder: str, path: str) -> str:
    return f"{folder}/{path}" if folder else path


def _int64() -> pa.DataType:
    import pyarrow as pa

    return pa.int64()


def _name(function: object) -> str:
    inner = getattr(function, "func", function)
    return str(getattr(inner, "__name__", None) or type(inner).__name__)
