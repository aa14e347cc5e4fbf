"""Make the pools that work runs in. Pools are made inside a run, never at import: Luigi forks."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import Literal

from tintype.errors import SettingsError

ExecutorKind = Literal["threads", "processes"]

_PR_SET_PDEATHSIG = 1


@contextmanager
def open_executor(kind: ExecutorKind | Executor, n_jobs: int) -> Iterator[Executor]:
    """Open a pool and shut it down at the end.

    Parameters
    ----------
    kind
        ``"threads"``, ``"processes"``, or an executor of the caller's, which is used and left open.
    n_jobs
        Number of workers, at least 1; does not change an executor of the caller's.

    Raises
    ------
    SettingsError
        When `kind` is something else or `n_jobs` is less than 1.
    """
    if n_jobs < 1:
        raise SettingsError(f"n_jobs is {n_jobs}: give the number of files to work on at once, at least 1")
    if isinstance(kind, Executor):
        yield kind
    elif kind == "threads":
        with ThreadPoolExecutor(n_jobs, thread_name_prefix="tintype") as executor:
            yield executor
    elif kind == "processes":
        # Not fork: the parent runs threads (Luigi's keep-alive is one), and a forked lock may never open again.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(n_jobs, mp_context=context, initializer=_start_worker_process) as executor:
            yield executor
    else:
        raise SettingsError(f"executor is {kind!r}: give 'threads', 'processes' or a concurrent.futures.Executor")


def _start_worker_process() -> None:
    """Leave Ctrl-C to the parent, and die with it: no orphan may write into a directory that a new run owns."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        # The kernel sees to it also while an op holds the interpreter lock, for seconds or hours.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_die_with, args=(parent.sentinel,), name="tintype-parent", daemon=True).start()


def _die_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
