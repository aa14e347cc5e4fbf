"""Single values of Arrow arrays as plain Python values, several times as quick as through Arrow's scalars."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

ValueReader = Callable[[int], Any]
"""Returns the value at a place of an array."""


def read_values_of(array: pa.Array) -> ValueReader:
    """Return a function that returns the value at a place, as ``array[place].as_py()`` does.

    Parameters
    ----------
    array
        Of any type; quick for text, 64-bit numbers and times in UTC.

    Examples
    --------
    >>> import pyarrow as pa
    >>> read = read_values_of(pa.array(["a", None, "bc"]))
    >>> read(2), read(1)
    ('bc', None)
    """
    if array.null_count == len(array):
        return lambda place: None
    read = _choose_reader(array)
    if array.null_count == 0:
        return read
    is_there = array.is_valid().to_numpy(zero_copy_only=False).tobytes()
    return lambda place: read(place) if is_there[place] else None


def _choose_reader(array: pa.Array) -> ValueReader:
    """Return a function for the places that have a value."""
    import pyarrow as pa

    kind = array.type
    if kind == pa.string():
        return _text_reader(array)
    if kind == pa.int64() or kind == pa.float64():
        return _numbers(array, "q" if kind == pa.int64() else "d").__getitem__
    if kind == pa.timestamp("us", "UTC"):
        return _time_reader(array)
    return lambda place: array[place].as_py()


def _text_reader(array: pa.Array) -> ValueReader:
    _, offsets_buffer, data_buffer = array.buffers()
    offsets = memoryview(offsets_buffer).cast("i")[array.offset :]
    data = memoryview(data_buffer) if data_buffer is not None else memoryview(b"")

    def read(place: int) -> str:
        return str(data[offsets[place] : offsets[place + 1]], "utf8")

    return read


def _time_reader(array: pa.Array) -> ValueReader:
    import pyarrow as pa

    microseconds = _numbers(array, "q")
    epoch = datetime(1970, 1, 1, tzinfo=pa.lib.string_to_tzinfo("UTC"))

    def read(place: int) -> datetime:
        return epoch + timedelta(microseconds=microseconds[place])

    return read


def _numbers(array: pa.Array, code: str) -> memoryview:
    return memoryview(array.buffers()[1]).cast(code)[array.offset :]  # type: ignore[call-overload, no-any-return]
