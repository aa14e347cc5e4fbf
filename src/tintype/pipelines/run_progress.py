"""A bar on the terminal for a run that takes longer than a blink."""

from __future__ import annotations

from contextlib import AbstractContextManager
from time import monotonic
from typing import TYPE_CHECKING

from tintype.sequences.watching import is_seen_alone, make_bar

if TYPE_CHECKING:
    from rich.progress import Progress

_FIRST_SECONDS = 0.5
"""Time before there is a bar: a short run is over by then, and a flash helps nobody."""
_INTERVAL_SECONDS = 0.25


class RunProgress(AbstractContextManager["RunProgress"]):
    """Shows how many files are done.

    Parameters
    ----------
    total
        Number of inputs.
    wanted
        Whether to show a bar; None shows one where it is seen alone: in the main thread of a program whose standard
        error is a terminal.
    """

    def __init__(self, total: int, *, wanted: bool | None) -> None:
        self._total = total
        self._n_done = 0
        self._n_failed = 0
        self._bar: Progress | None = None
        shows = is_seen_alone() if wanted is None else wanted
        self._next = monotonic() + _FIRST_SECONDS if shows else float("inf")

    def advance(self, n_finished: int, *, n_failed: int) -> None:
        """Add files that are finished; mostly a look at the clock. `n_failed` is the number of all that failed."""
        self._n_done += n_finished
        self._n_failed = n_failed
        now = monotonic()
        if now >= self._next:
            self._next = now + _INTERVAL_SECONDS
            self._tell()

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._tell()
            self._bar.stop()

    def _tell(self) -> None:
        if self._bar is None:
            self._bar = make_bar(behind_count="{task.fields[failed]}")
            self._task = self._bar.add_task("", total=self._total, failed="")
            self._bar.start()
        failed = f"[red]{self._n_failed:,} failed" if self._n_failed else ""
        self._bar.update(self._task, completed=self._n_done, failed=failed, refresh=True)
