"""Items by number of what can only be read from its beginning."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, SupportsIndex, overload

from tintype.errors import SettingsError
from tintype.sequences.view import Item, Picked, View, show_count, to_index


class Uniter(View[Item]):
    """Items of an iterable by number: by stepping on from the last one, or beginning again.

    The length, unless it was given, is counted by a pass over the iterable the first time that something needs it.
    """

    __slots__ = ("_cache", "_iterator", "_lock", "_n_items", "_n_read", "_recent", "_source")

    def __init__(self, source: Any, cache: int, n_items: int | None) -> None:
        self._source = source
        self._cache = cache
        self._n_items = n_items
        self._lock = threading.RLock()
        self._iterator: Iterator[Item] | None = None
        self._n_read = 0
        """How many items `_iterator` has given."""
        self._recent: deque[Item] = deque(maxlen=cache + 1)
        """The last of them."""

    @property
    def _length(self) -> int:  # type: ignore[override]
        with self._lock:
            if self._n_items is None:
                self._n_items = sum(1 for _ in self._begin())
            return self._n_items

    @overload
    def __getitem__(self, key: SupportsIndex, /) -> Item: ...
    @overload
    def __getitem__(self, key: slice, /) -> Picked[Item]: ...
    def __getitem__(self, key: SupportsIndex | slice, /) -> Item | Picked[Item]:
        """Return one item, or a view of a slice."""
        if isinstance(key, slice):
            return super().__getitem__(key)
        index = to_index(key)
        if index < 0 or self._n_items is not None:
            return self._item(self._place(index))
        return self._item(index)  # which finds out where the end is, if it gets there

    def _item(self, index: int, /) -> Item:
        with self._lock:
            oldest = self._n_read - len(self._recent)
            if index < oldest or self._iterator is None:
                self._iterator = self._begin()
                self._n_read = oldest = 0
                self._recent.clear()
            while self._n_read <= index:
                self._recent.append(self._step())
                self._n_read += 1
            return self._recent[index - self._n_read]

    def _step(self) -> Item:
        assert self._iterator is not None
        try:
            return next(self._iterator)
        except StopIteration:
            self._iterator = None
            n_items = self._n_items if self._n_items is not None else self._n_read
            if n_items != self._n_read:
                self._end_early(self._n_read)
            self._n_items = n_items
            self._refuse(self._n_read)
        except BaseException:
            self._iterator = None  # a generator that has raised gives nothing any more: begin again
            raise

    def _end_early(self, n_read: int) -> None:
        raise IndexError(f"the iterable of {self!r} has ended after {show_count(n_read)}: give its true size")

    def _begin(self) -> Iterator[Item]:
        return iter(self._source() if not hasattr(self._source, "__iter__") else self._source)

    def __iter__(self) -> Iterator[Item]:
        """Yield the items in order, from an iterator of its own."""
        n_read = 0
        for item in islice(self._begin(), self._n_items):
            yield item
            n_read += 1
        if self._n_items is None:
            self._n_items = n_read
        elif n_read < self._n_items:
            self._end_early(n_read)

    def _walk(self, indexes: range, /) -> Iterator[Item]:
        if indexes.step < 0:
            yield from super()._walk(indexes)
            return
        n_read = 0
        for item in islice(self._begin(), indexes.start, indexes.stop, indexes.step):
            yield item
            n_read += 1
        if n_read < len(indexes):
            raise IndexError(
                f"the iterable of {self!r} has ended early: it gave {show_count(n_read)} of {len(indexes):,}"
            )

    def __repr__(self) -> str:
        return f"<uniter: {'not counted' if self._n_items is None else show_count(self._n_items)}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._source, self._cache, self._n_items)


def uniter(
    iterable: Iterable[Item] | Callable[[], Iterable[Item]], cache: int = 0, size: int | None = None
) -> View[Item]:
    """Return a sequence of the items of something that can only be read from its beginning.

    To read an item steps on from the last one that was read, or begins again when it is further back. Several threads
    may read; one steps at a time. Iteration has an iterator of its own.

    Parameters
    ----------
    iterable
        What gives a new iterator each time: an object with ``__iter__``, or a function without arguments, such as a
        generator function. The items must be the same each time.
    cache
        How many items before the last one are kept, so that to read them again does not begin again.
    size
        Its length; items beyond are left out. None: that of `iterable`, if it has one; otherwise a pass over it counts,
        when first something asks: ``len()``, which ``list()`` asks for too, a slice, a number below 0, or another
        function that makes a sequence of this one.

    Raises
    ------
    TypeError
        When `iterable` is none, or can be read only once, as a generator can.
    SettingsError
        When `cache` or `size` is below 0. A ValueError.

    Examples
    --------
    >>> from tintype.sequences import uniter
    >>> def read_lines():
    ...     yield from ["first", "second", "third"]
    >>> lines = uniter(read_lines)
    >>> lines[1], lines[-1], lines
    ('second', 'third', <uniter: 3 items>)
    """
    if not hasattr(iterable, "__iter__") and not callable(iterable):
        raise TypeError(f"uniter got {iterable!r}: give an iterable, or a function that returns one")
    if hasattr(iterable, "__next__"):
        raise TypeError(
            f"uniter got a {type(iterable).__name__}, which can be read only once: give the function that makes it"
        )
    for name, number in (("cache", cache), ("size", size)):
        if number is not None and to_index(number, f"{name} is an int") < 0:
            raise SettingsError(f"{name} is {number}: give at least 0")
    source: Any = iterable
    n_items = len(source) if size is None and hasattr(source, "__len__") else size
    return Uniter(source, to_index(cache), None if n_items is None else to_index(n_items))
