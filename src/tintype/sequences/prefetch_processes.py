"""Workers that are processes, seen from their parent.

Not ``ProcessPoolExecutor``: one worker that dies breaks all of it without saying which item it had, an item costs 45
microseconds, large arrays go through a pipe, and it has a thread that needs the interpreter lock for each result.

Whoever waits for an item does what there is to do: receives results, looks whether the workers live. Between two reads
the workers go on by themselves with what is in the pipe.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from multiprocessing import util
from typing import TYPE_CHECKING, Any

from tintype.errors import EvaluationError, SettingsError
from tintype.sequences.prefetch_channels import Worker
from tintype.sequences.prefetch_memory import SharedBlock, make_memory
from tintype.sequences.prefetch_parcels import (
    IN_MESSAGE,
    IS_ERROR,
    PackedError,
    PackedValue,
    SharedValue,
    describe,
    unpack_error,
)
from tintype.sequences.prefetch_starting import END_SECONDS, describe_end, end_processes, refuse_to_send
from tintype.sequences.prefetch_windows import MISSING, CrewStoppedError, Failure, Window
from tintype.sequences.prefetch_worker import (
    CONTROL_HEAD,
    N_WINDOWS,
    NUDGE,
    TICKET,
    Descriptor,
    Message,
    WorkerSetup,
    run_worker,
)
from tintype.sequences.view import Indexable

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

LOOK_SECONDS = 0.25
"""How often whoever waits looks whether the workers live: mostly the end of a socket tells before."""
FOLLOW_SECONDS = 0.02
"""How often another reader looks, who is mostly told."""
TICKETS_PER_WRITE = select.PIPE_BUF // TICKET.size
"""Written in one piece, whoever else writes."""


class ProcessCrew:
    """Processes that compute items for any number of windows.

    When one of them dies, the item in its hands is given an error, and all of them are ended: the reader starts
    others, which compute what was asked for and has not arrived.

    Parameters
    ----------
    sequence
        To compute items of.
    n_workers
        Number of processes.
    max_buffered
        Items that may be ahead of the reader.
    start_hook
        Called in each process before its first item.
    shared_memory
        Whether what is large comes through shared memory.
    context
        How processes are started.
    built_at
        Where the sequence was built, for errors.
    """

    def __init__(
        self,
        sequence: Indexable[Any],
        n_workers: int,
        max_buffered: int,
        *,
        start_hook: Callable[[], object] | None,
        shared_memory: bool,
        context: BaseContext,
        built_at: str,
    ) -> None:
        import mmap

        self.group = 1
        self.n_received = 0
        self._n_workers = n_workers
        self._max_buffered = max_buffered
        self._built_at = built_at
        self._pid = os.getpid()
        self._is_stopped = False
        self._hook_error: Any = None
        self._death = ""
        self._windows: dict[int, Window] = {}
        self._serial = 0
        self._unwritten: deque[bytes] = deque()
        self._blocks: dict[Any, SharedBlock] = {}
        self._asking = threading.Lock()
        self._leading = threading.Lock()
        self._following = threading.Condition()
        self._n_followers = 0
        tasks_read, tasks_write = os.pipe()
        urgent_read, urgent_write = os.pipe()
        for descriptor in (tasks_write, urgent_write, urgent_read):
            os.set_blocking(descriptor, False)
        self._tasks, self._urgent = Descriptor(tasks_write), Descriptor(urgent_write)
        control_bytes = CONTROL_HEAD + n_workers * TICKET.size
        control = Descriptor(make_memory(control_bytes))
        self._control = mmap.mmap(control.number, control_bytes)
        self._words = memoryview(self._control)[:CONTROL_HEAD].cast("Q")
        self._workers: list[Worker] = []
        self._at_exit = util.Finalize(None, self.stop, exitpriority=100)
        setup = WorkerSetup(
            sequence,
            start_hook,
            0,
            Descriptor(tasks_read),
            Descriptor(urgent_read),
            control,
            control_bytes,
            socket.socket(),
            max(1, max_buffered // n_workers),
            2 * max_buffered + 2 if shared_memory else 0,
            built_at,
            os.getpid(),
            threading.current_thread() is threading.main_thread() and context.get_start_method() != "forkserver",
            [],
        )
        setup.channel.close()
        try:
            for number in range(n_workers):
                self._start_worker(setup, number, context)
        except BaseException:
            self.stop()
            raise
        self._poll = select.poll()
        for worker in self._workers:
            self._poll.register(worker.channel, select.POLLIN)
        self._by_descriptor = {worker.channel.fileno(): worker for worker in self._workers}

    def _start_worker(self, setup: WorkerSetup, number: int, context: BaseContext) -> None:
        ours, theirs = socket.socketpair()
        is_fork = context.get_start_method() == "fork"
        own: list[Descriptor | socket.socket] = [self._tasks, self._urgent, ours]
        own += [worker.channel for worker in self._workers]
        setup = setup._replace(number=number, channel=theirs, to_close=own if is_fork else [])
        process = context.Process(target=run_worker, args=(setup,), name=f"tintype-prefetch-{number}", daemon=False)  # type: ignore[attr-defined]
        try:
            with warnings.catch_warnings():
                # Threads that are not Python's, such as OpenBLAS's, are made for being forked.
                warnings.filterwarnings("ignore", ".*multi-threaded, use of fork", DeprecationWarning)
                process.start()
        except BaseException as error:
            ours.close()
            if not isinstance(error, Exception) or isinstance(error, OSError):
                raise
            raise refuse_to_send(error, context) from error
        finally:
            theirs.close()
        self._workers.append(Worker(number, process, ours))

    @property
    def is_stopped(self) -> bool:
        """Whether the processes take no more work; a fork has none."""
        return self._is_stopped or self._pid != os.getpid()

    def ask(self, window: Window, places: Sequence[tuple[int, int]], *, at_once: bool = False) -> None:
        """Have runs of places computed."""
        with self._asking:
            if window.serial == 0:
                self._admit(window)
            serial, indexes = window.serial, window.indexes
            tickets = [TICKET.pack(serial, place, indexes[place], n_places) for place, n_places in places]
            if at_once:
                for ticket in tickets:
                    self._write_urgent(ticket)
            else:
                for first in range(0, len(tickets), TICKETS_PER_WRITE):
                    self._unwritten.append(b"".join(tickets[first : first + TICKETS_PER_WRITE]))
            self._write()

    def fetch(self, window: Window, place: int) -> Any:
        """Wait until a place is done; meanwhile do the work that there is for the parent."""
        while True:
            value = window.done.pop(place, MISSING)
            if value is not MISSING:
                return value
            if self._is_stopped:
                self._refuse(window.indexes[place])
            if not self._leading.acquire(blocking=False):
                self._follow()
                continue
            try:
                while place not in window.done and not self._is_stopped:
                    self._receive()
            except BaseException:
                self.stop()  # Ctrl-C, most likely; half a message may be read
                raise
            finally:
                self._leading.release()
                self._tell_followers()
                self._close_if_stopped()

    def cancel(self, window: Window) -> None:
        """Have the tickets of a window passed over."""
        window.is_closed = True
        if window.serial and self._pid == os.getpid() and self._windows.get(window.serial) is window:
            self._words[1 + window.serial % N_WINDOWS] = 0
            self._windows.pop(window.serial, None)

    def stop(self) -> None:
        """End the processes, whatever they do."""
        if self._pid != os.getpid() or self._is_stopped:
            return
        self._is_stopped = True
        self._at_exit.cancel()
        end_processes([worker.process for worker in self._workers])
        self._windows.clear()
        self._tell_followers()
        self._close_if_stopped()

    def _close_if_stopped(self) -> None:
        """Close the sockets, unless somebody is at work with them, who does it then."""
        if self._is_stopped and self._leading.acquire(blocking=False):
            for worker in self._workers:
                worker.close()
            self._leading.release()

    def _admit(self, window: Window) -> None:
        """Give a window a serial number whose place in the control memory is free."""
        for _ in range(N_WINDOWS):
            self._serial += 1
            if self._words[1 + self._serial % N_WINDOWS] == 0:
                window.serial = self._serial
                self._words[1 + self._serial % N_WINDOWS] = self._serial
                self._windows[self._serial] = window
                return
        raise SettingsError(f"{N_WINDOWS} iterations of one prefetch are open: close some, or use method='thread'")

    def _write_urgent(self, ticket: bytes) -> None:
        try:
            os.write(self._urgent.number, ticket)
        except BlockingIOError:  # thousands are urgent
            self._unwritten.appendleft(ticket)
        except BrokenPipeError:
            pass  # as below
        else:
            self._words[0] += 1
            self._unwritten.appendleft(NUDGE)  # for a worker that waits

    def _write(self) -> None:
        """Write tickets while there is room in the pipe."""
        try:
            while self._unwritten:
                os.write(self._tasks.number, self._unwritten[0])
                self._unwritten.popleft()
        except BlockingIOError:
            pass  # the next time
        except BrokenPipeError:
            pass  # whoever waits will see that there is no worker any more

    def _receive(self) -> None:
        """Wait for messages and take them in; notice when a worker has died."""
        if self._unwritten:
            with self._asking:
                self._write()
        ready = self._poll.poll(1000 * LOOK_SECONDS)
        for descriptor, _ in ready:
            worker = self._by_descriptor[descriptor]
            try:
                for message in worker.receive():
                    self._take_in(worker, message)
            except EOFError:
                self._bury(worker)
                return
        if self._n_followers:
            self._tell_followers()
        if not ready:
            for worker in self._workers:
                if worker.process.exitcode is not None:
                    self._bury(worker)
                    return

    def _take_in(self, worker: Worker, message: Message) -> None:
        if message.hook_error is not None:
            self._hook_error = message.hook_error
            self.stop()
            return
        self.n_received += 1
        self.group = max(1, min(message.group, self._max_buffered // 2))
        for number, _ in message.made:
            self._blocks[worker.number, number] = worker.blocks[number]
        for number in message.dropped:
            del self._blocks[worker.number, number]
        for serial, place, number, content in message.results:
            window = self._windows.get(serial)
            if number == IN_MESSAGE:
                parcel: Any = PackedValue(content)
            elif number == IS_ERROR:
                parcel = PackedError(content)
            else:  # also for a window that is closed: the block is to be given back
                parcel = SharedValue(worker.blocks[number], content, self._blocks, self._max_buffered)
            if window is not None:
                window.done[place] = parcel
        if message.returned:
            with self._asking:
                self._unwritten.append(message.returned)
                self._write()

    def _bury(self, dead: Worker) -> None:
        """Give the item of a worker that died an error, take in what the others have finished, and end them."""
        dead.process.join(END_SECONDS)  # it is ending
        for worker in self._workers:
            try:
                while worker is not dead and select.select([worker.channel], [], [], 0)[0]:
                    for message in worker.receive():
                        self._take_in(worker, message)
            except EOFError:
                pass
        how = describe_end(dead.process.exitcode)
        start = CONTROL_HEAD + dead.number * TICKET.size
        serial, place, index, _ = TICKET.unpack_from(self._control, start)
        window = self._windows.get(serial)
        if window is not None and place not in window.done:
            error = EvaluationError(index, "prefetch", self._built_at, None, f"its worker process {how}")
            window.done[place] = Failure(error)
            self.n_received += 1
        self._death = how
        self.stop()

    def _refuse(self, index: int) -> None:
        if self._hook_error is not None:
            error = unpack_error(self._hook_error, index, self._built_at)
            raise CrewStoppedError("start_hook", describe(error)) from error
        raise CrewStoppedError

    @property
    def death(self) -> str:
        """How the workers ended when none had computed anything; empty otherwise."""
        return "" if self.n_received else self._death

    def _follow(self) -> None:
        """Wait while another reader does the parent's work."""
        with self._following:
            self._n_followers += 1
            try:
                self._following.wait(FOLLOW_SECONDS)
            finally:
                self._n_followers -= 1

    def _tell_followers(self) -> None:
        if self._n_followers and self._following.acquire(blocking=False):
            try:
                self._following.notify_all()
            finally:
                self._following.release()

    def __del__(self) -> None:
        for worker in getattr(self, "_workers", []):
            worker.close()
