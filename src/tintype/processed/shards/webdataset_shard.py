"""One WebDataset shard: a tar archive with each file as it is, and beside it what is known of it as JSON."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

from tintype.processed.shards.files import ShardFile, SourceFile
from tintype.processed.shards.webdataset_keys import name_sample

if TYPE_CHECKING:
    import pyarrow as pa

METADATA = "json"
"""The extension of what is known of a file."""
_ROWS_AT_A_TIME = 1_024
_BLOCK = bytes(tarfile.BLOCKSIZE)
_MOST_IN_OCTAL = 8**11
"""What eleven octal digits do not hold any more."""
_NAMELESS = tarfile.TarInfo().tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")
_AROUND_NAME_SIZE_AND_SUM = _NAMELESS[100:124], _NAMELESS[135:148], _NAMELESS[154:]
# The sum of a header is taken with spaces in its own place, and _NAMELESS has a size of eleven zeros.
_SUM_OF_REST = sum(_NAMELESS) - sum(_NAMELESS[148:156]) + 8 * ord(" ") - 11 * ord("0")


class TarShard:
    """Writes files to a tar archive whose bytes depend on theirs alone: no times, owners or modes of the machine.

    Headers are ustar; a name that is long or not ASCII has a pax header.

    Parameters
    ----------
    file
        Where the archive goes.
    folder
        What the paths are relative to.
    columns
        Names of the columns that go with each file.
    """

    def __init__(self, file: ShardFile, folder: str, columns: Sequence[str]) -> None:
        self._file = file
        self._folder = folder
        self._columns = ["outpath", *columns]

    def add(self, table: pa.Table, on_file: Callable[[], None]) -> None:
        """Write the files of some rows, each under its key.

        Parameters
        ----------
        table
            Has ``outpath``, ``size_bytes``, ``is_shared`` and the columns.
        on_file
            Called after each file.

        Raises
        ------
        BadFileError
            When a file cannot be read.
        """
        for start in range(0, len(table), _ROWS_AT_A_TIME):
            part = table.slice(start, _ROWS_AT_A_TIME)
            sizes, shared = (part.column(name).to_pylist() for name in ("size_bytes", "is_shared"))
            for row, size, is_shared in zip(part.select(self._columns).to_pylist(), sizes, shared, strict=True):
                self._add_file(row, size, is_shared)
                on_file()

    def finish(self) -> None:
        """Write the end of the archive, and hand all of it to the system."""
        self._file.write(2 * _BLOCK)
        self._pad(tarfile.RECORDSIZE)
        self._file.flush()

    def _add_file(self, row: Mapping[str, Any], size_bytes: int, is_shared: bool) -> None:
        name = name_sample(row["outpath"], is_shared=is_shared)
        with SourceFile(self._folder, row["outpath"], size_bytes) as source:
            self._file.write(make_header(f"{name.key}.{name.extension}", size_bytes))
            self._file.copy(source)
        self._pad(tarfile.BLOCKSIZE)
        metadata = to_json(row)
        self._file.write(make_header(f"{name.key}.{METADATA}", len(metadata)))
        self._file.write(metadata)
        self._pad(tarfile.BLOCKSIZE)

    def _pad(self, block_bytes: int) -> None:
        self._file.write(bytes(-self._file.size_bytes % block_bytes))


def make_header(name: str, size_bytes: int) -> bytes:
    """Return the header of a regular file in a tar archive, as :mod:`tarfile` makes it.

    Examples
    --------
    >>> len(make_header("cats/1.jpg", 700)), len(make_header("chats/été.jpg", 700))
    (512, 1536)
    """
    if len(name) > tarfile.LENGTH_NAME or size_bytes >= _MOST_IN_OCTAL or not name.isascii():
        member = tarfile.TarInfo(name)
        member.size = size_bytes
        return member.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")
    # A tenth of the time: of two plain headers nothing but the name, the size and the sum of all bytes differs.
    own_name, own_size = name.encode(), b"%011o" % size_bytes
    checksum = _SUM_OF_REST + sum(own_name) + sum(own_size)
    before, between, after = _AROUND_NAME_SIZE_AND_SUM
    return b"%b%b%b%b%06o%b" % (own_name.ljust(tarfile.LENGTH_NAME, b"\0"), before, own_size, between, checksum, after)


def to_json(row: Mapping[str, Any]) -> bytes:
    """Return a row as JSON in UTF-8. Times are ISO 8601 text; what is no number (NaN, infinity) is null.

    Examples
    --------
    >>> print(to_json({"outpath": "cats/1.jpg", "label": "cats", "sharpness": float("nan")}).decode())
    {"outpath": "cats/1.jpg", "label": "cats", "sharpness": null}
    """
    try:
        text = _encode(row)
    except ValueError:
        text = _encode({name: None if _is_no_number(value) else value for name, value in row.items()})
    return text.encode()


def _is_no_number(value: Any) -> bool:
    return isinstance(value, float) and not isfinite(value)


def _as_text(value: Any) -> str:
    return str(value.isoformat() if hasattr(value, "isoformat") else value)


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=_as_text).encode  # one a call takes 2 us
