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

    def watch(self, sock: socket.socket, deadline: float) -> None:
        """Cut `sock` when the monotonic clock passes `deadline`, unless this thread calls :meth:`forget` first."""
        # No lock, for 64 threads would queue for it: one item of a dict is set and removed in one step.
        self._watched[threading.get_ident()] = (deadline, sock)
        if not self._is_running:
            with self._lock:
                if not self._is_running:
                    self._is_running = True
                    threading.Thread(target=self._run, name="tintype-watchdog", daemon=True).start()

    def forget(self) -> None:
        """Watch the socket of this thread no more."""
        if self._watched.pop(threading.get_ident(), None) is None:
            with self._lock:  # it is being cut: not to be used before that is over
                pass

    def cut_all(self) -> None:
        """Cut every socket that is watched."""
        with self._lock:
            for _, sock in list(self._watched.values()):
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        idle_rounds = 0
        while True:
            self._wake.wait(_INTERVAL_SECONDS)
            with self._lock:
                now = monotonic()
                for key, entry in list(self._watched.items()):
                    # The thread may have forgotten it since, and be watched again with another deadline.
                    if now > entry[0] and self._watched.pop(key, None) is entry:
                        with suppress(OSError):
                            entry[1].shutdown(socket.SHUT_RDWR)
                idle_rounds = 0 if self._watched else idle_rounds + 1
                if idle_rounds > 50:
                    self._is_running = False
                    if not self._watched:  # a socket that came just before sees no reason to start another thread
                        return
                    self._is_running = True
