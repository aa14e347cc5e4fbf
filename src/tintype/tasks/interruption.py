"""Stop a build cleanly: on SIGTERM as on Ctrl-C, and when the Luigi process that forked it is gone."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from luigi.worker import TaskProcess


@contextmanager
def stoppable() -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM in the main thread raise KeyboardInterrupt while the block runs.

    The second of its kind ends the process at once, whatever the files in hand are waiting for. Luigi sends its task
    processes a SIGTERM after the Ctrl-C that they got as well: together these are one. A handler that the application
    set itself is left alone, and so is Ctrl-C at Python's prompt, where ending the process would end the session. In
    another thread nothing changes: Python delivers signals to the main thread only.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    defaults = {signal.SIGTERM: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
    if hasattr(sys, "ps1"):
        del defaults[signal.SIGINT]
    taken = {number: default for number, default in defaults.items() if signal.getsignal(number) is default}
    is_stopping = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal is_stopping
        signal.signal(number, signal.SIG_DFL)
        if not is_stopping:
            is_stopping = True
            raise KeyboardInterrupt(signal.Signals(number).name)
        if number == signal.SIGINT:  # Luigi sends none: this one is from somebody who does not want to wait any more
            signal.raise_signal(number)

    for number in taken:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, default in taken.items():
            signal.signal(number, default)


def stop_when_orphaned() -> None:
    """Raise KeyboardInterrupt when this process was forked by a Luigi worker that is no longer there.

    Luigi, told to end by SIGTERM, leaves the processes of its tasks working.
    """
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        raise KeyboardInterrupt("the Luigi worker that started this process is gone")


class QuietEnd:
    """Let a process that Luigi forked for a task end without a traceback when it is told to stop.

    For Luigi's setting ``[worker] task_process_context``. What multiprocessing prints for a KeyboardInterrupt says
    nothing to who pressed the keys; a SystemExit it takes as it is.

    Parameters
    ----------
    process
        What runs the task: a process of its own, or with one worker Luigi's own.
    """

    def __init__(self, process: TaskProcess) -> None:
        self._process = process

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, KeyboardInterrupt) and self._process.use_multiprocessing:
            raise SystemExit(1) from None
