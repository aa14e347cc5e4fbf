"""Looking on while items are read."""

from __future__ import annotations

import multiprocessing
import sys
import threading
from collections.abc import Callable, Iterator
from time import monotonic
from typing import TYPE_CHECKING, Any, overload

from tintype.errors import SettingsError
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

if TYPE_CHECKING:
    from rich.progress import Progress

FIRST_SECONDS = 0.5
"""Time before there is a bar: what is short is over by then, and a flash helps nobody."""
INTERVAL_SECONDS = 0.1


class Watched(View[Item]):
    """A sequence as it is, for the sake of who looks on."""

    __slots__ = ("_get", "_sequence")

    def __init__(self, sequence: Indexable[Item], length: int) -> None:
        self._sequence = sequence
        self._length = length
        self._get = getter(sequence)

    def _item(self, index: int, /) -> Item:
        return self._get(index)

    def _assign(self, index: int, value: Any, /) -> None:
        assign(self._sequence, index, value)

    def _origin(self, index: int, /) -> str | None:
        return find_origin(self._sequence, index)


class Progressed(Watched[Item]):
    """A sequence that shows a bar while it is iterated."""

    __slots__ = ("_label", "_wanted")

    def __init__(self, sequence: Indexable[Item], length: int, label: str, wanted: bool | None) -> None:
        super().__init__(sequence, length)
        self._label = label
        self._wanted = wanted

    def _walk(self, indexes: range, /) -> Iterator[Item]:
        shows = is_seen_alone() if self._wanted is None else self._wanted
        if not shows:
            yield from walk(self._sequence, indexes)
            return
        bar = _Bar(self._label, None if self._length >= NO_END else len(indexes))
        try:
            for n_done, item in enumerate(walk(self._sequence, indexes), start=1):
                yield item
                bar.show(n_done)
        finally:
            bar.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._sequence, self._length, self._label, self._wanted)

    def _name(self) -> str:
        return f"progress of {self._sequence!r}" if isinstance(self._sequence, View) else "progress"


class _Bar:
    """A bar on the terminal, once it is worth it."""

    def __init__(self, label: str, total: int | None) -> None:
        self._label = label
        self._total = total
        self._n_done = 0
        self._next = monotonic() + FIRST_SECONDS
        self._bar: Progress | None = None

    def show(self, n_done: int) -> None:
        """Say how many items the reader is done with; mostly a look at the clock."""
        self._n_done = n_done
        now = monotonic()
        if now >= self._next:
            self._next = now + INTERVAL_SECONDS
            self._tell()

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._tell()
            self._bar.stop()

    def _tell(self) -> None:
        if self._bar is None:
            self._bar = make_bar("{task.description}")
            self._task = self._bar.add_task(self._label, total=self._total)
            self._bar.start()
        self._bar.update(self._task, completed=self._n_done, refresh=True)


def make_bar(first: str = "", *, behind_count: str = "") -> Progress:
    """Return a bar on the standard error, which is drawn when it is told to be.

    Parameters
    ----------
    first
        What stands before the bar, as rich formats a task; nothing when empty.
    behind_count
        What stands behind the count.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        *([TextColumn(first)] if first else []),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        *([TextColumn(behind_count)] if behind_count else []),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        auto_refresh=False,
        # What functions print to a file or a pipe is to arrive there.
        redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
    )


def is_seen_alone() -> bool:
    """Return whether a bar is seen, and no other beside it: in the main thread of a program with a terminal."""
    return (
        sys.stderr is not None
        and sys.stderr.isatty()
        and threading.current_thread() is threading.main_thread()
        and multiprocessing.parent_process() is None
    )


@overload
def progress(sequence: Indexable[Item], label: str = "", *, show: bool | None = None) -> View[Item]: ...
@overload
def progress(sequence: Endless[Item], label: str = "", *, show: bool | None = None) -> Endless[Item]: ...
def progress(
    sequence: Indexable[Item] | Endless[Item], label: str = "", *, show: bool | None = None
) -> View[Item] | Endless[Item]:
    """Return the same sequence, which shows a progress bar on standard error while it is iterated.

    The bar comes after half a second. Reads by index show nothing. The items computed ahead below, by
    :func:`prefetch`, do not count before they are read: put this around it.

    Parameters
    ----------
    sequence
        Of any length, or without an end.
    label
        Stands before the bar.
    show
        Whether to show it; None shows it in the main thread of a program whose standard error is a terminal.

    Raises
    ------
    TypeError
        When `sequence` is none.

    Examples
    --------
    >>> from tintype.sequences import progress
    >>> sum(progress([1, 2, 3], "adding"))
    6
    """
    view = sequence.view if isinstance(sequence, Endless) else sequence
    length = NO_END if isinstance(sequence, Endless) else count_items("progress", sequence)
    return close(Progressed(view, length, label, show))


class Debugged(Watched[Item]):
    """A sequence that calls a function at each read."""

    __slots__ = ("_hook", "_last", "_lock", "_max_calls", "_max_rate", "_n_calls")

    def __init__(
        self,
        sequence: Indexable[Item],
        length: int,
        hook: Callable[[int, Any], object],
        max_calls: int | None,
        max_rate: float | None,
    ) -> None:
        super().__init__(sequence, length)
        self._hook = hook
        self._max_calls = max_calls
        self._max_rate = max_rate
        self._n_calls = 0
        self._last: float | None = None
        self._lock = threading.Lock()

    def _item(self, index: int, /) -> Item:
        item = self._get(index)
        self._call(index, item)
        return item

    def _walk(self, indexes: range, /) -> Iterator[Item]:
        for index, item in zip(indexes, walk(self._sequence, indexes), strict=True):
            self._call(index, item)
            yield item

    def _call(self, index: int, item: Any) -> None:
        if self._is_due():
            self._hook(index, item)

    def _is_due(self) -> bool:
        if self._max_calls is None and self._max_rate is None:
            return True
        with self._lock:
            now = monotonic()
            if self._max_calls is not None and self._n_calls >= self._max_calls:
                return False
            if self._max_rate is not None and self._last is not None and now - self._last < 1 / self._max_rate:
                return False
            self._n_calls += 1
            self._last = now
            return True

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._sequence, self._length, self._hook, self._max_calls, self._max_rate)

    def _name(self) -> str:
        return f"debug of {self._sequence!r}" if isinstance(self._sequence, View) else "debug"


@overload
def debug(
    sequence: Indexable[Item],
    hook: Callable[[int, Any], object],
    *,
    max_calls: int | None = None,
    max_rate: float | None = None,
) -> View[Item]: ...
@overload
def debug(
    sequence: Endless[Item],
    hook: Callable[[int, Any], object],
    *,
    max_calls: int | None = None,
    max_rate: float | None = None,
) -> Endless[Item]: ...
def debug(
    sequence: Indexable[Item] | Endless[Item],
    hook: Callable[[int, Any], object],
    *,
    max_calls: int | None = None,
    max_rate: float | None = None,
) -> View[Item] | Endless[Item]:
    """Return the same sequence, which calls a function with the number and the value of each item that is read.

    Parameters
    ----------
    sequence
        Of any length, or without an end.
    hook
        Called as ``hook(index, value)`` before the reader gets the value, in the reader's thread. What it raises, the
        reader gets; what it returns, nobody.
    max_calls
        Most calls, at least 0; None: no limit.
    max_rate
        Most calls a second, more than 0; None: no limit. The first read is always shown.

    Raises
    ------
    SettingsError
        When a limit cannot be used. A ValueError.
    TypeError
        When `sequence` is none, or `hook` cannot be called.

    Examples
    --------
    >>> from tintype.sequences import debug
    >>> list(debug("ab", print, max_calls=1))
    0 a
    ['a', 'b']
    """
    if not callable(hook):
        raise TypeError(f"debug needs a function of an index and a value, and got {hook!r}")
    if max_calls is not None and to_index(max_calls) < 0:
        raise SettingsError(f"max_calls is {max_calls}: give at least 0")
    if max_rate is not None and not max_rate > 0:
        raise SettingsError(f"max_rate is {max_rate}: give calls a second, more than 0")
    view = sequence.view if isinstance(sequence, Endless) else sequence
    length = NO_END if isinstance(sequence, Endless) else count_items("debug", sequence)
    return close(Debugged(view, length, hook, max_calls, max_rate))
