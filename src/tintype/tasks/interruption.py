"""Stop a build cleanly: on SIGTERM as on Ctrl-C, and when the Luigi process that forked it is gone."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stoppable() -> Iterator[None]:
    """Let a SIGTERM in the main thread raise KeyboardInterrupt, once, while the block runs.

    The second SIGTERM ends the process at once. A handler that the application set itself is left alone, and in
    another thread nothing changes: Python delivers signals to the main thread only.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _raise_once)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _raise_once(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    raise KeyboardInterrupt("SIGTERM")


def stop_when_orphaned() -> None:
    """Raise KeyboardInterrupt when this process was forked by a Luigi worker that is no longer there.

    Luigi, told to end by SIGTERM, leaves the processes of its tasks working.
    """
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        raise KeyboardInterrupt("the Luigi worker that started this process is gone")
