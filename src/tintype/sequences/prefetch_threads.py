"""Workers that are threads.

Not ``ThreadPoolExecutor``: a future for each item costs more than a small item does, its queue cannot put one item
before the others, and at the end of the program it waits for its threads.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic, perf_counter
from typing import Any

from tintype.sequences.prefetch_windows import MISSING, CrewStoppedError, Failure, OwnThread, Window
from tintype.sequences.view import Indexable, getter, walk

HAND_OVER_SECONDS = 0.0002
"""Work for which it is worth to wake a thread, which costs ten microseconds."""
AT_EXIT_SECONDS = 0.1
"""Time for running items to end when the program ends, so that most C code is not cut off in the middle."""

Ticket = tuple[Window, int, int]
"""A window, a place in it, and how many places from there one worker is to compute."""


class ThreadCrew:
    """Threads that compute items for any number of windows; each is started when there is work that waits for it.

    Tickets and results pass through a deque and dicts, whose single operations no other thread can come between.
    Whoever goes to sleep first says so, then looks again, then sleeps: so no wake-up is lost.

    Parameters
    ----------
    sequence
        To compute items of.
    n_workers
        Most threads.
    max_group
        Most items that may wait for one wake-up.
    start_hook
        Called in each thread before its first item.
    """

    def __init__(
        self, sequence: Indexable[Any], n_workers: int, max_group: int, start_hook: Callable[[], object] | None
    ) -> None:
        self.group = 1
        self._sequence = sequence
        self._get = getter(sequence)
        self._n_workers = n_workers
        self._max_group = max_group
        self._start_hook = start_hook
        self._pid = os.getpid()
        self._is_stopped = False
        self._failure: BaseException | None = None
        self._tickets: deque[Ticket] = deque()
        self._idle: deque[tuple[OwnThread, threading.Lock]] = deque()
        """Threads that wait, each with its bell. A bell is a lock that is taken, and let go to ring it."""
        self._bells: dict[tuple[Window, int], threading.Lock] = {}
        """Of readers who wait, by what for."""
        self._threads: list[OwnThread] = []
        self._starting = threading.Lock()
        atexit.register(self._stop_at_exit)

    @property
    def is_stopped(self) -> bool:
        """Whether the threads take no more work; a fork has none."""
        return self._is_stopped or self._pid != os.getpid()

    @property
    def death(self) -> str:
        """Nothing: a thread does not die."""
        return ""

    def ask(self, window: Window, places: Sequence[tuple[int, int]], *, at_once: bool = False) -> None:
        """Have runs of places computed."""
        if at_once:
            self._tickets.extendleft((window, place, n_places) for place, n_places in reversed(places))
        else:
            self._tickets.extend([(window, place, n_places) for place, n_places in places])
        self._summon(self.group)

    def fetch(self, window: Window, place: int) -> Any:
        """Wait until a place is done."""
        value = window.done.pop(place, MISSING)
        if value is not MISSING:
            return value
        self._summon(1)
        bell = _make_bell()
        self._bells[window, place] = bell
        try:
            value = window.done.pop(place, MISSING)
            while value is MISSING:
                if self._is_stopped:
                    self._refuse()
                bell.acquire()
                value = window.done.pop(place, MISSING)
        except CrewStoppedError:
            raise
        except BaseException:
            self.stop()  # Ctrl-C, most likely
            raise
        finally:
            self._bells.pop((window, place), None)
        return value

    def cancel(self, window: Window) -> None:
        """Have the tickets of a window passed over."""
        window.is_closed = True

    def stop(self) -> None:
        """Have each thread end after the item in its hands, which nothing can stop."""
        if self._pid != os.getpid():
            return
        self._is_stopped = True
        atexit.unregister(self._stop_at_exit)
        self._tickets.clear()
        while self._wake_one():
            pass
        while self._bells:
            try:
                _ring(self._bells.popitem()[1])
            except KeyError:  # the last one was taken away meanwhile
                break

    def _stop_at_exit(self) -> None:
        """Stop, and give what is running a moment: threads that C code runs in are best not cut off."""
        if self._pid != os.getpid():
            return
        self.stop()
        deadline = monotonic() + AT_EXIT_SECONDS
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - monotonic()))

    def _refuse(self) -> None:
        if self._failure is None:
            raise CrewStoppedError
        reason = f"{type(self._failure).__name__}: {self._failure}".removesuffix(": ")
        raise CrewStoppedError("start_hook", reason) from self._failure

    def _summon(self, n_least: int) -> None:
        """Wake or start one thread if so many tickets wait; it summons the next one."""
        if len(self._tickets) < n_least:
            return
        if not self._wake_one() and len(self._threads) < self._n_workers:
            self._start_thread()

    def _wake_one(self) -> bool:
        try:
            thread, bell = self._idle.popleft()
        except IndexError:
            return False
        thread.is_idle = False
        _ring(bell)
        return True

    def _start_thread(self) -> None:
        with self._starting:
            if len(self._threads) >= self._n_workers or self._is_stopped:
                return
            thread = OwnThread(self._work)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        if self._start_hook is not None:
            try:
                self._start_hook()
            except BaseException as error:  # noqa: BLE001 - raised again by whoever waits
                self._failure = error
                self.stop()
                return
        thread = threading.current_thread()
        assert isinstance(thread, OwnThread)
        idle = thread, _make_bell()
        while not self._is_stopped:
            self._work_through_tickets()
            thread.is_idle = True
            self._idle.append(idle)
            if self._tickets or self._is_stopped:
                try:
                    self._idle.remove(idle)
                    thread.is_idle = False
                    continue
                except ValueError:
                    pass  # somebody has rung it
            idle[1].acquire()
        thread.is_idle = True

    def _work_through_tickets(self) -> None:
        """Compute until no ticket is left, and see how long an item takes."""
        tickets, get, bells = self._tickets, self._get, self._bells
        started = perf_counter()
        n_done = 0
        while True:
            try:
                window, place, n_places = tickets.popleft()
            except IndexError:
                break
            if window.is_closed:
                continue
            if tickets:
                self._summon(self.group)
            if n_places > 1:
                self._work_through_run(window, place, n_places)
            else:
                try:
                    value = get(window.indexes[place])
                except BaseException as error:  # noqa: BLE001 - raised again by the reader
                    value = _fail(error)
                window.done[place] = value
                del value  # or it would live until the next one is there
                if bells:
                    self._tell(window, place)
            n_done += 1
            if n_done == 64:
                started, n_done = self._adapt(started, n_done), 0
        if n_done:
            self._adapt(started, n_done)

    def _work_through_run(self, window: Window, first: int, n_places: int) -> None:
        """Compute neighbours that share their work."""
        indexes = window.indexes
        assert isinstance(indexes, range)
        items = None
        for place in range(first, first + n_places):
            try:
                if items is None:
                    items = iter(walk(self._sequence, indexes[place : first + n_places]))
                value = next(items)
            except BaseException as error:  # noqa: BLE001 - raised again by the reader
                value = _fail(error)
                items = None
            window.done[place] = value
            del value
            self._tell(window, place)

    def _tell(self, window: Window, place: int) -> None:
        bell = self._bells.pop((window, place), None)
        if bell is not None:
            _ring(bell)

    def _adapt(self, started: float, n_done: int) -> float:
        """Set how many items are worth a wake-up; return the time."""
        now = perf_counter()
        wanted = HAND_OVER_SECONDS * n_done / max(now - started, 1e-9)
        self.group = max(1, min(int(wanted), self._max_group))
        return now


def _fail(error: BaseException) -> Failure:
    # Without the worker's own frame: it goes on, and would keep what it holds alive for as long as the error.
    traceback = error.__traceback__
    return Failure(error.with_traceback(traceback.tb_next if traceback is not None else None))


def _make_bell() -> threading.Lock:
    bell = threading.Lock()
    bell.acquire()
    return bell


def _ring(bell: threading.Lock) -> None:
    try:
        bell.release()
    except RuntimeError:
        pass  # it has rung already
