"""Sequences whose items are those of others, picked by number, repeated, or chosen."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any, SupportsIndex, TypeVar, overload

from tintype.errors import SettingsError
from tintype.sequences.view import (
    NO_END,
    PLAIN,
    Endless,
    Indexable,
    Item,
    Picked,
    View,
    assign,
    close,
    count_items,
    find_origin,
    getter,
    show_count,
    to_index,
)

Value = TypeVar("Value")


class Gathered(Picked[Item]):
    """Items picked by numbers that were all looked at beforehand."""

    __slots__ = ()

    def _name(self) -> str:
        return "gather"


class Looked(View[Item]):
    """Items picked by numbers that are only known one by one, as those of a lazy sequence are."""

    __slots__ = ("_get", "_get_index", "_indexes", "_n_items", "_sequence")

    def __init__(self, sequence: Indexable[Item], indexes: Indexable[Any], n_items: int) -> None:
        self._sequence = sequence
        self._indexes = indexes
        self._n_items = n_items
        self._length = len(indexes)
        self._get = getter(sequence)
        self._get_index = getter(indexes)

    def _find(self, index: int) -> int:
        return check_index(to_index(self._get_index(index)), self._n_items)

    def _item(self, index: int, /) -> Item:
        return self._get(self._find(index))

    def _origin(self, index: int, /) -> str | None:
        return find_origin(self._sequence, self._find(index))

    def _assign(self, index: int, value: Any, /) -> None:
        assign(self._sequence, self._find(index), value)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._sequence, self._indexes, self._n_items)

    def _name(self) -> str:
        return "gather"


class Cycle(View[Item]):
    """The items of a sequence over and over."""

    __slots__ = ("_get", "_n_items", "_sequence")

    def __init__(self, sequence: Indexable[Item], n_items: int, length: int) -> None:
        self._sequence = sequence
        self._n_items = n_items
        self._length = length
        self._get = getter(sequence)

    def _item(self, index: int, /) -> Item:
        return self._get(index % self._n_items)

    def _origin(self, index: int, /) -> str | None:
        return find_origin(self._sequence, index % self._n_items)

    def _assign(self, index: int, value: Any, /) -> None:
        assign(self._sequence, index % self._n_items, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._sequence, self._n_items, self._length)


class Repeat(View[Item]):
    """One value many times."""

    __slots__ = ("_value",)

    def __init__(self, value: Item, length: int) -> None:
        self._value = value
        self._length = length

    def _item(self, index: int, /) -> Item:
        return self._value

    def _assign(self, index: int, value: Any, /) -> None:
        raise TypeError(f"cannot set item {index} of {self!r}: all of its items are one value")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._value, self._length)


def gather(sequence: Indexable[Item] | Endless[Item], indexes: Any) -> View[Item]:
    """Return a sequence of the items with some numbers, in their order.

    Assignment goes through to the sequence.

    Parameters
    ----------
    sequence
        To pick from.
    indexes
        Numbers, each as often as it is wanted; below 0 they count from the end. A list or an array is copied, as 8
        bytes a number; a range costs nothing. An array of bools, or a list of them, is a mask: as long as the sequence,
        true for the items that are wanted. Of another lazy sequence, such as ``shuffle(range(n), seed)``, a number is
        read when its item is.

    Raises
    ------
    IndexError
        When a number has no item: here, and for a lazy sequence of numbers when the item is read.
    SettingsError
        When a mask is not as long as the sequence, or an array has more than one dimension. A ValueError.
    TypeError
        When `sequence` is none, or a number is no int.

    Examples
    --------
    >>> from tintype.sequences import gather
    >>> list(gather("abcd", [3, 0, -1]))
    ['d', 'a', 'd']
    """
    if isinstance(sequence, Endless):
        view: Indexable[Item] = sequence.view
        n_items = NO_END
    else:
        view, n_items = sequence, count_items("gather", sequence)
    if isinstance(indexes, range):
        return _gather_range(view, indexes, n_items)
    if hasattr(indexes, "dtype"):
        return Gathered(view, _read_array(indexes, n_items))
    if type(indexes) in PLAIN or isinstance(indexes, array):
        return Gathered(view, _read_list(indexes, n_items))
    count_items("gather", indexes)
    return Looked(view, indexes, n_items)


def take(sequence: Indexable[Item] | Endless[Item], n: Any) -> View[Item]:
    """Return a sequence of the first items, or of those with some numbers.

    Parameters
    ----------
    sequence
        To take from; may be without an end.
    n
        How many, at least 0; of a shorter sequence all. Anything but an int is `indexes` of :func:`gather`.

    Raises
    ------
    SettingsError
        When `n` is below 0. A ValueError.
    TypeError
        When `sequence` is none.

    Examples
    --------
    >>> from tintype.sequences import cycle, take
    >>> list(take(cycle("ab"), 3))
    ['a', 'b', 'a']
    """
    if not hasattr(n, "__index__") or hasattr(n, "__len__"):
        return gather(sequence, n)
    number = to_index(n)
    if number < 0:
        raise SettingsError(f"take got {number}: give at least 0")
    if isinstance(sequence, Endless):
        return Picked(sequence.view, range(min(number, NO_END)))
    return Picked(sequence, range(min(number, count_items("take", sequence))))


@overload
def cycle(sequence: Indexable[Item], limit: None = None) -> Endless[Item]: ...
@overload
def cycle(sequence: Indexable[Item], limit: int) -> View[Item]: ...
def cycle(sequence: Indexable[Item], limit: int | None = None) -> View[Item] | Endless[Item]:
    """Return a sequence of the items over and over.

    Assignment goes through to the sequence.

    Parameters
    ----------
    sequence
        To repeat.
    limit
        Its length, at least 0; None for no end.

    Raises
    ------
    SettingsError
        When `limit` is below 0, or `sequence` has no items and `limit` is not 0. A ValueError.
    TypeError
        When `sequence` is none, or has no end.

    Examples
    --------
    >>> from tintype.sequences import cycle
    >>> cycle("abc"), cycle("abc")[100], list(cycle("abc", 5))
    (<cycle: no end>, 'b', ['a', 'b', 'c', 'a', 'b'])
    """
    n_items = count_items("cycle", sequence)
    length = _read_length("limit", limit)
    if n_items == 0 and length != 0:
        raise SettingsError("cycle got a sequence without items: there is nothing to repeat")
    return close(Cycle(sequence, n_items, length))


@overload
def repeat(value: Value, times: None = None) -> Endless[Value]: ...
@overload
def repeat(value: Value, times: int) -> View[Value]: ...
def repeat(value: Value, times: int | None = None) -> View[Value] | Endless[Value]:
    """Return a sequence of one value many times: the same object, not copies.

    Parameters
    ----------
    value
        Anything.
    times
        The length, at least 0; None for no end.

    Raises
    ------
    SettingsError
        When `times` is below 0. A ValueError.

    Examples
    --------
    >>> from tintype.sequences import repeat, smap
    >>> list(repeat(7, 2)), list(smap(pow, [1, 2, 3], repeat(2)))
    ([7, 7], [1, 4, 9])
    """
    return close(Repeat(value, _read_length("times", times)))


def check_index(index: int, n_items: int) -> int:
    """Return a number counted from 0, where it may be below 0 and counted from the end.

    Raises
    ------
    IndexError
        When there is no such item.
    """
    if not -n_items <= index < n_items or (index < 0 and n_items == NO_END):
        raise IndexError(f"no item {index} in a sequence of {show_count(n_items)}")
    return index if index >= 0 else index + n_items


def _gather_range(sequence: Indexable[Item], indexes: range, n_items: int) -> View[Item]:
    for edge in (indexes[0], indexes[-1]) if indexes else ():
        check_index(edge, n_items)
    if indexes and indexes[0] < 0 and indexes[-1] < 0:
        indexes = range(indexes.start + n_items, indexes.stop + n_items, indexes.step)
    is_mixed = bool(indexes) and min(indexes[0], indexes[-1]) < 0
    return Looked(sequence, indexes, n_items) if is_mixed else Gathered(sequence, indexes)


def _read_array(indexes: Any, n_items: int) -> array[int]:
    import numpy as np

    numbers = np.asarray(indexes)
    if numbers.ndim != 1:
        raise SettingsError(f"gather got an array of shape {numbers.shape}: give one of one dimension")
    if numbers.dtype.kind == "b":
        _check_mask(len(numbers), n_items)
        numbers = np.flatnonzero(numbers)
    if numbers.dtype.kind not in "iu" and len(numbers):
        raise TypeError(f"gather got numbers of type {numbers.dtype}: give ints, or bools as a mask")
    if len(numbers):
        for edge in (int(numbers.min()), int(numbers.max())):
            check_index(edge, n_items)
    numbers = numbers.astype(np.int64)
    return array("q", np.where(numbers < 0, numbers + n_items, numbers).astype(np.int64).tobytes())


def _read_list(indexes: Sequence[Any], n_items: int) -> array[int]:
    if indexes and all(map(_is_bool, indexes)):
        _check_mask(len(indexes), n_items)
        return array("q", (index for index, is_wanted in enumerate(indexes) if is_wanted))
    return array("q", (check_index(to_index(index), n_items) for index in indexes))


def _is_bool(value: Any) -> bool:
    return type(value) is bool


def _check_mask(length: int, n_items: int) -> None:
    if length != n_items:
        raise SettingsError(
            f"gather got a mask of {show_count(length)} for a sequence of {n_items:,}: give one for each"
        )


def _read_length(name: str, value: SupportsIndex | None) -> int:
    length = NO_END if value is None else to_index(value, f"{name} is an int or None")
    if length < 0:
        raise SettingsError(f"{name} is {length}: give at least 0, or None for no end")
    return length
