"""Items kept after they were computed."""

from __future__ import annotations

import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import suppress
from typing import Any, overload

from tintype.errors import EvaluationError, SettingsError
from tintype.sequences.prefetch_windows import MISSING
from tintype.sequences.view import (
    NO_END,
    Endless,
    Indexable,
    Item,
    View,
    assign,
    close,
    count_items,
    find_origin,
    getter,
    to_index,
    walk,
)


class Pending:
    """An item that one thread computes while others wait for it."""

    __slots__ = ("bell", "error", "guard", "is_stale", "thread", "value")

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.bell = threading.Lock()
        """Held until the item is there; an Event would cost more than all the rest."""
        self.bell.acquire()
        self.value: Any = MISSING
        self.error: Exception | None = None
        self.is_stale = False
        """Whether the item was assigned to meanwhile."""
        self.guard = threading.Lock()
        """Held while it is kept, so that an assignment comes before that or after it."""


class Cached(View[Item]):
    """A sequence that keeps items after they were computed: those that were read last.

    The order of reading is that of an OrderedDict. Its single operations, and a dict's ``setdefault``, no other thread
    can come between, so that neither finding an item nor computing one holds a lock.
    """

    __slots__ = (
        "_get",
        "_kept",
        "_lock",
        "_max_bytes",
        "_max_items",
        "_n_bytes",
        "_pending",
        "_pid",
        "_store",
        "sequence",
    )

    def __init__(
        self,
        sequence: Indexable[Item],
        length: int,
        max_items: int | None,
        max_bytes: int | None,
        store: MutableMapping[int, Any] | None,
    ) -> None:
        self.sequence = sequence
        self._length = length
        self._get = getter(sequence)
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._store = store
        self._renew()

    def _renew(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._pending: dict[int, Pending] = {}
        self._kept: OrderedDict[int, Any] = OrderedDict()
        """What was put there, the oldest first: the values; of those in a mapping of the caller's, their sizes."""
        self._n_bytes = 0

    def _item(self, index: int, /) -> Item:
        if self._store is None and self._max_bytes is None:  # as in _find(), without the call
            value = self._kept.get(index, MISSING)
            if value is not MISSING:
                try:
                    self._kept.move_to_end(index)
                except KeyError:
                    pass
                return value  # type: ignore[no-any-return]
        else:
            value = self._find(index)
        return self._compute(index, self._get) if value is MISSING else value  # type: ignore[no-any-return]

    def _find(self, index: int) -> Any:
        """Return an item that is kept, or MISSING."""
        if self._store is not None:
            return self._find_stored(index)
        value = self._kept.get(index, MISSING)
        if value is not MISSING:
            try:
                self._kept.move_to_end(index)
            except KeyError:
                pass  # given up at this moment by another thread
            else:
                return value if self._max_bytes is None else value[0]
        return MISSING

    def _find_stored(self, index: int) -> Any:
        assert self._store is not None
        value = self._store.get(index, MISSING)  # [] would have a defaultdict make one up
        if value is not MISSING and index in self._kept:
            try:
                self._kept.move_to_end(index)
            except KeyError:
                pass
        return value

    def _compute(self, index: int, get: Callable[[int], Any]) -> Any:
        """Compute an item, or wait for the thread that does."""
        if self._pid != os.getpid():
            self._after_fork()
        mine = Pending()
        while (pending := self._pending.setdefault(index, mine)) is not mine:
            if pending.thread == mine.thread:
                return get(index)  # an item that needs itself ends in a RecursionError, as it would without a cache
            with pending.bell:
                pass
            if pending.is_stale:
                continue  # who began to read after the assignment must not get what was there before
            if pending.error is not None:
                raise _for_another_reader(pending.error)
            if pending.value is not MISSING:
                return pending.value
        try:
            value = self._find(index)  # another thread may have finished it since we looked
            if value is MISSING:
                value = get(index)
                with mine.guard:
                    if not mine.is_stale:
                        self._keep(index, value)
            mine.value = value
            return value
        except Exception as error:
            mine.error = error
            raise
        finally:
            self._pending.pop(index, None)
            mine.bell.release()

    def _keep(self, index: int, value: Any) -> None:
        if self._max_items == 0:
            return
        size = 0
        if self._max_bytes is not None:
            size = measure_bytes(value)
            if size > self._max_bytes:
                return
        if self._store is not None:
            self._store[index] = value
        with self._lock:
            self._drop(index)
            self._n_bytes += size
            self._kept[index] = size if self._store is not None else value if self._max_bytes is None else (value, size)
            while self._kept and self._is_full():
                oldest = next(iter(self._kept))
                self._drop(oldest)
                self._drop_stored(oldest)

    def _is_full(self) -> bool:
        if self._max_items is not None and len(self._kept) > self._max_items:
            return True
        return self._max_bytes is not None and self._n_bytes > self._max_bytes

    def _drop(self, index: int) -> None:
        """Forget an item in the order of reading."""
        entry = self._kept.pop(index, MISSING)
        if entry is not MISSING and self._max_bytes is not None:
            self._n_bytes -= entry if self._store is not None else entry[1]

    def _drop_stored(self, index: int) -> None:
        if self._store is not None:
            with suppress(KeyError):  # another process may have done so
                del self._store[index]  # pop() would read a file first

    def _walk(self, indexes: range, /) -> Iterator[Item]:
        # What neighbours share below is computed once here too, as long as it is neighbours that are not kept.
        below: Iterator[Any] | None = None
        expected = 0

        def get_next(index: int) -> Any:
            nonlocal below, expected
            if below is None or index != expected:
                below = iter(walk(self.sequence, indexes[indexes.index(index) :]))
            source, below = below, None  # an iterator that raised is not to be gone on with
            value = next(source)
            below, expected = source, index + indexes.step
            return value

        for index in indexes:
            value = self._find(index)
            yield self._compute(index, get_next) if value is MISSING else value

    def _assign(self, index: int, value: Any, /) -> None:
        if self._pid != os.getpid():
            self._after_fork()
        assign(self.sequence, index, value)
        pending = self._pending.get(index)
        if pending is not None:
            with pending.guard:
                pending.is_stale = True
        # Not kept: what the sequence makes of it is what reading it returns.
        with self._lock:
            self._drop(index)
        self._drop_stored(index)

    def _after_fork(self) -> None:
        """Let go of what only threads of the parent would finish."""
        self._lock = threading.Lock()
        self._pending = {}
        self._pid = os.getpid()  # last: until then, other threads of the child come here too

    def _origin(self, index: int, /) -> str | None:
        return find_origin(self.sequence, index)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.sequence, self._length, self._max_items, self._max_bytes, self._store)

    def _name(self) -> str:
        bounds = [] if self._max_items is None else [f"{self._max_items:,} items"]
        bounds += [] if self._max_bytes is None else [f"{self._max_bytes:,} bytes"]
        return f"cache of {' and '.join(bounds) or 'all items'}"


@overload
def add_cache(
    sequence: Indexable[Item],
    cache_size: int | None = None,
    cache: MutableMapping[int, Any] | None = None,
    *,
    max_bytes: int | None = None,
) -> View[Item]: ...
@overload
def add_cache(
    sequence: Endless[Item],
    cache_size: int | None = None,
    cache: MutableMapping[int, Any] | None = None,
    *,
    max_bytes: int | None = None,
) -> Endless[Item]: ...
def add_cache(
    sequence: Indexable[Item] | Endless[Item],
    cache_size: int | None = None,
    cache: MutableMapping[int, Any] | None = None,
    *,
    max_bytes: int | None = None,
) -> View[Item] | Endless[Item]:
    """Return the same sequence, which keeps the items that were read last.

    Whoever reads a kept item gets the same object, so an array that one reader changes is changed for all.

    Several threads can read at once. An item that one of them computes is waited for by the others, and an error given
    to all of them and not kept. Nothing is locked meanwhile: four threads compute four items at once. Iteration fills
    the cache and is served from it. Assignment goes through to the sequence, and the item is read from there again.

    Parameters
    ----------
    sequence
        Of any length, or without an end.
    cache_size
        Most items to keep. 0 keeps none, and has only what is being computed shared. None: 1, or where `max_bytes` or
        `cache` is given, any number.
    cache
        Where to keep items, by number: a dict, or a :class:`FolderCache`, which survives the program. What is in it
        already is used, so it is for one sequence: with another, or other functions, it would give out the wrong
        items. The bounds hold for what is put there. None: in memory, for this sequence.
    max_bytes
        Most bytes to keep, as estimated from the sizes of arrays, images and strings. A larger item is not kept.

    Returns
    -------
    View
        As long as `sequence`. It pickles when `sequence` does, with `cache` and without what is kept in memory.

    Raises
    ------
    SettingsError
        When a bound is below 0. A ValueError.
    TypeError
        When `sequence` is none, or `cache` is not a mapping.

    Examples
    --------
    >>> from tintype.sequences import add_cache, smap
    >>> lengths = add_cache(smap(lambda text: print("computed") or len(text), ["a", "bc"]), cache_size=10)
    >>> lengths, lengths[1], lengths[1]
    computed
    (<cache of 10 items: 2 items>, 2, 2)
    """
    if cache is not None and not all(hasattr(cache, name) for name in ("get", "__setitem__", "__delitem__")):
        raise TypeError(f"cache is a {type(cache).__name__}: give a mapping, such as a dict or a FolderCache")
    max_items = None if cache_size is None else to_index(cache_size)
    n_bytes = None if max_bytes is None else to_index(max_bytes)
    for name, bound in (("cache_size", max_items), ("max_bytes", n_bytes)):
        if bound is not None and bound < 0:
            raise SettingsError(f"{name} is {bound}: give at least 0")
    if max_items is None and n_bytes is None and cache is None:
        max_items = 1
    view = sequence.view if isinstance(sequence, Endless) else sequence
    length = NO_END if isinstance(sequence, Endless) else count_items("add_cache", sequence)
    return close(Cached(view, length, max_items, n_bytes, cache))


def measure_bytes(value: Any) -> int:
    """Estimate the memory that a value takes: arrays and images by their pixels, containers by all that is in them."""
    n_bytes = getattr(value, "nbytes", None)
    if isinstance(n_bytes, int):
        return n_bytes
    if isinstance(value, dict):
        return sys.getsizeof(value) + sum(measure_bytes(key) + measure_bytes(one) for key, one in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return sys.getsizeof(value) + sum(map(measure_bytes, value))
    size, bands = getattr(value, "size", None), getattr(value, "getbands", None)
    if bands is not None and isinstance(
        size, tuple
    ):  # an image of Pillow's, which says nothing of its pixels otherwise
        width, height = size
        return int(width) * int(height) * (4 if value.mode in {"I", "F"} or len(bands()) > 1 else 1)
    return sys.getsizeof(value)


def _for_another_reader(error: Exception) -> Exception:
    """Return an error for another thread to raise: each reader's sequences put their own number into theirs."""
    if type(error) is not EvaluationError:
        return error
    copy = EvaluationError(error.index, error.function, error.place, error.value, error.reason)
    copy.__cause__ = error.__cause__
    return copy
