"""Sequences cut into batches and pieces, and batches taken apart again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, SupportsIndex, TypeVar, overload

from tintype.errors import SettingsError
from tintype.sequences.mapping import Map, smap
from tintype.sequences.view import (
    NO_END,
    Endless,
    Indexable,
    Item,
    Picked,
    View,
    assign,
    count_items,
    getter,
    show_count,
    to_index,
    walk,
)

Result = TypeVar("Result")


class Batched(View[list[Item]]):
    """Lists of so many items each; the last may be short, or filled up."""

    __slots__ = ("_drops_last", "_n_items", "_pad", "_sequence", "size")

    def __init__(self, sequence: Indexable[Item], size: int, n_items: int, drops_last: bool, pad: Any) -> None:
        self._sequence = sequence
        self.size = size
        self._n_items = n_items
        self._drops_last = drops_last
        self._pad = pad
        self._length = n_items // size if drops_last else -(-n_items // size)

    def last_size(self) -> int:
        """Return the number of items in the last batch."""
        n_left = self._n_items % self.size
        return self.size if self._drops_last or self._pad is not None or n_left == 0 else n_left

    def _places(self, index: int) -> range:
        first = index * self.size
        return range(first, min(first + self.size, self._n_items))

    def _item(self, index: int, /) -> list[Item]:
        places = self._places(index)
        items = list(walk(self._sequence, places))
        if self._pad is not None:
            items += [self._pad] * (self.size - len(places))
        return items

    def _assign(self, index: int, value: Any, /) -> None:
        values, places = list(value), self._places(index)
        n_expected = len(places) if self._pad is None else self.size
        if len(values) != n_expected:
            raise ValueError(f"{show_count(len(values))} for batch {index}, which has {n_expected}")
        for place, one in zip(places, values, strict=False):  # nothing is behind the padding
            assign(self._sequence, place, one)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._sequence, self.size, self._n_items, self._drops_last, self._pad)

    def _name(self) -> str:
        return f"batch of {self.size}"


class Unbatched(View[Any]):
    """The items of batches, one by one."""

    __slots__ = ("_get", "_last_size", "_sequence", "size")

    def __init__(self, sequence: Indexable[Any], size: int, last_size: int, n_batches: int) -> None:
        self._sequence = sequence
        self.size = size
        """Items in each batch but the last."""
        self._last_size = last_size
        self._length = (n_batches - 1) * size + last_size if n_batches else 0
        self._get = getter(sequence)

    def _check(self, number: int, batch: Any) -> Any:
        expected = self.size if (number + 1) * self.size <= self._length else self._last_size
        if len(batch) not in {expected, self.size}:  # the last one may be filled up: its padding is left out
            raise ValueError(
                f"batch {number} has {show_count(len(batch))}, and {self!r} needs {expected} there: "
                "give unbatch() the batch_size of all, and the last_batch_size if it differs"
            )
        return batch

    def _item(self, index: int, /) -> Any:
        number, place = divmod(index, self.size)
        return self._check(number, self._get(number))[place]

    def _walk(self, indexes: range, /) -> Iterator[Any]:
        if not indexes or abs(indexes.step) > self.size:
            yield from super()._walk(indexes)
            return
        direction = 1 if indexes.step > 0 else -1
        numbers = range(indexes[0] // self.size, indexes[-1] // self.size + direction, direction)
        batches = walk(self._sequence, numbers)
        current, batch = -1, None
        for index in indexes:
            number, place = divmod(index, self.size)
            if number != current:
                current, batch = number, self._check(number, next(batches))
            yield batch[place]  # type: ignore[index]  # a number is never -1, so there is a batch

    def __reduce__(self) -> tuple[Any, ...]:
        n_batches = -(-self._length // self.size)
        return type(self), (self._sequence, self.size, self._last_size, n_batches)

    def _name(self) -> str:
        return f"unbatch of {self.size}"


class Pieces(View[View[Item]]):
    """Parts of a sequence, each a view of it."""

    __slots__ = ("_sequence", "_starts", "_stops")

    def __init__(self, sequence: Indexable[Item], starts: Sequence[int], stops: Sequence[int]) -> None:
        self._sequence = sequence
        self._starts = starts
        self._stops = stops
        self._length = len(starts)

    def _item(self, index: int, /) -> View[Item]:
        return Picked(self._sequence, range(self._starts[index], self._stops[index]))

    def _assign(self, index: int, value: Any, /) -> None:
        self._item(index)[:] = value

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._sequence, self._starts, self._stops)

    def _name(self) -> str:
        return "split"


@overload
def batch(
    sequence: Indexable[Item], k: int, *, drop_last: bool = False, pad: Any = None, collate_fn: None = None
) -> View[list[Item]]: ...
@overload
def batch(
    sequence: Indexable[Item],
    k: int,
    *,
    drop_last: bool = False,
    pad: Any = None,
    collate_fn: Callable[[list[Item]], Result],
) -> View[Result]: ...
@overload
def batch(
    sequence: Endless[Item],
    k: int,
    *,
    drop_last: bool = False,
    pad: Any = None,
    collate_fn: Callable[[list[Item]], Any] | None = None,
) -> Endless[Any]: ...
def batch(
    sequence: Indexable[Item] | Endless[Item],
    k: int,
    *,
    drop_last: bool = False,
    pad: Any = None,
    collate_fn: Callable[[list[Item]], Any] | None = None,
) -> View[Any] | Endless[Any]:
    """Return a sequence of lists of `k` items each.

    Assignment to a batch goes through to the sequence; to one that `collate_fn` has made it cannot.

    Parameters
    ----------
    sequence
        To cut, of any length, or without an end.
    k
        Items in a batch, at least 1.
    drop_last
        Whether to leave out a last batch of fewer items.
    pad
        Fills a last batch of fewer items up to `k`. None leaves it short. To assign to such a batch takes `k` values,
        of which those in the padding go nowhere.
    collate_fn
        Called with each list, padding included, to make something else of it, such as an array.

    Returns
    -------
    View
        Empty for an empty sequence; without an end when the sequence has none.

    Raises
    ------
    SettingsError
        When `k` is less than 1. A ValueError.
    TypeError
        When `sequence` is none, or `k` no int.

    Examples
    --------
    >>> from tintype.sequences import batch
    >>> batch("abcde", 2), list(batch("abcde", 2))
    (<batch of 2: 3 items>, [['a', 'b'], ['c', 'd'], ['e']])
    >>> list(batch([1, 2, 3], 2, pad=0, collate_fn=tuple))
    [(1, 2), (3, 0)]
    """
    size = _read_size("k", k)
    if isinstance(sequence, Endless):
        batched: Endless[list[Item]] | View[list[Item]] = Endless(Batched(sequence.view, size, NO_END, drop_last, pad))
    else:
        batched = Batched(sequence, size, count_items("batch", sequence), drop_last, pad)
    return batched if collate_fn is None else smap(collate_fn, batched)


def unbatch(sequence: Indexable[Any], batch_size: int, *, last_batch_size: int | None = None) -> View[Any]:
    """Return a sequence of the items of batches, one by one.

    A batch is whatever has a length and items by number: a list, a tuple, an array. Iteration, and that of views of
    this, computes each batch once. By index a batch is computed for each of its items, since nothing is kept:
    ``unbatch(add_cache(batches, 4), 32)`` keeps what the neighbours need.

    Parameters
    ----------
    sequence
        Of batches.
    batch_size
        Items in each batch, at least 1; for pairs 2.
    last_batch_size
        Items that count in the last batch, where they are fewer; one that was filled up loses its padding. None: as
        many as :func:`batch` has put there, when the batches are from there, also by way of :func:`smap`, and of this
        size; otherwise `batch_size`.

    Returns
    -------
    View
        Empty when there are no batches. To read from a batch of another size is a ValueError.

    Raises
    ------
    SettingsError
        When `batch_size` is less than 1, or `last_batch_size` not from 1 to it. A ValueError.
    TypeError
        When `sequence` is none, or has no end, or a size is no int.

    Examples
    --------
    >>> from tintype.sequences import batch, smap, unbatch
    >>> squares = smap(lambda numbers: [number**2 for number in numbers], batch(range(5), 2))
    >>> unbatch(squares, 2), list(unbatch(squares, 2))
    (<unbatch of 2: 5 items>, [0, 1, 4, 9, 16])
    """
    size = _read_size("batch_size", batch_size)
    n_batches = count_items("unbatch", sequence)
    if last_batch_size is None:
        last_size = _find_last_size(sequence, size)
    else:
        last_size = to_index(last_batch_size, "last_batch_size is an int")
    if not 1 <= last_size <= size:
        raise SettingsError(f"last_batch_size is {last_size}: give 1 to {size}, the batch_size")
    return Unbatched(sequence, size, last_size, n_batches)


def split(sequence: Indexable[Item], edges: int | Sequence[int] | Sequence[tuple[int, int]]) -> View[View[Item]]:
    """Return a sequence of parts of a sequence, each a view of it.

    Assignment to a part goes through to the sequence: as many values as it has items.

    Parameters
    ----------
    sequence
        To cut.
    edges
        An int: the number of cuts; the ``edges + 1`` parts are of one length. A list of ints: where to cut, rising,
        from 0 to the length; the beginning and the end go without saying. A list of pairs: the first item of each part
        and the one after its last, in any order.

    Raises
    ------
    SettingsError
        When the edges do not fit the sequence. A ValueError.
    TypeError
        When `sequence` is none, or has no end, or an edge is no int.

    Examples
    --------
    >>> from tintype.sequences import split
    >>> [list(part) for part in split("abcdef", 1)], [list(part) for part in split("abcdef", [1, 3])]
    ([['a', 'b', 'c'], ['d', 'e', 'f']], [['a'], ['b', 'c'], ['d', 'e', 'f']])
    >>> list(split("abcdef", [(4, 6)])[0])
    ['e', 'f']
    """
    n_items = count_items("split", sequence)
    if isinstance(edges, SupportsIndex) and not hasattr(edges, "__len__"):  # an array may be both
        return Pieces(sequence, *_cut_evenly(n_items, to_index(edges, "edges are ints")))
    parts: Any = edges
    bounds = [_read_pair(part) if hasattr(part, "__len__") else to_index(part, "edges are ints") for part in parts]
    pairs = [bound for bound in bounds if isinstance(bound, tuple)]
    cuts = [bound for bound in bounds if isinstance(bound, int)]
    if pairs and cuts:
        raise SettingsError(
            f"split got the edges {edges!r}: give places to cut at, or pairs of start and stop, not both"
        )
    if not pairs:
        pairs = list(pairwise([0, *cuts, n_items]))
    for start, stop in pairs:
        if not 0 <= start <= stop <= n_items:
            raise SettingsError(f"split cannot take items {start} to {stop} of {show_count(n_items)}")
    return Pieces(sequence, [start for start, _ in pairs], [stop for _, stop in pairs])


def _cut_evenly(n_items: int, n_cuts: int) -> tuple[Sequence[int], Sequence[int]]:
    n_parts = n_cuts + 1
    if n_parts < 1 or n_items % n_parts:
        raise SettingsError(f"{n_cuts} cuts do not make parts of one length from {show_count(n_items)}")
    size = n_items // n_parts
    if size == 0:
        return [0] * n_parts, [0] * n_parts
    return range(0, n_items, size), range(size, n_items + 1, size)


def _read_pair(edge: Any) -> tuple[int, int]:
    if len(edge) != 2:
        raise SettingsError(f"split got the edge {edge!r}: give a start and a stop")
    start, stop = edge
    return to_index(start, "edges are ints"), to_index(stop, "edges are ints")


def _read_size(name: str, value: SupportsIndex) -> int:
    size = to_index(value, f"{name} is an int")
    if size < 1:
        raise SettingsError(f"{name} is {size}: give at least 1")
    return size


def _find_last_size(sequence: Any, size: int) -> int:
    batches = sequence.sequence if type(sequence) is Map else sequence
    return batches.last_size() if type(batches) is Batched and batches.size == size else size
