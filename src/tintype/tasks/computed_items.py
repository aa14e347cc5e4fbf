"""The items of a stage that is not built, each computed when it is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Any

from luigi.task import flatten

from tintype.errors import SettingsError, TintypeError
from tintype.manifest.arrays import make_array, rows_without_columns
from tintype.manifest.schema import mark_staying, mark_undigested
from tintype.pipelines.file_result import describe
from tintype.tasks.attributes import plain_attributes
from tintype.tasks.input_work import InputWork, refuse_trouble
from tintype.tasks.item_sources import ItemSource, Made, MadeFile, NotMadeError, PublishedItems, Trial
from tintype.tasks.joined_rows import JoinedRows, join_digests
from tintype.tasks.kept_rows import KeptRows
from tintype.tasks.known_inputs import fill_in, find_texts, select_columns
from tintype.tasks.planned import PlannedBatch, PlannedTarget
from tintype.tasks.rows import RowBatch, Trouble

if TYPE_CHECKING:
    import pyarrow as pa

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
        self._is_chained = is_chained and len(flatten(stage.requires())) == 1
        self.name = str(next(_names))
        self.recorded_columns = tuple(stage.recorded_columns)
        self.target = PlannedTarget(
            stage.output().folder,
            self.name,
            extra_schema=self._extra_schema,
            make_batches=self.planned,
            files_in=None if stage.links_results else stage.input_folder(),
        )
        self._work = InputWork(stage, self.name, self.target)
        for source in above:
            if isinstance(source, ComputedItems) and not source.writes_files:
                raise SettingsError(
                    f"{stage.get_task_family()} requires {source.family}, which is not built, and writes no file for "
                    f"each input, so there are no files to go on with: {source.cure}"
                )

    def __len__(self) -> int:
        if self._is_chained:
            return len(self._above[0])
        kept = self._kept
        try:
            return len(kept)
        except TintypeError as error:
            self._explain(error)
            raise

    def made(self, number: int, trial: Trial | None = None) -> Made:
        """Compute one item, and what it needs of the stages above."""
        if not self._is_chained:
            batch = self._kept.row(number)
            refuse_trouble(self.family, batch)
            make_files = self._make_what_it_reads
            if trial is not None and self._above:
                make_files = trial.timed("stages above", make_files)
            paths, batch = make_files(batch)
            if trial is not None:
                trial.before = [MadeFile(path, {}) for path in paths if os.path.isfile(path)]
            return self._work.do(batch, trial)
        make = self._above[0].made if trial is None else trial.timed("stages above", self._above[0].made)
        above: Made = make(number)
        if trial is not None:
            trial.before = above.files
        results, dropped = [], None
        for file in above.files:
            try:
                results.append(self._work.do(self._below(number, file), trial))
            except NotMadeError as error:
                if error.error is not None:
                    raise
                dropped = error  # the others of several stay
        if dropped is not None and not results:
            raise dropped
        files = [file for made in results for file in made.files]
        return Made(files, is_several=above.is_several or any(made.is_several for made in results))

    @property
    def family(self) -> str:
        """The name of the stage."""
        return str(self._stage.get_task_family())

    @property
    def cure(self) -> str:
        """What an error says to do about what is known only when the stage is built."""
        return f"build it first, tintype rebuild --stage {self.family}"

    @property
    def writes_files(self) -> bool:
        """Whether the stage writes a file for each input."""
        return self._stage.pipeline().write_func is not None

    @cached_property
    def unknown_columns(self) -> Mapping[str, ComputedItems]:
        """Columns that travel on and have no values yet, and the items of the stage that records each."""
        found = {}
        for source in self._above:
            if isinstance(source, ComputedItems):
                found.update({name: at for name, at in source.unknown_columns.items() if name in self._carried.names})
        return {**found, **dict.fromkeys(set(self.recorded_columns) - self._stage.columns_that_stay, self)}

    def planned(self) -> Iterator[PlannedBatch]:
        """Yield the paths that the stage would write."""
        import pyarrow as pa

        for numbers, batch in self._inputs():
            outpaths = self._stage.outpaths(batch)
            self._refuse_to_guess(batch, outpaths)
            good = [place for place, outpath in enumerate(outpaths) if isinstance(outpath, str)]
            yield PlannedBatch(
                [numbers[place] for place in good],
                [str(outpaths[place]) for place in good],
                batch.carried.take(make_array(good, pa.int64())) if len(good) < len(batch) else batch.carried,
            )

    def find(self, outpath: str) -> int | None:
        """Return the number of the item that a path is made from; None when none is."""
        return self._numbers.get(outpath)

    @cached_property
    def _numbers(self) -> Mapping[str, int]:
        return {path: number for batch in self.planned() for number, path in zip(*batch[:2], strict=True)}

    @cached_property
    def _kept(self) -> KeptRows:
        rows = self._stage.input_rows
        on = self._stage.join_on
        if isinstance(rows, JoinedRows) and on != "path":
            self._refuse_unknown(f"{self.family} joins on {on!r}", (on,) if isinstance(on, str) else on)
        return KeptRows(rows)

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
                carried = select_columns(planned.carried, self._carried, len(planned.outpaths))
                yield planned.numbers, RowBatch(0, planned.outpaths, [None] * len(planned.outpaths), carried)

    def _below(self, number: int, file: MadeFile) -> RowBatch:
        """Return a file of the stage above as an input of this one."""
        import pyarrow as pa

        row = file.row
        arrays = [make_array([row.get(field.name)], field.type) for field in self._carried]
        carried = pa.RecordBatch.from_arrays(arrays, schema=self._carried) if arrays else rows_without_columns(1)
        return RowBatch(number, [row["outpath"]], [row["digest"]], carried)

    def _make_what_it_reads(self, batch: RowBatch) -> tuple[list[str], RowBatch]:
        """Compute the files of stages that are not built which an input is loaded from.

        Returns all texts it goes by, and the input with what is known of it now.
        """
        given = self._stage.load_arguments(batch)
        argument = given[0] if given is not None else _join(self._stage.input_folder(), batch.inpaths[0])
        texts = list(find_texts(argument))
        rows = {path: row for path in texts if (row := self._make_path(path)) is not None}
        if not rows:
            return texts, batch
        made = list(rows.values())
        digest = made[0]["digest"]
        if isinstance(self._stage.input_rows, JoinedRows):
            digest = join_digests([rows[path]["digest"] if path in rows else self._find_digest(path) for path in texts])
        return texts, fill_in(batch, made, digest)

    def _make_path(self, path: str) -> dict[str, Any] | None:
        """Compute the file that a load function looks for at a path, if a stage above makes it; return its row."""
        for source in self._above:
            folder = f"{source.target.files_folder()}/"
            if isinstance(source, ComputedItems) and path.startswith(folder):
                row = source.make_file(path.removeprefix(folder))
                if row is not None:
                    return row
        return None

    def _find_digest(self, path: str) -> str | None:
        """Return the digest of a file of a stage above that is built."""
        found = (source.find_digest(path) for source in self._above if isinstance(source, PublishedItems))
        return next((digest for digest in found if digest is not None), None)

    def make_file(self, outpath: str) -> dict[str, Any] | None:
        """Compute the item that becomes a path; return its row, None when no item does."""
        number = self.find(outpath)
        if number is None:
            return None  # the load function will say that it is not there
        rows = [file.row for file in self.made(number).files]
        if [row["outpath"] for row in rows] != [outpath]:
            names = ", ".join(str(row["outpath"]) for row in rows) or "nothing"
            raise SettingsError(
                f"{self.family} makes {names} where {outpath} was expected, which is known only when it is built: "
                f"{self.cure}"
            )
        return rows[0]

    def _refuse_to_guess(self, batch: RowBatch, outpaths: Sequence[str | Trouble]) -> None:
        """Refuse to plan without the files whose paths may depend on what the stages above record."""
        for place, outpath in enumerate(outpaths):
            if isinstance(outpath, Exception) and (batch.trouble is None or batch.trouble[place] is None):
                failed = f"outpath(row) of {self.family} fails for {batch.inpaths[place]} ({describe(outpath)})"
                self._refuse_unknown(failed, batch.carried.schema.names)

    def _refuse_unknown(self, what: str, names: Iterable[str]) -> None:
        """Refuse to go by columns that have no values before a stage above is built."""
        for source in self._above:
            unknown = source.unknown_columns if isinstance(source, ComputedItems) else {}
            for name in names:
                if name in unknown:
                    raise SettingsError(
                        f"{what}, and column {name!r} has no values before {unknown[name].family} is built: "
                        f"{unknown[name].cure}"
                    )

    def _explain(self, error: TintypeError) -> None:
        """Say, where a setting names a column that has no values yet, that this may be why the inputs are refused."""
        for name in plain_attributes(type(self._stage), stop=object, ignored=()):
            value = getattr(self._stage, name, None)
            if isinstance(value, str):
                self._refuse_unknown(f"{self.family}.{name} is {value!r} ({error})", (value,))


def _join(folder: str, path: str) -> str:
    return f"{folder}/{path}" if folder else path
