"""How worker processes are started and ended."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import threading
from collections.abc import Sequence
from time import monotonic, sleep
from typing import TYPE_CHECKING

from tintype.errors import SettingsError
from tintype.sequences.prefetch_parcels import describe
from tintype.sequences.prefetch_windows import OwnThread

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext
    from multiprocessing.process import BaseProcess

END_SECONDS = 0.2
"""For workers to end when they are asked to, before they are killed."""
KILL_SECONDS = 2.0
QUIET_SECONDS = 0.5
"""For our own threads to end, or to finish what they have, before this process is forked."""


def end_processes(processes: Sequence[BaseProcess]) -> None:
    """Terminate processes, whatever they do, and wait until they have ended."""
    for process in processes:
        process.terminate()
    _wait_for(processes, END_SECONDS)
    for process in processes:
        if process.exitcode is None:
            process.kill()
    _wait_for(processes, KILL_SECONDS)


def choose_context(context: str | BaseContext | None) -> BaseContext:
    """Return how processes are started.

    A fork takes milliseconds, and has the functions of a notebook and every lambda; but a lock that another thread
    holds at that moment stays locked in it. So: a fork where this process has one thread, otherwise a new interpreter.
    """
    if isinstance(context, str):
        return multiprocessing.get_context(context)
    if context is not None:
        return context
    deadline = monotonic() + QUIET_SECONDS
    while True:
        busy = [thread for thread in threading.enumerate() if not (isinstance(thread, OwnThread) and thread.is_idle)]
        is_alone = busy == [threading.main_thread()]
        if is_alone or not all(isinstance(thread, OwnThread) for thread in busy[1:]) or monotonic() > deadline:
            break
        sleep(0.001)
    return multiprocessing.get_context("fork" if is_alone and sys.platform == "linux" else "spawn")


def refuse_to_send(error: Exception, context: BaseContext) -> SettingsError:
    """Return the error of a process that could not be started, with the cure."""
    if multiprocessing.current_process().daemon:
        return SettingsError(
            "this process may have no processes of its own, because it is a daemon: use method='thread'"
        )
    return SettingsError(
        f"the sequence cannot be sent to a worker process ({describe(error)}): define its functions at the top level "
        f"of a module, use method='thread', or start workers by context='fork', not {context.get_start_method()!r}"
    )


def _wait_for(processes: Sequence[BaseProcess], seconds: float) -> None:
    """Wait until all have ended, at most so long."""
    deadline = monotonic() + seconds
    for process in processes:
        process.join(max(0.0, deadline - monotonic()))


def describe_end(exitcode: int | None) -> str:
    """Return how a process ended, in words."""
    if exitcode is None:
        return "closed its connection"
    if exitcode < 0:
        name = signal.Signals(-exitcode).name if -exitcode in set(signal.Signals) else f"signal {-exitcode}"
        hint = " (out of memory?)" if -exitcode == signal.SIGKILL else ""
        return f"was killed by {name}{hint}"
    return f"ended with exit status {exitcode}"
