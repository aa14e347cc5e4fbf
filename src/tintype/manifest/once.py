"""An attribute that is computed when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

Value = TypeVar("Value")


class once(Generic[Value]):  # noqa: N801, a decorator
    """Compute an attribute when it is first asked for, and keep it.

    As ``functools.cached_property`` of Python 3.12; that of 3.11 holds one lock for all objects of a class meanwhile,
    which a fork copies held. Where two threads compute at once, both get what was finished first.

    Parameters
    ----------
    compute
        The method.

    Examples
    --------
    >>> class Circle:
    ...     @once
    ...     def area(self) -> float:
    ...         print("computing")
    ...         return 3.0
    >>> circle = Circle()
    >>> circle.area + circle.area
    computing
    6.0
    """

    def __init__(self, compute: Callable[[Any], Value]) -> None:
        self._compute = compute
        self._name = compute.__name__
        self.__doc__ = compute.__doc__

    @overload
    def __get__(self, owner: None, kind: type | None = None) -> Self: ...
    @overload
    def __get__(self, owner: object, kind: type | None = None) -> Value: ...
    def __get__(self, owner: object | None, kind: type | None = None) -> Self | Value:
        if owner is None:
            return self
        value = self._compute(owner)
        # One step, also with several threads. From now on Python finds the value before it comes here.
        return vars(owner).setdefault(self._name, value)  # type: ignore[no-any-return]
