"""End what takes too long: cut the connection of a request that is past its deadline, whatever it is waiting for.

Time-outs of sockets bound the wait for the next byte; a server that drips one byte a second, in the body or in the
headers, holds a thread for ever.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from time import monotonic

_INTERVAL_SECONDS = 0.1


class Watchdog:
    """One thread that looks at every registered socket ten times a second; it ends when there are none for a while.

    Threads register with one step of a dict, and no lock: sixteen that hand a lock around besides the interpreter's
    spend more on that than on what it guards. A connection that is cut when its request has just ended is found closed
    by the next one.
    """

    def __init__(self) -> None:
        self._watched: dict[int, tuple[float, socket.socket]] = {}
        self._lock = threading.Lock()
        """Held while the thread starts or ends."""
        self._wake = threading.Event()
        self._is_running = False
        self._is_over = False

    def watch(self, sock: socket.socket, deadline: float) -> None:
        """Cut `sock` when the monotonic clock passes `deadline`, unless this thread calls :meth:`forget` first."""
        self._watched[threading.get_ident()] = (deadline, sock)
        if self._is_over:
            _cut(sock)  # its request was sent while the others were cut
        if not self._is_running:
            self._start()

    def forget(self) -> None:
        """Watch the socket of this thread no more."""
        self._watched.pop(threading.get_ident(), None)

    def cut_all(self) -> None:
        """Cut every socket that is watched, now or later."""
        self._is_over = True
        for _, sock in list(self._watched.values()):
            _cut(sock)

    def _start(self) -> None:
        with self._lock:
            if not self._is_running:
                self._is_running = True
                threading.Thread(target=self._run, name="tintype-watchdog", daemon=True).start()

    def _run(self) -> None:
        idle_rounds = 0
        while idle_rounds <= 50 or not self._may_end():
            self._wake.wait(_INTERVAL_SECONDS)
            now = monotonic()
            for deadline, sock in list(self._watched.values()):
                if now > deadline:
                    _cut(sock)
            idle_rounds = 0 if self._watched else idle_rounds + 1

    def _may_end(self) -> bool:
        """Say that the thread ends, unless a socket was registered by one who still took it to run."""
        with self._lock:
            self._is_running = False
            self._is_running = bool(self._watched)  # looked at after it was said, as who registers looks after that
            return not self._is_running


def _cut(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
