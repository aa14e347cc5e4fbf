"""The columns of a manifest. Types are declared here, never guessed from the rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

from tintype.errors import ManifestError, SettingsError

if TYPE_CHECKING:
    import pyarrow as pa

MANIFEST_NAME = "_manifest.parquet"
STAMP_NAME = "_stamp.json"
RESERVED_NAMES = frozenset({MANIFEST_NAME, STAMP_NAME})
"""Names at the top of a published directory that no result may have."""

FORMAT_VERSION = 1
FORMAT_KEY = b"tintype_manifest"

FIXED_COLUMNS = (
    "inpath",
    "outpath",
    "status",
    "error_type",
    "error",
    "input_digest",
    "digest",
    "size_bytes",
    "seconds",
    "time_finished",
)


class Status(StrEnum):
    """What became of one input."""

    WRITTEN = "written"
    """A file was written."""
    REUSED = "reused"
    """The file of the last build was taken over."""
    RECORDED = "recorded"
    """The file was read and its columns recorded; this stage writes no file for an input."""
    SKIPPED = "skipped"
    """The output was already there."""
    DROPPED = "dropped"
    """An op returned None: the file is not wanted."""
    FAILED = "failed"
    """An exception was caught; see ``error_type`` and ``error``."""


def fixed_schema() -> pa.Schema:
    """Return the schema of the fixed columns, in the order of :data:`FIXED_COLUMNS`."""
    import pyarrow as pa

    types = {"size_bytes": pa.int64(), "seconds": pa.float64(), "time_finished": pa.timestamp("us", tz="UTC")}
    return pa.schema([pa.field(name, types.get(name, pa.string())) for name in FIXED_COLUMNS])


def manifest_schema(extra: pa.Schema) -> pa.Schema:
    """Return the whole schema of a manifest: the fixed columns, then `extra`, with the format's version.

    Raises
    ------
    ManifestError
        When an extra column has the name of a fixed one.
    """
    import pyarrow as pa

    clashes = sorted(set(extra.names) & set(FIXED_COLUMNS))
    if clashes:
        raise ManifestError(
            f"the columns {clashes} are the manifest's own: give the carried or recorded columns other names"
        )
    repeated = sorted({name for name in extra.names if extra.names.count(name) > 1})
    if repeated:
        raise ManifestError(f"the columns {repeated} are both carried from upstream and recorded: rename one of each")
    fields = [*fixed_schema(), *extra]
    return pa.schema(fields, metadata={FORMAT_KEY: str(FORMAT_VERSION).encode()})


UNDIGESTED = {b"tintype_undigested": b"1"}
"""Mark of a column that does not count in a directory's digest, in its own stage and wherever it is carried."""
STAYING = {b"tintype_staying": b"1"}
"""Mark of a column that later stages do not get."""


def is_digested(field: pa.Field) -> bool:
    """Return whether a column counts when two builds are compared."""
    return not (field.metadata or {}).keys() & UNDIGESTED.keys()


def travels(field: pa.Field) -> bool:
    """Return whether a column goes on to later stages."""
    return not (field.metadata or {}).keys() & STAYING.keys()


def mark_undigested(schema: pa.Schema, names: Collection[str]) -> pa.Schema:
    """Return `schema` with the named columns marked as not counting in a directory's digest."""
    return _mark(schema, names, UNDIGESTED)


def mark_staying(schema: pa.Schema, names: Collection[str]) -> pa.Schema:
    """Return `schema` with the named columns marked as not going on to later stages."""
    return _mark(schema, names, STAYING)


def _mark(schema: pa.Schema, names: Collection[str], mark: Mapping[bytes, bytes]) -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        [field.with_metadata({**(field.metadata or {}), **mark}) if field.name in names else field for field in schema]
    )


def columns_schema(columns: Mapping[str, type]) -> pa.Schema:
    """Return the Arrow schema of declared columns.

    Parameters
    ----------
    columns
        Type of each column: bool, int (64 bits), float (64 bits) or str.

    Raises
    ------
    SettingsError
        When a type is none of these.
    """
    import pyarrow as pa

    types = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
    for name, kind in columns.items():
        if kind not in types:
            raise SettingsError(f"column {name!r} is declared as {kind!r}: declare it as bool, int, float or str")
    return pa.schema([pa.field(name, types[kind]) for name, kind in columns.items()])
