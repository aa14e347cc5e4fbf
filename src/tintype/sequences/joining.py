"""Several sequences as one: one after another, side by side, or in turn."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain, pairwise
from typing import Any, overload

from tintype.sequences.view import (
    NO_END,
    PLAIN,
    Endless,
    Indexable,
    Item,
    View,
    assign,
    close,
    count_items,
    find_origin,
    getter,
    number_errors,
    open_together,
    walk,
)


class Concatenated(View[Item]):
    """Sequences one after another, none of them a concatenation itself."""

    __slots__ = ("_gets", "_starts", "parts")

    def __init__(self, parts: Sequence[Indexable[Item]], lengths: Sequence[int]) -> None:
        self.parts = parts
        *self._starts, length = accumulate(lengths, initial=0)
        self._length = min(length, NO_END)
        self._gets = [getter(part) for part in parts]

    def _item(self, index: int, /) -> Item:
        # An empty part starts where the next one does, so the last of those that start there has the item.
        number = bisect_right(self._starts, index) - 1
        return self._gets[number](index - self._starts[number])

    def _find(self, index: int) -> tuple[Indexable[Item], int]:
        number = bisect_right(self._starts, index) - 1
        return self.parts[number], index - self._starts[number]

    def lengths(self) -> list[int]:
        """Return the length of each part."""
        return [end - start for start, end in pairwise([*self._starts, self._length])]

    def __iter__(self) -> Iterator[Item]:
        """Yield the items in order, each computed when it is asked for."""
        items = self._walk(range(self._length))
        return items if are_plain(self.parts) else number_errors(items)

    def _walk(self, indexes: range, /) -> Iterator[Item]:
        if indexes != range(self._length):
            return super()._walk(indexes)
        # chain() takes no error for an end, and costs nothing an item.
        parts = zip(self.parts, self.lengths(), strict=True)
        return chain.from_iterable(walk(part, range(length)) for part, length in parts)

    def _origin(self, index: int, /) -> str | None:
        return find_origin(*self._find(index))

    def _assign(self, index: int, value: Any, /) -> None:
        part, place = self._find(index)
        assign(part, place, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.parts, self.lengths())

    def _name(self) -> str:
        return f"concatenate of {len(self.parts)}"


class Collated(View[tuple[Any, ...]]):
    """Tuples of one item of each sequence."""

    __slots__ = ("_gets", "_sequences")

    def __init__(self, sequences: Sequence[Indexable[Any]], length: int) -> None:
        self._sequences = sequences
        self._length = length
        self._gets = [getter(sequence) for sequence in sequences]

    def _item(self, index: int, /) -> tuple[Any, ...]:
        # A loop: Python 3.11 calls a comprehension as a function, and map() would take a StopIteration for its end.
        items = []
        for get in self._gets:
            items.append(get(index))  # noqa: PERF401
        return tuple(items)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Yield the tuples in order, each computed when it is asked for."""
        items = self._walk(range(self._length))
        return items if are_plain(self._sequences) else number_errors(items)

    def _walk(self, indexes: range, /) -> Iterator[tuple[Any, ...]]:
        return zip(*[walk(sequence, indexes) for sequence in self._sequences], strict=True)

    def _origin(self, index: int, /) -> str | None:
        return next(filter(None, (find_origin(sequence, index) for sequence in self._sequences)), None)

    def _assign(self, index: int, value: Any, /) -> None:
        values = tuple(value)
        if len(values) != len(self._sequences):
            raise ValueError(f"{len(values)} values for item {index} of {self!r}: give {len(self._sequences)}")
        for sequence, one in zip(self._sequences, values, strict=True):
            assign(sequence, index, one)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._sequences, self._length)

    def _name(self) -> str:
        return f"collate of {len(self._sequences)}"


class Interleaved(View[Item]):
    """One item of each sequence in turn; one that is exhausted is left out.

    In each stretch of rounds, from the end of one sequence to the end of the next, the same sequences take part.
    """

    __slots__ = ("_firsts", "_gets", "_lengths", "_members", "_rounds", "_sequences")

    def __init__(self, sequences: Sequence[Indexable[Item]], lengths: Sequence[int]) -> None:
        self._sequences = sequences
        self._lengths = lengths
        self._gets = [getter(sequence) for sequence in sequences]
        ends = sorted(set(lengths) - {0})
        self._rounds = [0, *ends[:-1]] if ends else []
        """Of each stretch: its first round."""
        self._members = [[number for number, length in enumerate(lengths) if length >= end] for end in ends]
        """Of each stretch: the numbers of the sequences that take part."""
        stretches = zip(self._rounds, ends, self._members, strict=True)
        sizes = [(end - first) * len(members) for first, end, members in stretches]
        *self._firsts, length = accumulate(sizes, initial=0)
        """Of each stretch: its first item."""
        self._length = min(length, NO_END)

    def _find(self, index: int) -> tuple[int, int]:
        """Return the number of the sequence that has an item, and its place there."""
        stretch = bisect_right(self._firsts, index) - 1
        members = self._members[stretch]
        n_rounds, turn = divmod(index - self._firsts[stretch], len(members))
        return members[turn], self._rounds[stretch] + n_rounds

    def _item(self, index: int, /) -> Item:
        number, place = self._find(index)
        return self._gets[number](place)

    def _origin(self, index: int, /) -> str | None:
        number, place = self._find(index)
        return find_origin(self._sequences[number], place)

    def _assign(self, index: int, value: Any, /) -> None:
        number, place = self._find(index)
        assign(self._sequences[number], place, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._sequences, self._lengths)

    def _name(self) -> str:
        return f"interleave of {len(self._sequences)}"


def are_plain(sequences: Sequence[Indexable[Any]]) -> bool:
    """Return whether no item of these sequences can fail, so that their errors need no number."""
    return all(type(sequence) in PLAIN for sequence in sequences)


@overload
def concatenate(sequences: Iterable[Indexable[Item]]) -> View[Item]: ...
@overload
def concatenate(sequences: Iterable[Any]) -> Any: ...  # of several kinds, or with one that has no end
def concatenate(sequences: Iterable[Any]) -> View[Any] | Endless[Any]:
    """Return a sequence of the items of several sequences, one after another.

    Assignment goes through to them. A concatenation among them is taken apart, so that depth costs nothing.

    Parameters
    ----------
    sequences
        Any number, each of any length. The last may be one without an end. A sequence of sequences that are computed,
        such as a map, is computed here, for their lengths: then :func:`unbatch` is what you want.

    Returns
    -------
    View
        Empty when there are no sequences; without an end when the last one has none.

    Raises
    ------
    TypeError
        When one is no sequence, or has no end and is not the last.

    Examples
    --------
    >>> from tintype.sequences import concatenate
    >>> both = concatenate([["a", "b"], ["c"]])
    >>> both, both[2], list(both[1:])
    (<concatenate of 2: 3 items>, 'c', ['b', 'c'])
    """
    parts: list[Any] = list(sequences)
    last = parts.pop() if parts and isinstance(parts[-1], Endless) else None
    lengths = [count_items("concatenate", part) for part in parts]
    if last is not None:
        parts.append(last.view)
        lengths.append(NO_END)
    flat_parts: list[Any] = []
    flat_lengths: list[int] = []
    for part, length in zip(parts, lengths, strict=True):
        is_nested = type(part) is Concatenated
        flat_parts += part.parts if is_nested else [part]
        flat_lengths += part.lengths() if is_nested else [length]
    return close(Concatenated(flat_parts, flat_lengths))


@overload
def collate(sequences: Iterable[Indexable[Any]]) -> View[tuple[Any, ...]]: ...
@overload
def collate(sequences: Iterable[Any]) -> Any: ...  # of several kinds, or with one that has no end
def collate(sequences: Iterable[Any]) -> View[tuple[Any, ...]] | Endless[tuple[Any, ...]]:
    """Return a sequence of tuples of one item of each sequence, as ``zip()`` makes them.

    Assignment goes through to them: a tuple, or the like, of one value for each.

    Parameters
    ----------
    sequences
        Any number, of one length. Beside them, or alone, stand sequences without an end.

    Returns
    -------
    View
        As long as they are; empty when there are none, as ``zip()`` is; without an end when none of them has one.

    Raises
    ------
    TypeError
        When one is no sequence.
    SettingsError
        When their lengths differ. A ValueError.

    Examples
    --------
    >>> from tintype.sequences import collate
    >>> pairs = collate([["a", "b"], [1, 2]])
    >>> pairs, pairs[-1]
    (<collate of 2: 2 items>, ('b', 2))
    """
    sequences = list(sequences)
    if not sequences:
        return Collated([], 0)
    return close(Collated(*open_together("collate", sequences)))


@overload
def interleave(*sequences: Indexable[Item]) -> View[Item]: ...
@overload
def interleave(*sequences: Indexable[Item] | Endless[Item]) -> View[Item] | Endless[Item]: ...
def interleave(*sequences: Indexable[Item] | Endless[Item]) -> View[Item] | Endless[Item]:
    """Return a sequence of one item of each sequence in turn; one that is exhausted is left out from then on.

    Assignment goes through to them.

    Parameters
    ----------
    *sequences
        Any number, each of any length, or without an end.

    Returns
    -------
    View
        As long as all of them together; empty when there are none; without an end when one of them has none.

    Raises
    ------
    TypeError
        When one is no sequence.

    Examples
    --------
    >>> from tintype.sequences import interleave
    >>> list(interleave("abc", "x", [1, 2]))
    ['a', 'x', 1, 'b', 2, 'c']
    """
    opened = [one.view if isinstance(one, Endless) else one for one in sequences]
    lengths = [NO_END if isinstance(one, Endless) else count_items("interleave", one) for one in sequences]
    return close(Interleaved(opened, lengths))
