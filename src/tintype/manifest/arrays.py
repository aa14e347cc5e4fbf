"""Lists of plain values as Arrow arrays, without pandas.

The first ``pyarrow.array`` of a process imports pandas where it is installed, to ask whether its argument is a Series.
That takes 0.2 s and 45 MB in each process that Luigi forks, so the usual types are laid out here, as quickly.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from types import NoneType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

_MAX_TEXT_BYTES = (1 << 31) - 1
"""What the 32-bit offsets of Arrow's strings reach."""


def make_array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Return `values` as ``pyarrow.array(values, kind)`` does.

    Parameters
    ----------
    values
        Plain Python values and None.
    kind
        Any Arrow type; quick for bool, int64, float64 and string.

    Examples
    --------
    >>> import pyarrow as pa
    >>> make_array(["a", None, "bc"], pa.string()).to_pylist()
    ['a', None, 'bc']
    """
    import pyarrow as pa

    types = set(map(type, values))
    validity = None
    if types == {NoneType} and kind in (pa.string(), pa.bool_(), pa.int64(), pa.float64()):
        zeros = pa.py_buffer(bytes(8 * len(values) + 8))  # room for any of these types
        return pa.Array.from_buffers(kind, len(values), [zeros] * (3 if kind == pa.string() else 2))
    if NoneType in types:
        validity = _bits([value is not None for value in values])
        types.discard(NoneType)
    buffers: list[pa.Buffer] | None = None
    if kind == pa.string() and types <= {str}:
        buffers = _text_buffers(values if validity is None else [value or "" for value in values])
    elif kind == pa.bool_() and types <= {bool}:
        buffers = [_bits([value or False for value in values])]
    elif (kind == pa.int64() and types <= {int}) or (kind == pa.float64() and types <= {float}):
        code = "q" if kind == pa.int64() else "d"
        buffers = [pa.py_buffer(array(code, values if validity is None else [value or 0 for value in values]))]
    if buffers is None:
        return pa.array(values, kind)
    return pa.Array.from_buffers(kind, len(values), [validity, *buffers])


def text_scalar(text: str | None) -> pa.Scalar:
    """Return one text as an Arrow scalar."""
    import pyarrow as pa

    return make_array([text], pa.string())[0]


def from_numpy(values: npt.NDArray[np.generic], kind: pa.DataType) -> pa.Array:
    """Return a NumPy array as an Arrow array of a type that is laid out the same, without copying."""
    import numpy as np
    import pyarrow as pa

    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def to_numpy(values: pa.Array | pa.ChunkedArray) -> npt.NDArray[Any]:
    """Return whole numbers or floats without nulls as a NumPy array, read-only; of one chunk nothing is copied.

    Examples
    --------
    >>> import pyarrow as pa
    >>> to_numpy(pa.chunked_array([[3, 4], [5]])).tolist()
    [3, 4, 5]
    """
    import numpy as np
    import pyarrow as pa

    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    return np.from_dlpack(array)  # what np.asarray does imports pandas


def rows_without_columns(n_rows: int) -> pa.RecordBatch:
    """Return a batch with rows and no columns."""
    import pyarrow as pa

    return pa.RecordBatch.from_struct_array(pa.Array.from_buffers(pa.struct([]), n_rows, [None]))


def _bits(values: Sequence[bool]) -> pa.Buffer:
    import numpy as np
    import pyarrow as pa

    return pa.py_buffer(np.packbits(np.array(values, bool), bitorder="little"))


def _text_buffers(values: Sequence[str]) -> list[pa.Buffer] | None:
    """Return the offsets and the bytes of some texts; None when they are too long for 32-bit offsets."""
    import numpy as np
    import pyarrow as pa

    text = "".join(values)
    data = text.encode()
    if len(data) > _MAX_TEXT_BYTES:
        return None
    lengths = map(len, values) if len(data) == len(text) else (len(value.encode()) for value in values)
    offsets = np.zeros(len(values) + 1, np.int32)
    np.cumsum(np.fromiter(lengths, np.int32, len(values)), out=offsets[1:])
    return [pa.py_buffer(offsets), pa.py_buffer(data)]
