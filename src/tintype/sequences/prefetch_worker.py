"""The life of a worker process: take numbers of items from a pipe, compute them, send the results.

All workers of a prefetch read one pipe, a record at a time, so that whoever is free takes the next item and no lock is
there to be held by one that is killed. Each has a socket of its own for its results.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import pickle
import signal
import socket
import struct
import sys
import threading
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import wait
from time import perf_counter
from typing import Any, NamedTuple

from tintype.errors import EvaluationError
from tintype.sequences.prefetch_memory import BlockStore, map_memory
from tintype.sequences.prefetch_parcels import PROTOCOL, describe, pack_error, pack_value
from tintype.sequences.prefetch_windows import OwnThread
from tintype.sequences.view import Indexable, getter, walk

TICKET = struct.Struct("=qqqq")
"""Serial number of a window, first place in it, index of that place, number of places."""
NUDGE = TICKET.pack(0, 0, 0, 0)
"""A ticket that says: look at the urgent ones."""
FRAME = struct.Struct("=I")
"""Length of a message, before it."""

N_WINDOWS = 1023
"""Windows that may be open at once."""
WORD = 8
CONTROL_HEAD = WORD * (1 + N_WINDOWS)
"""Control memory: how many urgent tickets there were; for each open window its serial number; then for each worker the
ticket in its hands, so that the parent knows it even when the worker is killed."""

GROUP_SECONDS = 0.0005
"""Work for which results are sent together."""
SEND_SECONDS = 0.001
"""Time after which finished results are sent, and what was taken and not begun is handed back."""
WATCH_SECONDS = 1.0
WATCH_BUSY_SECONDS = 0.05
"""How often finished results are looked for that a slow item keeps from being sent."""
PR_SET_PDEATHSIG = 1


Result = tuple[int, int, int, Any]
"""Serial number of a window, place in it, and what became of it, as :data:`Packed` has it."""


class Message(NamedTuple):
    """What a worker sends."""

    group: int
    """Items that are worth one message."""
    results: list[Result]
    made: list[tuple[int, int]]
    """Number and size of new blocks, whose descriptors come along."""
    dropped: list[int]
    returned: bytes
    """Tickets that others are to take."""
    hook_error: Any = None
    """Pickle of what the start hook raised."""


class Descriptor:
    """A file descriptor that can be sent to a process that is being started, and is closed when nobody has this.

    Parameters
    ----------
    number
        Of the descriptor, which this owns from now on.
    """

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> tuple[Any, ...]:
        from multiprocessing.reduction import DupFd

        return _receive_descriptor, (DupFd(self.number),)

    def close(self) -> None:
        """Close it now."""
        number, self.number = self.number, -1
        if number >= 0:
            os.close(number)

    def __del__(self) -> None:
        self.close()


def _receive_descriptor(sent: Any) -> Descriptor:
    return Descriptor(sent.detach())


class WorkerSetup(NamedTuple):
    """What a worker is told when it starts."""

    sequence: Indexable[Any]
    start_hook: Callable[[], object] | None
    number: int
    tasks: Descriptor
    urgent: Descriptor
    control: Descriptor
    control_bytes: int
    channel: socket.socket
    max_group: int
    max_blocks: int
    """0 when shared memory is not wanted."""
    built_at: str
    parent_pid: int
    dies_with_parent: bool
    """Whether the kernel can be asked to see to it: it looks at the thread that started this process."""
    to_close: list[Descriptor | socket.socket]
    """What is the parent's alone, and a fork has too."""


def run_worker(setup: WorkerSetup) -> None:
    """Work until the parent wants no more."""
    for parents_own in setup.to_close:
        parents_own.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends its workers
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if setup.dies_with_parent and sys.platform == "linux":
        # It also helps while an item holds the interpreter lock, for seconds or hours.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    worker = _Worker(setup)
    watch = OwnThread(worker.watch, (setup.parent_pid,))
    watch.is_idle = True  # the one lock it takes, no child of this process has a use for
    watch.start()
    try:
        worker.run()
    except (BrokenPipeError, ConnectionResetError):
        os._exit(1)  # the parent has gone


class _Worker:
    def __init__(self, setup: WorkerSetup) -> None:
        self._sequence = setup.sequence
        self._get = getter(setup.sequence)
        self._start_hook = setup.start_hook
        self._tasks = setup.tasks
        self._urgent = setup.urgent
        control = memoryview(map_memory(os.dup(setup.control.number), setup.control_bytes))
        start = CONTROL_HEAD + setup.number * TICKET.size
        self._in_hand = control[start : start + TICKET.size]
        self._words = control[:CONTROL_HEAD].cast("Q")
        self._n_urgent = 0
        self._channel = setup.channel
        self._built_at = setup.built_at
        self._max_group = setup.max_group
        self._store = BlockStore(setup.max_blocks) if setup.max_blocks else None
        self._group = 1
        self._unsent: deque[Result] = deque()
        self._sending = threading.Lock()

    def run(self) -> None:
        if self._start_hook is not None:
            try:
                self._start_hook()
            except BaseException as error:  # noqa: BLE001 - raised again by the parent
                self._send(Message(1, [], [], [], b"", pack_error(error)[1]))
                return
        while tickets := self._take():
            self._work_through(tickets)

    def watch(self, parent_pid: int) -> None:
        """End with the parent, however it ends; and send what a slow item keeps from being sent."""
        sentinel = _watch_process(parent_pid)
        seconds = WATCH_SECONDS
        while not wait([sentinel] if sentinel is not None else [], seconds):
            if sentinel is None and os.getppid() != parent_pid:
                break
            seconds = WATCH_BUSY_SECONDS if self._group > 1 else WATCH_SECONDS
            if self._unsent and self._sending.acquire(blocking=False):
                try:
                    self._flush_held()
                except OSError:
                    break
                finally:
                    self._sending.release()
        os._exit(1)

    def _take(self) -> bytes:
        """Wait for tickets; return none when the parent wants no more."""
        while True:
            if self._words[0] != self._n_urgent:
                self._n_urgent = self._words[0]
                try:
                    tickets = os.read(self._urgent.number, TICKET.size)
                except BlockingIOError:
                    tickets = b""
                if tickets:
                    return tickets
            tickets = os.read(self._tasks.number, TICKET.size * self._group)
            if tickets != NUDGE:
                return tickets

    def _work_through(self, tickets: bytes) -> None:
        started = perf_counter()
        n_done = 0
        left = b""
        for start in range(0, len(tickets), TICKET.size):
            ticket = tickets[start : start + TICKET.size]
            serial, place, index, n_places = TICKET.unpack(ticket)
            if serial == 0 or self._words[1 + serial % N_WINDOWS] != serial:
                continue
            self._in_hand[:] = ticket
            if n_places == 1:
                self._unsent.append(self._compute(serial, place, index))
            else:
                self._compute_run(serial, place, index, n_places)
            n_done += 1
            if perf_counter() - started > SEND_SECONDS or self._words[0] != self._n_urgent:
                left = tickets[start + TICKET.size :]
                break
        if n_done:
            wanted = int(GROUP_SECONDS * n_done / max(perf_counter() - started, 1e-9))
            self._group = max(1, min(wanted, 2 * self._group, self._max_group))
        with self._sending:
            self._flush_held(left)

    def _compute(self, serial: int, place: int, index: int) -> Result:
        try:
            value = self._get(index)
        except BaseException as error:  # noqa: BLE001 - raised again by the reader
            return serial, place, *pack_error(error)
        return self._pack(serial, place, index, value)

    def _compute_run(self, serial: int, first: int, index: int, n_places: int) -> None:
        """Compute neighbours that share their work."""
        items = None
        for n_before in range(n_places):
            place = first + n_before
            self._in_hand[:] = TICKET.pack(serial, place, index + n_before, 1)
            try:
                if items is None:
                    items = iter(walk(self._sequence, range(index + n_before, index + n_places)))
                value = next(items)
            except BaseException as error:  # noqa: BLE001 - raised again by the reader
                self._unsent.append((serial, place, *pack_error(error)))
                items = None
            else:
                self._unsent.append(self._pack(serial, place, index + n_before, value))

    def _pack(self, serial: int, place: int, index: int, value: Any) -> Result:
        try:
            return serial, place, *pack_value(value, self._store)
        except Exception as error:  # noqa: BLE001 - the value's own code ran
            reason = f"its value cannot be sent from the worker process ({describe(error)}): use method='thread'"
            refusal = EvaluationError(index, "prefetch", self._built_at, None, reason)
            refusal.__cause__ = error
            return serial, place, *pack_error(refusal)

    def _flush_held(self, left: bytes = b"") -> None:
        """Send what is finished; the lock is held."""
        # Another thread may add to any of these meanwhile; results first, so that their blocks are there.
        results = [self._unsent.popleft() for _ in range(len(self._unsent))]
        made, dropped = ([], []) if self._store is None else (self._store.take_made(), self._store.take_dropped())
        if results or left or made:
            self._send(Message(self._group, results, [block[:2] for block in made], dropped, left), made)

    def _send(self, message: Message, made: list[tuple[int, int, int]] | None = None) -> None:
        data = pickle.dumps(tuple(message), PROTOCOL)
        descriptors = [block[2] for block in made or []]
        parts = [FRAME.pack(len(data)), data]
        if descriptors:
            n_sent = socket.send_fds(self._channel, parts, descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
        else:
            n_sent = self._channel.sendmsg(parts)
        if n_sent < FRAME.size + len(data):
            self._channel.sendall(b"".join(parts)[n_sent:])


def _watch_process(pid: int) -> int | None:
    """Return a descriptor that is readable when a process has ended; None where that cannot be had."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        os._exit(1)
    except (AttributeError, OSError):
        parent = multiprocessing.parent_process()
        return None if parent is None else parent.sentinel
