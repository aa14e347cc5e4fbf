"""One WebDataset shard: a tar archive with each file as it is, and beside it what is known of it as JSON."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from tintype.manifest.json_texts import ColumnEncoder
from tintype.processed.shards.files import ShardFile
from tintype.processed.shards.webdataset_keys import name_sample

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

METADATA = "json"
"""The extension of what is known of a file."""
_ROWS_AT_A_TIME = 1_024
_MOST_IN_OCTAL = 8**11
"""What eleven octal digits do not hold any more."""
_NAME, _SIZE, _SUM = slice(0, tarfile.LENGTH_NAME), slice(124, 135), slice(148, 154)
"""Where a header has what differs from one plain file to another."""
_NAMELESS = np.frombuffer(tarfile.TarInfo().tobuf(tarfile.PAX_FORMAT, "utf-8", "strict"), np.uint8)
# The sum of a header is taken with spaces in its own place, and _NAMELESS has a size of eleven zeros.
_SUM_OF_REST = int(_NAMELESS.sum() - _NAMELESS[148:156].sum()) + 8 * ord(" ") - 11 * ord("0")


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
            for outpath, size_bytes, before, after in self._frame(table.slice(start, _ROWS_AT_A_TIME)):
                self._file.write(before)
                self._file.copy(self._folder, outpath, size_bytes)
                self._file.write(after)
                on_file()

    def finish(self) -> None:
        """Write the end of the archive, and hand all of it to the system."""
        self._file.write(bytes(2 * tarfile.BLOCKSIZE))
        self._file.write(bytes(-self._file.size_bytes % tarfile.RECORDSIZE))
        self._file.flush()

    def _frame(self, rows: pa.Table) -> Iterator[tuple[str, int, bytes, bytes]]:
        """Yield path and size of each file, and what stands before and after its bytes in the archive."""
        outpaths, sizes, shared = (rows.column(name).to_pylist() for name in ("outpath", "size_bytes", "is_shared"))
        names = [name_sample(path, is_shared=is_shared) for path, is_shared in zip(outpaths, shared, strict=True)]
        metadata = to_json(rows.select(self._columns))
        headers = make_headers([f"{key}.{extension}" for key, extension in names], sizes)
        metadata_headers = make_headers([f"{key}.{METADATA}" for key, _ in names], list(map(len, metadata)))
        after = [
            b"%b%b%b%b" % (_padding(size), header, text, _padding(len(text)))
            for size, header, text in zip(sizes, metadata_headers, metadata, strict=True)
        ]
        return zip(outpaths, sizes, headers, after, strict=True)


def _padding(size_bytes: int) -> bytes:
    return bytes(-size_bytes % tarfile.BLOCKSIZE)


def make_headers(names: Sequence[str], sizes: Sequence[int]) -> list[bytes]:
    """Return the headers of regular files in a tar archive, as :mod:`tarfile` makes them.

    Parameters
    ----------
    names
        Of the files.
    sizes
        Of the files, in bytes.

    Examples
    --------
    >>> list(map(len, make_headers(["cats/1.jpg", "chats/été.jpg"], [700, 700])))
    [512, 1536]
    """
    is_plain = [
        name.isascii() and len(name) <= tarfile.LENGTH_NAME and size < _MOST_IN_OCTAL
        for name, size in zip(names, sizes, strict=True)
    ]
    # All at once, a twentieth of the time: of two plain headers only the name, the size and the sum of bytes differ.
    encoded = [name.encode() if plain else b"" for name, plain in zip(names, is_plain, strict=True)]
    own_names = np.array(encoded, f"S{tarfile.LENGTH_NAME}").view(np.uint8).reshape(len(names), tarfile.LENGTH_NAME)
    own_sizes = _in_octal(np.array(sizes, np.int64), 11)
    headers = np.tile(_NAMELESS, (len(names), 1))
    headers[:, _NAME], headers[:, _SIZE] = own_names, own_sizes
    own_sums = own_names.sum(axis=1, dtype=np.int64) + own_sizes.sum(axis=1, dtype=np.int64)
    headers[:, _SUM] = _in_octal(_SUM_OF_REST + own_sums, 6)
    data = headers.tobytes()
    return [
        data[place * tarfile.BLOCKSIZE : (place + 1) * tarfile.BLOCKSIZE] if plain else _make_pax_header(name, size)
        for place, (name, size, plain) in enumerate(zip(names, sizes, is_plain, strict=True))
    ]


def _in_octal(numbers: NDArray[np.int64], n_digits: int) -> NDArray[np.uint8]:
    """Return the last octal digits of numbers as ASCII, shape (n, n_digits)."""
    shifts = np.arange(3 * (n_digits - 1), -1, -3)
    return ((numbers[:, np.newaxis] >> shifts) & 7).astype(np.uint8) + np.uint8(ord("0"))


def _make_pax_header(name: str, size_bytes: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = size_bytes
    return member.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


def to_json(rows: pa.Table) -> list[bytes]:
    """Return each row as JSON in UTF-8. Times are ISO 8601 text; what is no number (NaN, infinity) is null.

    Examples
    --------
    >>> import pyarrow as pa
    >>> rows = pa.table({"outpath": ["cats/1.jpg"], "label": ["cats"], "sharpness": [float("nan")]})
    >>> print(to_json(rows)[0].decode())
    {"outpath": "cats/1.jpg", "label": "cats", "sharpness": null}
    """
    form = ", ".join(f"{name.replace('%', '%%')}: %s" for name in _encode_each(rows.schema.names))
    values = zip(*(_encode_column(column.to_pylist()) for column in rows.columns), strict=True)
    return [f"{{{form % row}}}".encode() for row in values]


def _encode_column(values: list[Any]) -> list[str]:
    try:
        return _encode_each(values)
    except ValueError:
        return _encode_each([None if isinstance(value, float) and not isfinite(value) else value for value in values])


def _as_text(value: Any) -> str:
    return str(value.isoformat() if hasattr(value, "isoformat") else value)


_encode_each = ColumnEncoder(ensure_ascii=False, allow_nan=False, default=_as_text)
