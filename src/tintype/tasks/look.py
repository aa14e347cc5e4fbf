"""One look at what a stage works on: what is asked for once and stays the same until a run is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Value = TypeVar("Value")


class Look:
    """Keep values by name; those that can be closed are closed with it.

    Examples
    --------
    >>> look = Look()
    >>> look.once("listing", lambda: ["a"]) is look.once("listing", lambda: ["a", "b"])
    True
    """

    def __init__(self) -> None:
        self._kept: dict[str, Any] = {}

    def __contains__(self, name: str) -> bool:
        """Return whether a value was asked for."""
        return name in self._kept

    def once(self, name: str, make: Callable[[], Value]) -> Value:
        """Return the value of a name, made when it is first asked for."""
        if name not in self._kept:
            self._kept[name] = make()
        value: Value = self._kept[name]
        return value

    def close(self) -> None:
        """Close what can be closed, and keep nothing more."""
        kept, self._kept = self._kept, {}
        for value in kept.values():
            close = getattr(value, "close", None)
            if close is not None:
                close()
