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
    """One thread that looks at every registered socket ten times a second; it ends when there are none for a while."""

    def __init__(self) -> None:
        self._watched: dict[int, tuple[float, socket.socket]] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._is_running = False
        self._is_over = False

    def watch(self, sock: socket.socket, deadline: float) -> None:
        """Cut `sock` when the monotonic clock passes `deadline`, unless this thread calls :meth:`forget` first."""
        with self._lock:
            if self._is_over:
                _cut(sock)  # its request was sent while the others were cut
            self._watched[threading.get_ident()] = (deadline, sock)
            if not self._is_running:
                self._is_running = True
                threading.Thread(target=self._run, name="tintype-watchdog", daemon=True).start()

    def forget(self) -> None:
        """Watch the socket of this thread no more."""
        with self._lock:
            self._watched.pop(threading.get_ident(), None)

    def cut_all(self) -> None:
        """Cut every socket that is watched, now or later."""
        with self._lock:
            self._is_over = True
            for _, sock in self._watched.values():
                _cut(sock)

    def _run(self) -> None:
        idle_rounds = 0
        while True:
            self._wake.wait(_INTERVAL_SECONDS)
            with self._lock:
                now = monotonic()
                expired = [key for key, (deadline, _) in self._watched.items() if now > deadline]
                for key in expired:
                    _cut(self._watched.pop(key)[1])
                idle_rounds = 0 if self._watched else idle_rounds + 1
                if idle_rounds > 50:
                    self._is_running = False
                    return


def _cut(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
