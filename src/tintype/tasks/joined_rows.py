"""The files of several stages, joined: an image and its mask are one input."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

from tintype.errors import JoinError, ManifestError, SettingsError
from tintype.manifest.arrays import make_array, rows_without_columns
from tintype.tasks.naming import show_path
from tintype.tasks.rows import ROWS_PER_BATCH, InputRows, LeftOut, ManifestRows, RowBatch, Trouble

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from tintype.targets.directory import DirectoryTarget


class JoinedRows(InputRows):
    """The files of the first stage, in its order, each with the file of every other stage that belongs to it.

    A file without a partner is a row too, failed or dropped, with the reason. The first stage is streamed; of the
    others, paths, digests and carried columns are held in memory, some hundred bytes a file.

    Parameters
    ----------
    targets
        The directories, the leading one first. One file of it has at most one of each other; a file of another may
        belong to several of it. Of a column that several carry, the first one's values count.
    on
        ``"path"``: files belong together whose relative paths without extension are equal. Or names of columns that
        all of them carry: files belong together whose values are equal, and none missing.
    unmatched
        ``"fail"`` or ``"drop"``: what becomes of a file without a partner.

    Raises
    ------
    SettingsError
        When `unmatched` is neither.
    """

    def __init__(
        self,
        targets: Sequence[DirectoryTarget],
        *,
        on: str | Sequence[str] = "path",
        unmatched: Literal["fail", "drop"] = "fail",
    ) -> None:
        if unmatched not in {"fail", "drop"}:
            raise SettingsError(f"unmatched is {unmatched!r}: give 'fail' or 'drop'")
        self._targets = list(targets)
        self._on = () if on == "path" else (on,) if isinstance(on, str) else tuple(on)
        self._drops = unmatched == "drop"

    @cached_property
    def carried_schema(self) -> pa.Schema:
        """Arrow schema of the columns that the stages carry."""
        import pyarrow as pa

        fields = {}
        for schema in (self._leading.carried_schema, *(side.carried_schema for side in self._others)):
            fields.update({field.name: field for field in schema if field.name not in fields})
        return pa.schema(list(fields.values()))

    def batches(self) -> Iterator[RowBatch]:
        """Yield the files of the first stage with their partners, then those of the others that are nobody's."""
        import numpy as np

        is_used = [np.zeros(len(side.table), bool) for side in self._others]
        n_rows = 0
        for batch in self._leading.batches():
            keys = self._keys(batch.inpaths, batch.carried, self._targets[0])
            places = [side.find(keys) for side in self._others]
            for used, found in zip(is_used, places, strict=True):
                used[found[found >= 0]] = True
            yield self._with_partners(batch, places)
            n_rows += len(batch)
        for number, used in enumerate(is_used):
            unused = np.flatnonzero(~used)
            for first in range(0, len(unused), ROWS_PER_BATCH):
                some = unused[first : first + ROWS_PER_BATCH]
                yield self._without_partner(n_rows, number, some)
                n_rows += len(some)

    def load_arguments(self, batch: RowBatch) -> Sequence[tuple[str, ...]]:
        """Return the paths of the files that belong together, for each input."""
        assert batch.hidden is not None
        folders = [f"{target.files_folder()}/" for target in self._targets]
        paths = zip(batch.inpaths, *(column.to_pylist() for column in batch.hidden.columns), strict=True)
        return [tuple(folder + (path or "") for folder, path in zip(folders, row, strict=True)) for row in paths]

    @cached_property
    def _leading(self) -> ManifestRows:
        return ManifestRows(self._targets[0].manifest())

    @cached_property
    def _others(self) -> list[_Side]:
        sides = []
        for target in self._targets[1:]:
            rows = ManifestRows(target.manifest())
            tables = list(rows.batches())
            keys = [self._keys(batch.inpaths, batch.carried, target) for batch in tables]
            sides.append(_Side(target, rows.carried_schema, tables, keys))
        return sides

    def _keys(self, paths: Sequence[str], carried: pa.RecordBatch, target: DirectoryTarget) -> pa.Array:
        """Return what each file is joined by, as text; null where a column has no value."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not self._on:
            return make_array([os.path.splitext(path)[0] for path in paths], pa.string())
        missing = sorted(set(self._on) - set(carried.schema.names))
        if missing:
            raise ManifestError(
                f"{target.path} carries no columns {missing} to join on: it carries {carried.schema.names}"
            )
        columns = [carried.column(name).cast(pa.string()) for name in self._on]
        return pc.binary_join_element_wise(*columns, "\x1f")

    def _with_partners(self, batch: RowBatch, places: Sequence[npt.NDArray[np.int64]]) -> RowBatch:
        trouble: list[Trouble | None] = [None] * len(batch)
        for side, found in zip(self._others, places, strict=True):
            for place in (found < 0).nonzero()[0].tolist():
                trouble[place] = trouble[place] or self._lacks(batch.inpaths[place], self._targets[0], side.target)
        partners = [side.take(found) for side, found in zip(self._others, places, strict=True)]
        digests = zip(
            (batch.input_digest(place) for place in range(len(batch))),
            *(partner.column("digest").to_pylist() for partner in partners),
            strict=True,
        )
        return RowBatch(
            batch.start,
            batch.inpaths,
            [join_digests(several) for several in digests],
            self._carried([batch.carried, *partners], len(batch)),
            _hide([partner.column("outpath").combine_chunks() for partner in partners]),
            trouble if any(trouble) else None,
        )

    def _without_partner(self, start: int, number: int, places: npt.NDArray[np.int64]) -> RowBatch:
        import pyarrow as pa

        side = self._others[number]
        rows = side.take(places)
        paths: list[str] = rows.column("outpath").to_pylist()
        return RowBatch(
            start,
            paths,
            rows.column("digest").to_pylist(),
            self._carried([rows], len(paths)),
            _hide([pa.nulls(len(paths), pa.string()) for _ in self._others]),
            [self._lacks(path, side.target, self._targets[0]) for path in paths],
        )

    def _carried(self, tables: Sequence[pa.RecordBatch | pa.Table], n_rows: int) -> pa.RecordBatch:
        """Return the carried columns; of one name, those of the first table that has it."""
        import pyarrow as pa

        arrays: dict[str, Any] = {}
        for table in tables:
            arrays.update({name: table.column(name) for name in table.schema.names if name not in arrays})
        columns = [arrays.get(field.name, pa.nulls(n_rows, field.type)) for field in self.carried_schema]
        whole = [column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column for column in columns]
        return pa.RecordBatch.from_arrays(whole, schema=self.carried_schema) if whole else rows_without_columns(n_rows)

    def _lacks(self, path: str, here: DirectoryTarget, there: DirectoryTarget) -> Trouble:
        by = f"the columns {', '.join(self._on)}" if self._on else "relative path without extension"
        error = JoinError(f"{show_path(path)} of {here.path} has no partner in {there.path}, joined by {by}")
        return LeftOut(error) if self._drops else error


class _Side:
    """The files of one stage that others are looked up in."""

    def __init__(
        self, target: DirectoryTarget, carried_schema: pa.Schema, batches: Sequence[RowBatch], keys: Sequence[pa.Array]
    ) -> None:
        import pyarrow as pa

        self.target = target
        self.carried_schema = carried_schema
        schema = pa.schema([("outpath", pa.string()), ("digest", pa.string()), *carried_schema])
        self.table = pa.Table.from_batches(
            [
                pa.RecordBatch.from_arrays([*batch.identities, *batch.carried.columns], schema=schema)
                for batch in batches
            ],
            schema,
        )
        self._keys = pa.chunked_array(list(keys), pa.string()).combine_chunks()
        self._refuse_repeated()

    def find(self, keys: pa.Array) -> npt.NDArray[np.int64]:
        """Return the place of the file with each key; -1 where there is none."""
        import numpy as np
        import pyarrow.compute as pc

        found = pc.index_in(keys, value_set=self._keys, skip_nulls=True).fill_null(-1)
        return np.asarray(found).astype(np.int64)

    def take(self, places: npt.NDArray[np.int64]) -> pa.Table:
        """Return the rows at some places; nulls for -1."""
        import pyarrow as pa

        return self.table.take(pa.array(places, mask=places < 0))

    def _refuse_repeated(self) -> None:
        import pyarrow.compute as pc

        counts = pc.value_counts(self._keys.drop_null())
        repeated = counts.filter(pc.greater(counts.field("counts"), 1))
        if len(repeated):
            key = repeated[0]["values"]
            paths = self.table.column("outpath").filter(pc.equal(self._keys, key)).to_pylist()
            raise JoinError(
                f"{show_path(paths[0])} and {show_path(paths[1])} of {self.target.path} would both be partners of one "
                f"file (they have the key {key.as_py()!r}): leave one out, or join on columns that tell them apart"
            )


def join_digests(digests: Sequence[str | None]) -> str | None:
    """Return one digest for several files; None when one of them has none."""
    known = [digest for digest in digests if digest is not None]
    return sha256("\n".join(known).encode()).hexdigest() if len(known) == len(digests) else None


def _hide(paths: Sequence[pa.Array]) -> pa.RecordBatch:
    import pyarrow as pa

    return pa.RecordBatch.from_arrays(list(paths), names=[f"partner_{number}" for number in range(len(paths))])
