"""The files of the stage above with their labels and groups, and then with their parts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from tintype.errors import SplitError
from tintype.manifest.arrays import from_numpy
from tintype.processed.splits.names import join_paths
from tintype.processed.splits.plan import SplitFiles, SplitPlan, SplitRule, plan_split
from tintype.processed.splits.table import TableJoin, read_table, to_text
from tintype.tasks.rows import InputRows, RowBatch

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

DIGITS_COLUMN = "split_digits"
"""The hidden column that says how many digits the name of a file has."""


class TableColumns(NamedTuple):
    """A table beside the files, and how its rows belong to them."""

    table: str | os.PathLike[str] | pd.DataFrame
    key: str
    """The table's column that files are found by."""
    join_on: str | None
    """The column of the files with the same values; None: ``key`` has their paths."""

    @property
    def shown(self) -> str:
        """What the table is called in messages."""
        return os.fspath(self.table) if isinstance(self.table, str | os.PathLike) else "the table"


class LabelledRows(InputRows):
    """The files of the stage above, each with its label and group, from its own columns or from a table.

    Parameters
    ----------
    files
        The files.
    label, group
        Names of the columns; no group makes each file one of its own.
    table
        Has the columns, when the files do not; what it has counts more than what they have.
    """

    def __init__(self, files: InputRows, label: str, group: str | None, table: TableColumns | None = None) -> None:
        self.files_above = files
        self._label, self._group = label, group
        self._table = table

    @cached_property
    def carried_schema(self) -> pa.Schema:
        """Arrow schema of the files' columns, and of those that come from the table."""
        import pyarrow as pa

        fields = {field.name: field for field in self.files_above.carried_schema}
        for name in self._from_table:
            fields[name] = pa.field(name, pa.string())
        return pa.schema(list(fields.values()))

    def batches(self) -> Iterator[RowBatch]:
        """Yield the files with these columns."""
        import pyarrow as pa

        for batch in self.files_above.batches():
            if self._join is None:
                yield batch
                continue
            places = self._find(batch)
            columns = {name: batch.carried.column(name) for name in batch.carried.schema.names}
            for name in self._from_table:
                columns[name] = self._join.table.column(name).combine_chunks().take(places)
            arrays = [columns[name] for name in self.carried_schema.names]
            carried = pa.RecordBatch.from_arrays(arrays, schema=self.carried_schema)
            yield RowBatch(batch.start, batch.paths, batch.input_digests, carried, batch.hidden, batch.trouble)

    def files(self) -> Iterator[SplitFiles]:
        """Yield what a split goes by.

        Raises
        ------
        SplitError
            When there is no such column, or one whose values are no names.
        """
        for name, what in ((self._label, "label"), (self._group, "group")):
            if name is not None and name not in self.carried_schema.names:
                raise SplitError(
                    f"the files have no column {name!r}, which is the {what}; there are: "
                    f"{', '.join(map(repr, self.carried_schema.names)) or 'none'}. Set {what} to one of them, or table "
                    "to a file that has it"
                )
        for batch in self.batches():
            label = to_text(batch.carried.column(self._label), f"column {self._label!r}")
            group = None
            if self._group is not None:
                group = to_text(batch.carried.column(self._group), f"column {self._group!r}")
            yield SplitFiles(batch.inpaths, label, group)
        if self._join is not None and self._table is not None:
            self._join.tell_unused(self._table.shown)

    @cached_property
    def _from_table(self) -> list[str]:
        return [] if self._join is None else [name for name in self._join.table.schema.names if name in self._wanted]

    @property
    def _wanted(self) -> list[str]:
        return [self._label] if self._group is None else [self._label, self._group]

    @cached_property
    def _join(self) -> TableJoin | None:
        if self._table is None:
            return None
        table = read_table(self._table.table, [self._table.key], optional=self._wanted)
        return TableJoin(table, self._table.key, by_path=self._table.join_on is None, shown=self._table.shown)

    def _find(self, batch: RowBatch) -> Any:
        assert self._join is not None
        assert self._table is not None
        if self._table.join_on is None:
            return self._join.find(batch.identities[0])
        if self._table.join_on not in batch.carried.schema.names:
            raise SplitError(
                f"the files have no column {self._table.join_on!r} to join {self._table.shown} on; there are: "
                f"{', '.join(map(repr, batch.carried.schema.names)) or 'none'}"
            )
        return self._join.find(to_text(batch.carried.column(self._table.join_on), "the column to join on"))


class SplitRows(InputRows):
    """The files with the part that each goes to.

    Parameters
    ----------
    files
        The files with label and group.
    rule
        How they are split.
    part_column
        Name of the column.
    """

    def __init__(self, files: LabelledRows, rule: SplitRule, part_column: str) -> None:
        self._files = files
        self._rule = rule
        self._part_column = part_column

    @property
    def files_above(self) -> InputRows:
        """The files as the stage above has them."""
        return self._files.files_above

    @cached_property
    def plan(self) -> SplitPlan:
        """Where each file goes; the first access reads all rows."""
        return plan_split(self._files.files, self._rule)

    @cached_property
    def carried_schema(self) -> pa.Schema:
        """Arrow schema of the files' columns, and the part."""
        import pyarrow as pa

        schema = self._files.carried_schema
        if self._part_column in schema.names:
            raise SplitError(
                f"the files carry a column {self._part_column!r} already: set part_column to another name for this one"
            )
        return schema.append(pa.field(self._part_column, pa.string()))

    def batches(self) -> Iterator[RowBatch]:
        """Yield the files with their parts."""
        import pyarrow as pa

        plan = self.plan
        for batch in self._files.batches():
            stop = batch.start + len(batch)
            arrays = [*batch.carried.columns, plan.part_names(batch.start, stop)]
            carried = pa.RecordBatch.from_arrays(arrays, schema=self.carried_schema)
            digits = from_numpy(plan.digits[batch.start : stop], pa.uint8())
            hidden = pa.RecordBatch.from_arrays([digits], names=[DIGITS_COLUMN])
            yield RowBatch(batch.start, batch.paths, batch.input_digests, carried, hidden, batch.trouble)


def planned_paths(batch: RowBatch, label: str, part_column: str) -> list[str]:
    """Return where each file of a batch of :class:`SplitRows` goes.

    Parameters
    ----------
    batch
        The files.
    label, part_column
        Names of the columns that have their labels and their parts.
    """
    assert batch.hidden is not None
    return join_paths(
        batch.carried.column(part_column).to_pylist(),
        to_text(batch.carried.column(label), "the label").to_pylist(),
        batch.inpaths,
        batch.hidden.column(DIGITS_COLUMN).to_pylist(),
    )
