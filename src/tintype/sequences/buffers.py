"""Arrays of one shape in memory that is used again."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from tintype.errors import SettingsError
from tintype.sequences.view import Indexable, View, count_items, find_origin, getter, to_index, walk

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

Fill = Callable[[Any, "NDArray[Any]"], object]


class BufferPool:
    """Arrays of one shape and type, handed out again when nobody else holds them.

    Parameters
    ----------
    max_cached
        Arrays that are kept for the next time.
    """

    def __init__(self, max_cached: int) -> None:
        self._max_cached = max_cached
        self._arrays: list[NDArray[Any]] = []
        self._lock = threading.Lock()

    def take(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """Return an array whose content is whatever was there before."""
        import numpy as np

        with self._lock:
            for place in range(len(self._arrays)):
                array = self._arrays[place]
                # The list, this variable and the argument of the call. Whoever else looks at the array's memory holds
                # it too, views and tensors among them.
                if sys.getrefcount(array) == 3 and array.shape == shape and array.dtype == dtype:
                    return array
            array = np.empty(shape, dtype)
            if len(self._arrays) < self._max_cached:
                self._arrays.append(array)
            return array


class Buffered(View[Any]):
    """A sequence of arrays in memory that is used again."""

    __slots__ = ("_dtype", "_fill", "_get", "_max_cached", "_pool", "_sequence", "_shape")

    def __init__(
        self,
        sequence: Indexable[Any],
        length: int,
        max_cached: int,
        fill: Fill | None,
        shape: tuple[int, ...] | None,
        dtype: DTypeLike | None,
    ) -> None:
        self._sequence = sequence
        self._length = length
        self._get = getter(sequence)
        self._max_cached = max_cached
        self._fill = fill
        self._shape = shape
        self._dtype = dtype
        self._pool = BufferPool(max_cached)

    def _item(self, index: int, /) -> NDArray[Any]:
        return self._load(self._get(index))

    def _walk(self, indexes: range, /) -> Iterator[NDArray[Any]]:
        for value in walk(self._sequence, indexes):
            yield self._load(value)

    def _load(self, value: Any) -> NDArray[Any]:
        import numpy as np

        if self._fill is not None:
            assert self._shape is not None
            array = self._pool.take(self._shape, np.dtype(self._dtype))
            self._fill(value, array)
            return array
        source = np.asarray(value)
        array = self._pool.take(source.shape, source.dtype)
        np.copyto(array, source)
        return array

    def _origin(self, index: int, /) -> str | None:
        return find_origin(self._sequence, index)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._sequence, self._length, self._max_cached, self._fill, self._shape, self._dtype)

    def _name(self) -> str:
        return f"buffers, {self._max_cached} kept"


def load_buffers(
    sequence: Indexable[Any],
    max_cached: int = 2,
    *,
    fill: Fill | None = None,
    shape: tuple[int, ...] | None = None,
    dtype: DTypeLike | None = None,
) -> View[Any]:
    """Return a sequence of arrays in memory that is used again, so that large ones of one shape cost no fresh pages.

    An array is used again when nobody holds it any more, nor a view of it. So what the caller has stays as it is, and
    reuse asks for no more than to let go: of the last array before the next one but one is read.

    Parameters
    ----------
    sequence
        Without `fill`: of arrays, which are copied. With it: of anything.
    max_cached
        Arrays that are kept for reuse, at least 1. While the caller holds as many, new ones are made.
    fill
        Called as ``fill(value, array)`` to write what a value of `sequence` stands for into an array of `shape` and
        `dtype`, all of it: what was there before is there still. Saves the copy, for decoders that can do so.
    shape, dtype
        Of the arrays; given with `fill`, and only then.

    Returns
    -------
    View
        As long as `sequence`. It pickles when `sequence` and `fill` do.

    Raises
    ------
    SettingsError
        When an argument cannot be used. A ValueError.
    TypeError
        When `sequence` is none, or has no end.

    Examples
    --------
    >>> import numpy as np
    >>> from tintype.sequences import load_buffers
    >>> arrays = load_buffers([1, 2, 3], fill=lambda value, array: array.fill(value), shape=(2,), dtype=np.uint8)
    >>> arrays, [array.sum() for array in arrays]
    (<buffers, 2 kept: 3 items>, [np.uint64(2), np.uint64(4), np.uint64(6)])
    """
    length = count_items("load_buffers", sequence)
    n_cached = to_index(max_cached)
    if n_cached < 1:
        raise SettingsError(f"max_cached is {n_cached}: give at least 1")
    if (fill is None) != (shape is None) or (fill is None) != (dtype is None):
        raise SettingsError("load_buffers needs fill, shape and dtype together, or none of them to copy arrays")
    # As an array says it, so that the two are equal where they are.
    sides = None if shape is None else tuple(to_index(side, "shape is made of ints") for side in shape)
    return Buffered(sequence, length, n_cached, fill, sides, dtype)
