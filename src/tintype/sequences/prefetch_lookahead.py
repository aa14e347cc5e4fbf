"""Reading ahead of somebody who asks for items by number: in order, backwards, by steps, or with no pattern at all."""

from __future__ import annotations

import sys
import threading

from tintype.sequences.prefetch_windows import Crew, Source, Window

NOT_IN_LINE = -sys.maxsize


class Lookahead:
    """Tells from the numbers that were asked for which come next, and has them computed.

    Two neighbours in either direction make a pattern, and so do three numbers at equal distances. What is computed
    ahead grows with the length of the pattern. What was computed ahead and never read counts against the next time,
    until as many reads have followed a pattern: so reads without one evaluate hardly more than is read.

    Parameters
    ----------
    source
        Of the workers.
    length
        Of the sequence.
    n_workers
        How many items are computed ahead, at first.
    """

    def __init__(self, source: Source, length: int, n_workers: int) -> None:
        self._source = source
        self._length = length
        self._n_workers = n_workers
        self._lock = threading.Lock()
        self._last: int | None = None
        self._stride = 0
        self._run = 0
        """Reads that have followed the pattern."""
        self._debt = 0
        """Items that were computed ahead for nobody."""
        self._window: Window | None = None
        self._crew: Crew | None = None
        self._reach = 0
        """Items that may be computed ahead; grows with each one that was read."""
        self._first = 0
        """Place in the window before which all is read."""
        self._taken: set[int] = set()
        """Places from there on that were read."""

    def take(self, index: int) -> tuple[Crew, Window, int] | None:
        """Note that an item is asked for, and have the next ones computed.

        Returns
        -------
        tuple or None
            Whom and what to wait for when the item was computed ahead; None when it is to be computed now.
        """
        with self._lock:
            try:
                return self._take(index)
            except BaseException:
                self._close()  # Ctrl-C, most likely: nobody knows what has been asked for
                raise

    def _take(self, index: int) -> tuple[Crew, Window, int] | None:
        is_repeated = index == self._last
        self._follow(index)
        window, crew = self._window, self._crew
        if window is None or crew is None or crew.is_stopped:
            self._close()
        else:
            place = _find_place(window, index)
            if self._first <= place < window.n_asked and place not in self._taken:
                self._take_out(place)
                self._reach += 2
                self._extend()
                return crew, window, place
            if is_repeated or place in self._taken or self._is_near(place, window):
                return None
            self._close()
        if self._run:
            self._open_at(index + self._stride)
        return None

    def forget(self) -> None:
        """Drop what was computed ahead."""
        with self._lock:
            self._close()

    def _follow(self, index: int) -> None:
        """See whether a read follows the pattern of those before."""
        stride = 0 if self._last is None else index - self._last
        self._last = index
        if stride == 0:
            return
        if stride == self._stride:
            self._run += 1
            self._debt = max(0, self._debt - 1)
        else:
            self._run = int(abs(stride) == 1)
            self._stride = stride

    def _is_near(self, place: int, window: Window) -> bool:
        """See whether this is one of several readers, a little behind or ahead of the others, and not a new pattern."""
        if self._run > 1:
            return False
        is_ahead = window.n_asked <= place < window.n_asked + self._source.max_buffered and self._run == 0
        if is_ahead:
            self._take_out(place)
        return is_ahead or -self._source.max_buffered <= place < self._first

    def _take_out(self, place: int) -> None:
        self._taken.add(place)
        while self._first in self._taken:
            self._taken.remove(self._first)
            self._first += 1

    def _open_at(self, index: int) -> None:
        self._close()
        indexes = range(index, self._length if self._stride > 0 else -1, self._stride)
        if indexes:
            self._window = Window(indexes)
            self._crew = self._source.get_crew()
            self._reach = self._n_workers
            self._extend()

    def _extend(self) -> None:
        """Have more places computed, as many as the pattern is worth."""
        window, crew = self._window, self._crew
        assert window is not None
        assert crew is not None
        n_ahead = min(self._source.max_buffered - self._debt, max(self._reach, self._source.n_together))
        n_unread = window.n_asked - self._first - len(self._taken)
        n_more = n_ahead - n_unread
        if n_more <= 0 or (n_unread and n_more < min(crew.group, n_ahead)):
            return
        runs = self._source.cut(window, n_more)
        runs = [run for run in runs if run[1] > 1 or run[0] not in self._taken]
        if runs:
            crew.ask(window, runs)

    def _close(self) -> None:
        window, crew = self._window, self._crew
        if window is not None and crew is not None:
            crew.cancel(window)
            n_unread = window.n_asked - self._first - len(self._taken)
            self._debt = min(self._source.max_buffered, self._debt + max(0, n_unread))
        self._window, self._crew = None, None
        self._first = 0
        self._taken.clear()


def _find_place(window: Window, index: int) -> int:
    """Return the place of an item, below 0 when it would come before the window; far below when it is not in line."""
    indexes = window.indexes
    assert isinstance(indexes, range)
    place, rest = divmod(index - indexes.start, indexes.step)
    return place if rest == 0 else NOT_IN_LINE
