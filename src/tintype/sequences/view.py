"""What every sequence of this room is: list-like, lazy, and a view when it is sliced."""

from __future__ import annotations

import operator
import os
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, NoReturn, Protocol, SupportsIndex, TypeVar, overload

from tintype.errors import EvaluationError, SettingsError

Item = TypeVar("Item", covariant=True)  # noqa: PLC0105 - short, because it stands in every signature

NO_END = sys.maxsize
"""Length of the view inside an :class:`Endless` one: more items than anybody will ask for."""

PLAIN = frozenset({list, range, tuple})
"""Python's own sequences: to read one of their items computes nothing and never fails."""

LONGEST_TEXT = 300
"""Characters of a text that an error's message shows."""


class Indexable(Protocol[Item]):
    """What a sequence can be made of: anything with a length and items by number, from 0."""

    def __len__(self) -> int:
        """Return the number of items."""

    def __getitem__(self, index: int, /) -> Item:
        """Return one item."""


class View(Sequence[Item], Generic[Item]):
    """A lazy sequence: an item is computed when it is asked for, and no other.

    A subclass sets ``_length`` and writes :meth:`_item`, which only ever gets a number in ``range(len(self))``.
    Negative numbers, bounds, slices and the number in an error's message are dealt with here.

    The length is that of the moment a view was made: a list that grows afterwards does not lengthen it.
    """

    __slots__ = ("__weakref__", "_length")
    _length: int

    def __len__(self) -> int:
        """Return the number of items; computes none."""
        return self._length

    @abstractmethod
    def _item(self, index: int, /) -> Item:
        """Compute one item; `index` is in ``range(len(self))``."""

    def _walk(self, indexes: range, /) -> Iterator[Item]:
        """Yield the items of these places in turn: here a view does what is cheaper for many than one by one."""
        get = getter(self)
        for index in indexes:
            yield get(index)

    def _origin(self, index: int, /) -> str | None:
        """Return the text or path that an item is made from, for an error's message; computes nothing."""
        return None

    def _assign(self, index: int, value: Any, /) -> None:
        """Put `value` where item `index` comes from; where that is not one place, leave this as it is."""
        raise TypeError(f"cannot set item {index} of {self!r}: its items are computed")

    @overload
    def __getitem__(self, key: SupportsIndex, /) -> Item: ...
    @overload
    def __getitem__(self, key: slice, /) -> Picked[Item]: ...
    def __getitem__(self, key: SupportsIndex | slice, /) -> Item | Picked[Item]:
        """Return one item, or a view of a slice."""
        # type(): asking isinstance() of an abstract class would cost more than all the rest.
        if type(key) is int and 0 <= key < self._length:
            try:
                return self._item(key)
            except EvaluationError as error:
                error.index = key  # the outermost sequence has the last word: that is the one the caller has
                raise
        if isinstance(key, slice):
            return Picked(self, range(self._length)[key])
        return self[self._place(key)]

    def __setitem__(self, key: SupportsIndex | slice, value: Any, /) -> None:
        """Assign through the view to what it is a view of, where that is possible.

        Raises
        ------
        TypeError
            When the items are computed.
        ValueError
            When a slice is given more or fewer values than it has places.
        """
        if not isinstance(key, slice):
            self._assign(self._place(key), value)
            return
        places = range(self._length)[key]
        values = list(value)
        if len(values) != len(places):
            raise ValueError(
                f"{len(values)} values for a slice of {len(places)} items: a view cannot change its length"
            )
        for place, one in zip(places, values, strict=True):
            self._assign(place, one)

    def __iter__(self) -> Iterator[Item]:
        """Yield the items in order, each computed when it is asked for."""
        return number_errors(self._walk(range(self._length)))

    def index(self, value: Any, start: int = 0, stop: int | None = None) -> int:
        """Return the number of the first item that equals a value; computes the items up to there.

        Raises
        ------
        ValueError
            When there is none.
        """
        # The inherited one takes an IndexError of the user's function for the end.
        for place in range(self._length)[start:stop]:
            item = self[place]
            if item is value or item == value:
                return place
        raise ValueError(f"{value!r} is not in {self!r}")

    def __repr__(self) -> str:
        return f"<{self._name()}: {show_count(self._length)}>"

    def _name(self) -> str:
        """Return what stands before the number of items in the representation."""
        return type(self).__name__.lower()

    def _place(self, key: SupportsIndex) -> int:
        """Return an index as a number in ``range(len(self))``."""
        place = index = to_index(key)
        if place < 0:
            place += self._length
        if not 0 <= place < self._length:
            self._refuse(index)
        return place

    def _refuse(self, index: int) -> NoReturn:
        raise IndexError(f"no item {index} in {self!r}")


class Picked(View[Item]):
    """Some items of a sequence by their numbers, as a slice has them; holds no list of its own.

    Parameters
    ----------
    sequence
        To pick from.
    indexes
        Numbers in ``range(len(sequence))``: a range, or any sequence of ints that needs no check.
    """

    __slots__ = ("_get", "indexes", "sequence")
    sequence: Indexable[Item]
    indexes: Sequence[int]

    def __init__(self, sequence: Indexable[Item], indexes: Sequence[int]) -> None:
        if type(sequence) is Picked and isinstance(indexes, range):
            # A slice of a slice is a slice: so that the depth does not grow.
            base: Picked[Item] = sequence
            if isinstance(base.indexes, range):
                sequence, indexes = base.sequence, compose(base.indexes, indexes)
        self.sequence = sequence
        self.indexes = indexes
        self._length = len(indexes)
        self._get = getter(sequence)

    def _item(self, index: int, /) -> Item:
        return self._get(self.indexes[index])

    def _walk(self, indexes: range, /) -> Iterator[Item]:
        if isinstance(self.indexes, range):
            yield from walk(self.sequence, compose(self.indexes, indexes))
        else:
            for index in walk(self.indexes, indexes):
                yield self._get(index)

    def _origin(self, index: int, /) -> str | None:
        return find_origin(self.sequence, self.indexes[index])

    def _assign(self, index: int, value: Any, /) -> None:
        assign(self.sequence, self.indexes[index], value)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.sequence, self.indexes)

    def _name(self) -> str:
        return f"part of {self.sequence!r}" if isinstance(self.sequence, View) else "part"


class Endless(Generic[Item]):
    """A sequence without an end, such as :func:`cycle` makes: it has no ``len()``, and nothing counts from its end.

    Indexing takes numbers from 0. A slice that ends is a finite view; one without an end, ``endless[5:]``, is endless.

    Parameters
    ----------
    view
        Computes the items; its length is more than anybody will ask for.
    """

    __slots__ = ("__weakref__", "view")

    def __init__(self, view: View[Item]) -> None:
        self.view = view

    @overload
    def __getitem__(self, key: SupportsIndex, /) -> Item: ...
    @overload
    def __getitem__(self, key: slice, /) -> View[Item] | Endless[Item]: ...
    def __getitem__(self, key: SupportsIndex | slice, /) -> Item | View[Item] | Endless[Item]:
        """Return one item, or a view of a slice."""
        if not isinstance(key, slice):
            return self.view[self._place(key)]
        goes_back = key.step is not None and to_index(key.step) < 0
        if goes_back and key.start is None:
            raise IndexError(f"{self!r} cannot be read from its end: give the slice a start")
        for edge in (key.start, key.stop):
            if edge is not None:
                self._place(edge)
        part = self.view[key]
        return Endless(part) if key.stop is None and not goes_back else part

    def __setitem__(self, key: SupportsIndex, value: Any, /) -> None:
        """Assign through the view to what it is a view of, where that is possible."""
        self.view[self._place(key)] = value

    def __iter__(self) -> Iterator[Item]:
        """Yield the items in order, for ever."""
        return iter(self.view)

    def __repr__(self) -> str:
        return f"<{self.view._name()}: no end>"  # noqa: SLF001 - it stands for its view

    def _place(self, key: SupportsIndex) -> int:
        index = to_index(key)
        if index < 0:
            raise IndexError(f"no item {index} in {self!r}: a sequence without an end is counted from 0")
        return index


def getter(sequence: Indexable[Item]) -> Callable[[int], Item]:
    """Return the function that gets an item of a sequence by a number known to be in its range.

    The bounds are not looked at again at each level of a deep sequence.
    """
    if getattr(type(sequence), "__getitem__", None) is View.__getitem__:
        # isinstance() of an abstract class would be slow.
        return sequence._item  # type: ignore[attr-defined, no-any-return]  # noqa: SLF001
    return sequence.__getitem__


def walk(sequence: Indexable[Item], indexes: range) -> Iterator[Item]:
    """Yield the items of these places, each in ``range(len(sequence))``, in turn.

    What a sequence shares between neighbours, such as a batch that it takes apart, is then computed once.
    """
    if type(sequence) in PLAIN:
        return map(sequence.__getitem__, indexes)
    if isinstance(sequence, View):
        return sequence._walk(indexes)  # noqa: SLF001 - this function is how others get at it
    return _walk_other(sequence, indexes)


def number_errors(items: Iterator[Item]) -> Iterator[Item]:
    """Yield items; an error from further down gets the number that its item has here."""
    n_done = 0
    try:
        for n_done, item in enumerate(items, start=1):  # noqa: B007 - it is used below
            yield item
    except EvaluationError as error:
        error.index = n_done
        raise


def _walk_other(sequence: Indexable[Item], indexes: range) -> Iterator[Item]:
    # No map(): it would take a StopIteration out of another's code for the end.
    for index in indexes:
        yield sequence[index]


def assign(sequence: Any, index: int, value: Any) -> None:
    """Assign to an item of a sequence, through it when it is a view."""
    try:
        put = sequence.__setitem__
    except AttributeError:
        raise TypeError(f"cannot set item {index}: a {type(sequence).__name__} takes no assignment") from None
    put(index, value)


def find_origin(sequence: Indexable[Any], index: int) -> str | None:
    """Return the text or path that an item is made from, such as a file's name; None where that is not at hand."""
    if isinstance(sequence, View):
        return sequence._origin(index)  # noqa: SLF001 - this function is how others get at it
    return show_text(sequence[index]) if type(sequence) in PLAIN else None


def show_text(value: Any) -> str | None:
    """Return a str or a path as text, cut to a length that fits a message; None for anything else."""
    if not isinstance(value, str | os.PathLike):
        return None
    text = str(value)
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}..."


def count_items(function: str, sequence: Any) -> int:
    """Return the length of what a function of this room was given to make a sequence of.

    Raises
    ------
    TypeError
        When it has no length, or no items by number.
    """
    if isinstance(sequence, Endless):
        raise TypeError(f"{function} got {sequence!r}, and needs a sequence with an end: take() a number of its items")
    try:
        length = len(sequence)
        sequence.__getitem__  # noqa: B018 - the question is whether it is there
    except (TypeError, AttributeError):
        raise TypeError(
            f"{function} got a {type(sequence).__name__}: give what has len() and items by number, as a list has"
        ) from None
    return length


def open_together(function: str, sequences: Sequence[Any]) -> tuple[list[Indexable[Any]], int]:
    """Return sequences to be read side by side, and their length: that of those with an end, or :data:`NO_END`.

    Raises
    ------
    TypeError
        When one is no sequence.
    SettingsError
        When their lengths differ. A ValueError.
    """
    opened = [sequence.view if isinstance(sequence, Endless) else sequence for sequence in sequences]
    lengths = [count_items(function, one) for one in sequences if not isinstance(one, Endless)]
    if len(set(lengths)) > 1:
        different = [str(length) for length in dict.fromkeys(lengths)]
        shown = f"{', '.join(different[:-1])} and {different[-1]}"
        raise SettingsError(f"{function} got sequences of {shown} items: give it sequences of one length")
    return opened, lengths[0] if lengths else NO_END


def close(view: View[Item]) -> View[Item] | Endless[Item]:
    """Return a view as it is shown: without an end when everything it is made of has none."""
    return Endless(view) if len(view) >= NO_END else view


def compose(indexes: range, places: range) -> range:
    """Return ``indexes[place]`` for each of some places as a range; each place is in ``range(len(indexes))``."""
    start, step = indexes.start, indexes.step
    return range(start + places.start * step, start + places.stop * step, places.step * step)


def to_index(key: SupportsIndex, what: str = "items are numbered by ints") -> int:
    """Return an int, a NumPy integer or the like as an int.

    Parameters
    ----------
    key
        The number.
    what
        Begins the message when it is none.

    Raises
    ------
    TypeError
        When it is none, such as a float or a list.
    """
    try:
        return operator.index(key)
    except TypeError:
        raise TypeError(f"{what}, and {key!r} is a {type(key).__name__}") from None


def show_count(n_items: int) -> str:
    """Return a number of items as text."""
    return "1 item" if n_items == 1 else f"{n_items:,} items"
