"""Sequences whose items come from one of several others, by a sequence that says which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, SupportsIndex, overload

from tintype.sequences.view import (
    Endless,
    Indexable,
    Item,
    View,
    assign,
    close,
    find_origin,
    getter,
    open_together,
    to_index,
)


class Case(View[Item]):
    """Each item from the sequence that a selector names."""

    __slots__ = ("_caller", "_get_selector", "_gets", "_selector", "_values")

    def __init__(self, caller: str, selector: Indexable[Any], values: Sequence[Indexable[Item]], length: int) -> None:
        self._caller = caller
        self._selector = selector
        self._values = values
        self._length = length
        self._get_selector = getter(selector)
        self._gets = [getter(value) for value in values]

    def _choose(self, index: int) -> int:
        chosen = self._get_selector(index)
        if self._caller == "switch":
            return 0 if chosen else 1
        number = to_index(chosen)
        if not 0 <= number < len(self._values):
            raise ValueError(f"the selector of item {index} is {number}, and there are {len(self._values)} sequences")
        return number

    def _item(self, index: int, /) -> Item:
        return self._gets[self._choose(index)](index)

    def _origin(self, index: int, /) -> str | None:
        return find_origin(self._values[self._choose(index)], index)

    def _assign(self, index: int, value: Any, /) -> None:
        assign(self._values[self._choose(index)], index, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._caller, self._selector, self._values, self._length)

    def _name(self) -> str:
        return self._caller


@overload
def switch(condition: Indexable[Any], if_true: Indexable[Item], if_false: Indexable[Item]) -> View[Item]: ...
@overload
def switch(condition: Any, if_true: Any, if_false: Any) -> Any: ...  # of several kinds, or with one that has no end
def switch(condition: Any, if_true: Any, if_false: Any) -> View[Any] | Endless[Any]:
    """Return a sequence whose items come from the one or the other of two sequences.

    Only what is chosen is computed. Assignment goes through to it.

    Parameters
    ----------
    condition
        A sequence of whatever is true or false.
    if_true, if_false
        Sequences of the same length, or without an end.

    Returns
    -------
    View
        As long as they are; without an end when none of them has one.

    Raises
    ------
    SettingsError
        When the lengths differ. A ValueError.
    TypeError
        When one is no sequence.

    Examples
    --------
    >>> from tintype.sequences import switch
    >>> list(switch([True, False, True], "abc", "xyz"))
    ['a', 'y', 'c']
    """
    return _choose("switch", condition, [if_true, if_false])


@overload
def case(selector: Indexable[SupportsIndex], *values: Indexable[Item]) -> View[Item]: ...
@overload
def case(selector: Any, *values: Any) -> Any: ...  # of several kinds, or with one that has no end
def case(selector: Any, *values: Any) -> View[Any] | Endless[Any]:
    """Return a sequence whose items come from one of several sequences each.

    Only what is chosen is computed. Assignment goes through to it.

    Parameters
    ----------
    selector
        A sequence of numbers: 0 for the first of `values`. To read an item whose number is not in
        ``range(len(values))`` is a ValueError.
    *values
        Sequences of the same length as `selector`, or without an end.

    Returns
    -------
    View
        As long as they are; without an end when none of them has one.

    Raises
    ------
    SettingsError
        When the lengths differ. A ValueError.
    TypeError
        When one is no sequence.

    Examples
    --------
    >>> from tintype.sequences import case
    >>> list(case([0, 2, 1], "abc", "klm", "xyz"))
    ['a', 'y', 'm']
    """
    return _choose("case", selector, values)


def _choose(caller: str, selector: Any, values: Sequence[Any]) -> View[Any] | Endless[Any]:
    (opened, *others), length = open_together(caller, [selector, *values])
    return close(Case(caller, opened, others, length))
