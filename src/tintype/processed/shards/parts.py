"""What an export is made from: the one directory above, and the parts that its files are in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from luigi.task import flatten

from tintype.errors import ManifestError, SettingsError
from tintype.manifest.schema import is_digested, travels
from tintype.tasks.inputs import directories
from tintype.tasks.naming import show_path

if TYPE_CHECKING:
    import pyarrow as pa

    from tintype.manifest.reader import Manifest
    from tintype.targets.directory import DirectoryTarget
    from tintype.tasks.stage import Stage

PART_COLUMN = "part"
"""Where SplitDataset says which part a file is in."""
_PART_NAME = re.compile(r"\w[\w .+=-]*")
_ROWS_PER_BATCH = 16_384


def find_directory_above(stage: Stage) -> DirectoryTarget:
    """Return the one directory that a stage exports.

    Raises
    ------
    SettingsError
        When the stage requires none, or several.
    """
    targets = directories(flatten(stage.input()), stage.get_task_family())
    if len(targets) > 1:
        raise SettingsError(
            f"{stage.get_task_family()} requires {', '.join(target.folder.name for target in targets)}, and exports "
            "the files of one stage: let it require that one alone"
        )
    return targets[0]


def find_part_column(schema: pa.Schema, name: str | None) -> str | None:
    """Return the column that says which part a file is in; None when the files are in no parts.

    Parameters
    ----------
    schema
        Of the manifest.
    name
        The column that was asked for. ``"part"``, the default, need not be there.

    Raises
    ------
    ManifestError
        When the column is not there, or is no text.
    """
    import pyarrow as pa

    if name is None or (name not in schema.names and name == PART_COLUMN):
        return None
    if name not in schema.names:
        raise ManifestError(
            f"there is no column {name!r} that says which part a file is in: set part_column to one of "
            f"{', '.join(schema.names)}, or to None"
        )
    if schema.field(name).type != pa.string():
        raise ManifestError(
            f"the column {name!r} holds {schema.field(name).type}, and the name of a part is text: set part_column to "
            "another column, or to None"
        )
    return name


def check_parts(names: Iterable[str]) -> list[str]:
    """Return the names of the parts in order, or refuse one that cannot begin the name of a file.

    Raises
    ------
    ManifestError
        When a name has other characters than letters, digits, spaces and ``_ . + = -``, or begins with one of these.

    Examples
    --------
    >>> check_parts(["valid", "train"])
    ['train', 'valid']
    """
    found = sorted(names)
    for name in found:
        # Readers expand braces, brackets and stars in the names of shards.
        if not _PART_NAME.fullmatch(name):
            raise ManifestError(
                f"{name!r} is the name of a part, and cannot begin the name of a file: use letters, digits and '_', "
                "or set part_column to None to put all files together"
            )
    return found


def batches_of_files(manifest: Manifest, columns: Iterable[str]) -> Iterator[pa.RecordBatch]:
    """Yield columns of the rows that have a file, in order."""
    wanted = list(dict.fromkeys(["outpath", *columns]))
    for batch in manifest.batches(wanted, rows_per_batch=_ROWS_PER_BATCH):
        if batch.column("outpath").null_count:
            batch = batch.filter(batch.column("outpath").is_valid())
        if batch.num_rows:
            yield batch.select(wanted)


def refuse_missing_part(batch: pa.RecordBatch, part_column: str) -> None:
    """Refuse a batch in which a file is in no part; ManifestError names the first."""
    column = batch.column(part_column)
    if column.null_count:
        place = column.is_null().to_pylist().index(True)
        raise ManifestError(
            f"{show_path(batch.column('outpath')[place].as_py())} is in no part, its {part_column!r} is empty: give "
            "each file a part, or set part_column to None"
        )


def exported_schema(manifest: Manifest) -> pa.Schema:
    """Return the schema of the columns that go with each file: the carried and recorded ones.

    Those that differ from one build to the next are left out, so that equal files give equal exports, and so are those
    that only say something about the stage above.
    """
    import pyarrow as pa

    fields = [field for field in manifest.extra_schema if travels(field) and is_digested(field)]
    return pa.schema([field.remove_metadata() for field in fields])


def name_in_condition(column: str, value: str) -> str:
    """Return the condition that a column has a value, for :meth:`ManifestView.where`.

    Examples
    --------
    >>> name_in_condition("part", "train")
    "column('part') == 'train'"
    """
    return f"column({column!r}) == {value!r}"
