"""Items on their way from workers to one reader: what both kinds of workers share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn, Protocol

from tintype.errors import EvaluationError

MISSING: Any = object()
"""Stands where nothing is."""


class OwnThread(threading.Thread):
    """A thread of this room, which ends with the program at the latest.

    Attributes
    ----------
    is_idle
        Whether it waits, and holds nothing that a fork would miss.
    """

    def __init__(self, target: Callable[..., object], args: tuple[Any, ...] = ()) -> None:
        super().__init__(target=target, args=args, name="tintype-prefetch", daemon=True)
        self.is_idle = False


class Window:
    """Some items of a sequence in the order of reading, and those that workers have finished.

    A place is a number in that order: place 0 is what is read first.

    Parameters
    ----------
    indexes
        The number in the sequence of each place.
    """

    __slots__ = ("__weakref__", "done", "indexes", "is_closed", "n_asked", "serial")

    def __init__(self, indexes: Sequence[int]) -> None:
        self.indexes = indexes
        self.done: dict[int, Any] = {}
        """What was finished and not read, by place: a value, or a :class:`Parcel`."""
        self.n_asked = 0
        """Places that workers were asked for, from the first."""
        self.is_closed = False
        """Whether nobody reads from it any more."""
        self.serial = 0
        """Given by the workers where they are processes; 0 until then."""


class Parcel:
    """Something finished that is not yet the value."""

    __slots__ = ()

    def open(self, index: int, built_at: str) -> Any:
        """Return the value of item `index`, or raise what went wrong with it."""
        raise NotImplementedError


class Failure(Parcel):
    """What the computation of an item raised; may be opened once."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error: BaseException | None = error

    def open(self, index: int, built_at: str) -> NoReturn:
        """Raise the error."""
        error, self.error = self.error, None
        assert error is not None
        raise_error(error, index, built_at)


def raise_error(error: BaseException, index: int, built_at: str) -> NoReturn:
    """Raise what the computation of an item raised.

    An exit or interruption in a worker is an error of its item, and must not end the reader's program.
    """
    try:
        if isinstance(error, EvaluationError):
            error.index = index
        if isinstance(error, Exception):
            raise error
        reason = f"{type(error).__name__}: {error}".removesuffix(": ")
        raise EvaluationError(index, "prefetch", built_at, None, f"{reason} was raised in a worker") from error
    finally:
        del error  # it holds this frame, and the frame would hold it


class CrewStoppedError(Exception):
    """The workers have ended, or been ended, while somebody waited for an item.

    Parameters
    ----------
    function, reason
        What went wrong, for an :class:`EvaluationError`; an empty reason when others can take their place.
    """

    def __init__(self, function: str = "", reason: str = "") -> None:
        super().__init__(function, reason)
        self.function = function
        self.reason = reason


class Crew(Protocol):
    """Workers of one kind, and what is asked of them."""

    group: int
    """Items worth one hand-over: one where they take long, many where they take microseconds."""

    @property
    def is_stopped(self) -> bool:
        """Whether they take no more work; so also in a fork of the process that started them."""

    @property
    def death(self) -> str:
        """How a worker ended, when one has before any had computed anything; otherwise empty."""

    def ask(self, window: Window, places: Sequence[tuple[int, int]], *, at_once: bool = False) -> None:
        """Have runs of places computed, each a first place and a number of them by one worker; never waits.

        With `at_once` before whatever else was asked for.
        """

    def fetch(self, window: Window, place: int) -> Any:
        """Wait until a place that was asked for is done, and take it out of its window.

        Raises
        ------
        CrewStoppedError
            When the workers end before.
        """

    def cancel(self, window: Window) -> None:
        """Drop what was asked for a window and not begun; safe at any time, in any thread."""

    def stop(self) -> None:
        """End the workers without waiting for what was asked of them."""


class Source:
    """What readers share: where workers come from, and how far ahead of a reader they may be."""

    __slots__ = ("built_at", "get_crew", "max_buffered", "n_together")

    def __init__(self, get_crew: Callable[[], Crew], max_buffered: int, n_together: int, built_at: str) -> None:
        self.get_crew = get_crew
        """Returns workers that take work; starts them when there are none."""
        self.n_together = n_together
        """Neighbours that share their work, such as the items of one batch, from item 0 on."""
        self.max_buffered = max(max_buffered, n_together)
        self.built_at = built_at

    def cut(self, window: Window, n_more: int) -> list[tuple[int, int]]:
        """Ask for up to `n_more` places of a window: return the runs, and count them as asked for."""
        first = window.n_asked
        last = min(first + n_more, len(window.indexes))
        if self.n_together == 1:
            window.n_asked = max(first, last)
            return [(place, 1) for place in range(first, last)]
        runs = []
        while first < last:
            n_places = self._count_together(window, first)
            if first + n_places > last:
                break
            runs.append((first, n_places))
            first += n_places
        window.n_asked = first
        return runs

    def _count_together(self, window: Window, place: int) -> int:
        indexes = window.indexes
        if not isinstance(indexes, range) or indexes.step != 1:
            return 1
        index = indexes[place]
        return min(self.n_together - index % self.n_together, len(indexes) - place)


class WindowReader(Iterator[Any]):
    """Reads some items in order while workers are a window ahead of it.

    An error in an item is raised when that item is read, and the next call goes on with the item after it.

    Parameters
    ----------
    source
        Of the workers.
    indexes
        What to read, in order.
    owner
        Kept alive as long as somebody reads: the workers end with it.
    at_once
        Whether these come before whatever else the workers were asked for.
    """

    def __init__(self, source: Source, indexes: Sequence[int], owner: object, *, at_once: bool = False) -> None:
        self._source = source
        self._window = Window(indexes)
        self._pop = self._window.done.pop
        self._owner = owner
        self._at_once = at_once
        self._crew: Crew | None = None
        self._place = 0
        self._n_free = source.max_buffered
        self._group = 1

    def __next__(self) -> Any:
        place = self._place
        value = self._pop(place, MISSING)
        if value is MISSING:
            value = self._wait(place)
        self._place = place + 1
        self._n_free += 1
        if self._n_free >= self._group:
            self._ask()
        if isinstance(value, Parcel):
            index, built_at = self._window.indexes[place], self._source.built_at
            # The traceback of an error holds this frame: it must not keep the workers alive for as long.
            del self
            return value.open(index, built_at)
        return value

    def __del__(self) -> None:
        crew: Crew | None = getattr(self, "_crew", None)
        if crew is not None:
            crew.cancel(self._window)

    def _ask(self) -> None:
        """Have more places computed, as many as there is room for."""
        crew, window = self._crew, self._window
        if crew is None:
            return
        n_asked = window.n_asked
        try:
            runs = self._source.cut(window, self._n_free)
            if runs:
                crew.ask(window, runs, at_once=self._at_once)
        except BaseException as error:
            if not isinstance(error, Exception):  # Ctrl-C: nobody knows what has been asked for
                crew.stop()
            self._crew = None
            raise
        self._n_free -= window.n_asked - n_asked
        # Not before there is room for neighbours that share their work; nor after the end.
        is_over = window.n_asked >= len(window.indexes)
        self._group = len(window.indexes) + 1 if is_over else max(crew.group, self._source.n_together)

    def _wait(self, place: int) -> Any:
        """Return what is at a place, once it is there; begin the reading if it has not begun."""
        if place >= len(self._window.indexes):
            raise StopIteration
        crew: Crew | None
        while True:
            try:
                crew = self._source.get_crew()
                if crew is not self._crew:
                    self._begin_with(crew, place)
                elif place >= self._window.n_asked:
                    self._ask()
                return crew.fetch(self._window, place)
            except CrewStoppedError as stopped:
                function, reason, cause = stopped.function, stopped.reason, stopped.__cause__
            if reason:
                index, built_at = self._window.indexes[place], self._source.built_at
                crew = None
                del self
                try:
                    raise EvaluationError(index, function, built_at, None, reason) from cause
                finally:
                    del cause

    def _begin_with(self, crew: Crew, place: int) -> None:
        """Ask new workers for what others were asked for and have not done."""
        window = self._window
        window.serial = 0
        runs = [(missing, 1) for missing in range(place, window.n_asked) if missing not in window.done]
        if runs:
            crew.ask(window, runs, at_once=self._at_once)
        self._crew = crew
        self._n_free = self._source.max_buffered - (window.n_asked - place)
        self._ask()
