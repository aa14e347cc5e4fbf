"""Items computed by threads or processes before they are asked for."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

from tintype.errors import SettingsError
from tintype.sequences.batching import Unbatched
from tintype.sequences.caching import Cached
from tintype.sequences.mapping import Map, find_place
from tintype.sequences.prefetch_lookahead import Lookahead
from tintype.sequences.prefetch_threads import ThreadCrew
from tintype.sequences.prefetch_windows import Crew, CrewStoppedError, Parcel, Source, WindowReader
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
)
from tintype.settings import count_usable_cores

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

Method = Literal["thread", "process"]
METHODS = ("thread", "process")

LEAST_BUFFERED = 10
"""Items that are computed ahead where the caller does not say; two for each worker when that is more."""
MAX_BARREN = 3
"""Times that workers may die one after the other before any has computed anything."""


class Arguments(NamedTuple):
    """What a prefetched sequence was asked to be."""

    n_workers: int
    method: str
    max_buffered: int
    start_hook: Callable[[], object] | None
    shared_memory: bool
    context: str | None
    built_at: str


class Hiring:
    """Starts workers when they are needed, and others when those have ended.

    Parameters
    ----------
    hire
        Starts workers.
    """

    def __init__(self, hire: Callable[[], Crew]) -> None:
        self._hire = hire
        self._crew: Crew | None = None
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._n_barren = 0

    def get_crew(self) -> Crew:
        """Return workers that take work.

        Raises
        ------
        CrewStoppedError
            When one set of workers after the other has died before it had computed anything.
        """
        if self._pid != os.getpid():  # a fork: another thread may have held the lock
            self._pid, self._lock = os.getpid(), threading.Lock()
        with self._lock:
            crew = self._crew
            if crew is None or crew.is_stopped:
                self._crew = None
                if crew is not None:
                    self._count_barren(crew)
                crew = self._crew = self._hire()
            return crew

    def _count_barren(self, crew: Crew) -> None:
        self._n_barren = self._n_barren + 1 if crew.death else 0
        if self._n_barren >= MAX_BARREN:
            self._n_barren = 0
            raise CrewStoppedError(
                "prefetch",
                f"worker processes end before they have computed anything: the last one {crew.death} (a script that "
                "starts some needs its work under if __name__ == '__main__')",
            )

    def stop(self) -> None:
        """End the workers."""
        crew, self._crew = self._crew, None
        if crew is not None:
            crew.stop()


class Prefetched(View[Item]):
    """A sequence whose items are computed ahead by workers."""

    __slots__ = ("_arguments", "_get", "_hiring", "_lookahead", "_pid", "_sequence", "_source")

    def __init__(self, sequence: Indexable[Item], length: int, arguments: Arguments) -> None:
        self._sequence = sequence
        self._length = length
        self._arguments = arguments
        self._get = getter(sequence)
        # What outlives this object, in threads that still run an item, must not hold it.
        self._hiring = Hiring(lambda: _hire(sequence, arguments))
        n_together = count_together(sequence)
        self._source = Source(self._hiring.get_crew, arguments.max_buffered, n_together, arguments.built_at)
        self._pid = os.getpid()
        self._lookahead = Lookahead(self._source, length, arguments.n_workers)
        weakref.finalize(self, self._hiring.stop)

    def _item(self, index: int, /) -> Item:
        if self._pid != os.getpid():  # a fork: it has no workers, and another thread may have held the lock
            self._pid = os.getpid()
            self._lookahead = Lookahead(self._source, self._length, self._arguments.n_workers)
        try:
            found = self._lookahead.take(index)
            if found is not None:
                crew, window, place = found
                value = crew.fetch(window, place)
                return value.open(index, self._arguments.built_at) if isinstance(value, Parcel) else value  # type: ignore[no-any-return]
        except CrewStoppedError:
            pass  # others are started; what prevents them is said there
        if self._arguments.method == "thread" and self._arguments.start_hook is None:
            return self._get(index)
        return next(WindowReader(self._source, range(index, index + 1), self, at_once=True))  # type: ignore[no-any-return]

    def _walk(self, indexes: range, /) -> Iterator[Item]:
        return WindowReader(self._source, indexes, self)

    def __iter__(self) -> Iterator[Item]:
        """Yield the items in order. After an error, ``next()`` goes on with the item behind it."""
        return WindowReader(self._source, range(self._length), self)

    def _assign(self, index: int, value: Any, /) -> None:
        assign(self._sequence, index, value)
        self._lookahead.forget()
        if self._arguments.method == "process":
            self._hiring.stop()  # they have copies of the sequence

    def _origin(self, index: int, /) -> str | None:
        return find_origin(self._sequence, index)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._sequence, self._length, self._arguments)

    def _name(self) -> str:
        n_workers, method = self._arguments[:2]
        several = {"thread": "threads", "process": "processes"}[method]
        return f"prefetch by {n_workers} {method if n_workers == 1 else several}"


def _hire(sequence: Indexable[Any], arguments: Arguments) -> Crew:
    if arguments.method == "thread":
        # Half of what may wait: the reader goes on with the other half meanwhile.
        max_group = max(1, arguments.max_buffered // 2)
        return ThreadCrew(sequence, arguments.n_workers, max_group, arguments.start_hook)
    # Not before it is needed: it loads multiprocessing.
    from tintype.sequences.prefetch_processes import ProcessCrew
    from tintype.sequences.prefetch_starting import choose_context

    return ProcessCrew(
        sequence,
        arguments.n_workers,
        arguments.max_buffered,
        start_hook=arguments.start_hook,
        shared_memory=arguments.shared_memory,
        context=choose_context(arguments.context),
        built_at=arguments.built_at,
    )


@overload
def prefetch(
    sequence: Indexable[Item],
    nworkers: int | None = None,
    *,
    method: Method = "thread",
    max_buffered: int | None = None,
    start_hook: Callable[[], object] | None = None,
    shared_memory: bool = True,
    context: str | BaseContext | None = None,
) -> View[Item]: ...
@overload
def prefetch(
    sequence: Endless[Item],
    nworkers: int | None = None,
    *,
    method: Method = "thread",
    max_buffered: int | None = None,
    start_hook: Callable[[], object] | None = None,
    shared_memory: bool = True,
    context: str | BaseContext | None = None,
) -> Endless[Item]: ...
def prefetch(
    sequence: Indexable[Item] | Endless[Item],
    nworkers: int | None = None,
    *,
    method: Method = "thread",
    max_buffered: int | None = None,
    start_hook: Callable[[], object] | None = None,
    shared_memory: bool = True,
    context: str | BaseContext | None = None,
) -> View[Item] | Endless[Item]:
    """Return the same sequence, with its items computed by workers before they are asked for.

    Nothing is computed, and no worker started, before the first item is read. An iteration has a window of its own, so
    that several can go on at once. By index, two neighbours or three numbers at equal distances make a pattern that is
    read ahead; an item that was not expected is computed at once: by threads in the reader's own, where there is no
    `start_hook`; by processes before whatever else they were asked for.

    The workers end when nobody has the sequence or an iterator of it any more, on Ctrl-C, and with the program. They
    do not wait for what was asked of them and not begun. A thread finishes the item in its hands, which nothing can
    prevent; the end of the program waits 0.1 s for that. A process is terminated.

    An item that fails is an error when it is read, also when it raises SystemExit, or cannot be sent from its process;
    then the next one can be read. A process that dies is an error of the item in its hands. All are started anew then,
    and what they had not finished is computed again.

    Parameters
    ----------
    sequence
        To compute, of any length, or without an end. Its functions are called by several workers at once.
    nworkers
        Number of workers; a negative number is so many fewer than there are usable cores. None or 0: one for each core.
    method
        ``thread``: for functions that wait, or let go of the interpreter while they work, as Pillow and NumPy do. Items
        are handed over as they are. ``process``: for what works in Python itself; or crashes. Items travel as pickles.
    max_buffered
        Items that are finished or in hand beyond the one that was read last: of each iteration, and of all reads by
        index. None: 10, or two for each worker. From :func:`unbatch` it is at least a batch, which is computed once.
    start_hook
        Called without argument in each worker before its first item.
    shared_memory
        Of processes: what is large comes through memory that both have, and arrays are in it, without a copy, until
        nobody holds them any more. When more than `max_buffered` are held, the next ones are copied. False: through a
        socket, where a large item waits until it is read.
    context
        Of processes: how they are started, a name or context of :mod:`multiprocessing`. None: by ``fork`` on Linux
        while this process runs no other thread, where every function will do, those of a notebook and lambdas too;
        otherwise by ``spawn``, where `sequence` and `start_hook` must pickle, because a lock that another thread holds
        would stay locked in a fork for ever.

    Returns
    -------
    View
        As long as `sequence`; without an end when that has none. It pickles when `sequence` does, without its workers.
        Assignment goes through, and does not reach what an iteration has computed ahead.

    Raises
    ------
    SettingsError
        When an argument cannot be used; at the first read, when `sequence` cannot be sent to a process. A ValueError.
    TypeError
        When `sequence` is none.

    Examples
    --------
    >>> from tintype.sequences import prefetch, smap
    >>> squares = prefetch(smap(lambda number: number**2, range(6)), 2)
    >>> squares, list(squares), squares[-1], list(squares[::3])
    (<prefetch by 2 threads: 6 items>, [0, 1, 4, 9, 16, 25], 25, [0, 9])
    """
    view = sequence.view if isinstance(sequence, Endless) else sequence
    length = NO_END if isinstance(sequence, Endless) else count_items("prefetch", sequence)
    n_workers = _count_workers(nworkers)
    if method not in METHODS:
        raise SettingsError(f"method is {method!r}: give 'thread' or 'process'")
    if start_hook is not None and not callable(start_hook):
        raise TypeError(f"start_hook is {start_hook!r}: give a function without arguments")
    n_buffered = max(LEAST_BUFFERED, 2 * n_workers) if max_buffered is None else to_index(max_buffered)
    if n_buffered < 1:
        raise SettingsError(f"max_buffered is {n_buffered}: give at least 1")
    arguments = Arguments(
        n_workers, method, n_buffered, start_hook, bool(shared_memory), _name_context(context), find_place()
    )
    return close(Prefetched(view, length, arguments))


def _count_workers(nworkers: int | None) -> int:
    wanted = 0 if nworkers is None else to_index(nworkers)
    return wanted if wanted > 0 else max(1, count_usable_cores() + wanted)


def _name_context(context: str | BaseContext | None) -> str | None:
    if context is None:
        return None
    name = context if isinstance(context, str) else context.get_start_method()
    from multiprocessing import get_all_start_methods

    if name not in get_all_start_methods():
        raise SettingsError(f"context is {name!r}: give one of {', '.join(get_all_start_methods())}")
    return name


def count_together(sequence: Any) -> int:
    """Return how many neighbours share their work, such as the items of one batch, counted from item 0."""
    while type(sequence) in {Map, Cached}:
        sequence = sequence.sequence
    return sequence.size if type(sequence) is Unbatched else 1
