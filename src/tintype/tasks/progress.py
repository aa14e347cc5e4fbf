"""Say how far a build is: a bar on a terminal, log lines elsewhere, and percentage and status in Luigi's own page."""

from __future__ import annotations

import logging
import multiprocessing
import sys
from contextlib import AbstractContextManager
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import luigi
    from rich.progress import Progress as RichProgress

    from tintype.settings import Progress

logger = logging.getLogger("luigi-interface.tintype")

BAR_SECONDS = 0.1
LUIGI_SECONDS = 1.0
LOG_SECONDS = 10.0
_TITLE_LENGTH = 24


class StageProgress(AbstractContextManager["StageProgress"]):
    """Report the progress of one stage, from the thread that coordinates it.

    Parameters
    ----------
    task
        The stage. Luigi gives it its reporting functions while it runs.
    title
        What is being built, for people.
    kind
        Where to report, see :class:`tintype.settings.Settings`.
    total
        Number of inputs.
    """

    def __init__(self, task: luigi.Task, title: str, kind: Progress, *, total: int) -> None:
        self._task = task
        self._title = title
        self._total = total
        self._n_kept = 0
        self._n_done = 0
        self._n_failed = 0
        self._started = monotonic()
        self._next_luigi = 0.0
        self._next_log = self._started + LOG_SECONDS
        self._next_bar = 0.0
        self._logs = kind in ("auto", "log")
        self._bar: RichProgress | None = None
        if kind == "bar" or (kind == "auto" and _has_terminal()):
            self._logs = False
            self._bar = _make_bar()
            short = title if len(title) <= _TITLE_LENGTH else f"{title[: _TITLE_LENGTH - 1]}…"
            self._bar_task = self._bar.add_task(short, total=total, failed="", rate="")

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._tell_bar()
        if self._bar is not None:
            self._bar.stop()
        if kind is None:
            self._tell_luigi()

    def advance(self, n_worked: int, *, n_kept: int, n_failed: int) -> None:
        """Add inputs that were worked on, and some that an earlier run had finished; cheap, mostly a look at the clock.

        `n_failed` is the number of all that have failed so far.
        """
        self._n_kept += n_kept
        self._n_done = min(self._n_done + n_worked + n_kept, self._total)  # some inputs get a second chance
        self._n_failed = n_failed
        now = monotonic()
        if self._bar is not None and now >= self._next_bar:
            self._next_bar = now + BAR_SECONDS
            self._tell_bar()
        if now >= self._next_luigi:
            self._next_luigi = now + LUIGI_SECONDS
            self._tell_luigi()
        if self._logs and now >= self._next_log:
            self._next_log = now + LOG_SECONDS
            logger.info("%s: %s", self._title, self.describe())

    def describe(self) -> str:
        """Return how far the build is, in words."""
        elapsed = max(monotonic() - self._started, 1e-9)
        rate = (self._n_done - self._n_kept) / elapsed
        failed = f", {self._n_failed:,} failed" if self._n_failed else ""
        left = ""
        if rate > 0 and self._n_done < self._total:
            left = f", {_duration((self._total - self._n_done) / rate)} left"
        return f"{self._n_done:,} of {self._total:,} files, {rate:,.1f} files/s{failed}{left}"

    def _tell_bar(self) -> None:
        if self._bar is not None:
            rate = (self._n_done - self._n_kept) / max(monotonic() - self._started, 1e-9)
            failed = f"[red]{self._n_failed:,} failed" if self._n_failed else ""
            self._bar.update(
                self._bar_task, completed=self._n_done, failed=failed, rate=f"{rate:,.1f} files/s", refresh=True
            )

    def _tell_luigi(self) -> None:
        # Luigi sets these while run() runs and resets them to None after; each call is a request to the scheduler.
        reporters: Any = self._task
        set_percentage = getattr(reporters, "set_progress_percentage", None)
        set_message = getattr(reporters, "set_status_message", None)
        if set_percentage is not None:
            set_percentage(round(100 * self._n_done / self._total) if self._total else 100)
        if set_message is not None:
            set_message(self.describe())


def _has_terminal() -> bool:
    """Return whether a bar would be seen alone: not in a process that Luigi forked beside others."""
    return sys.stderr.isatty() and multiprocessing.parent_process() is None


def _make_bar() -> RichProgress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),  # the figures say more, and fit into 80 columns
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TextColumn("{task.fields[failed]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        auto_refresh=False,
    )


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
