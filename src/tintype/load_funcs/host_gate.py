"""Be polite: how many requests at once, how often, and when to leave a host alone for a while."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from time import monotonic

from tintype.errors import DownloadError, DownloadTimeoutError


class HostGate:
    """Limits that all threads of a run share, host by host.

    Parameters
    ----------
    max_concurrent
        Requests to one host at once; 0 for no limit.
    max_per_second
        Requests to one host a second; 0 for no limit.
    """

    def __init__(self, *, max_concurrent: int = 0, max_per_second: float = 0.0) -> None:
        self._is_limited = bool(max_concurrent or max_per_second)
        self._max_concurrent = max_concurrent
        self._interval = 1 / max_per_second if max_per_second else 0.0
        self._hosts: dict[str, _Host] = {}
        self._changed = threading.Condition()
        self._is_aborted = False

    def enter(self, host: str, deadline: float) -> AbstractContextManager[None]:
        """Wait for a turn at `host`, and hold it.

        Parameters
        ----------
        host
            Name and port.
        deadline
            Time, on the monotonic clock, after which waiting is no use.

        Raises
        ------
        DownloadTimeoutError
            When the turn would come after the deadline.
        """
        # The usual case: no limits, and no host that asked for a break. A lock would only be handed around.
        if not self._is_limited and host not in self._hosts:
            return _AT_ONCE
        return self._take_turn(host, deadline)

    def abort(self) -> None:
        """Let nobody wait any longer: who waits fails with DownloadError."""
        with self._changed:
            self._is_aborted = True
            self._changed.notify_all()

    def cool_down(self, host: str, seconds: float) -> None:
        """Let no request go to `host` for a time: it said 429, or asked for it with Retry-After."""
        with self._changed:
            state = self._hosts.setdefault(host, _Host())
            state.cool_until = max(state.cool_until, monotonic() + seconds)

    @contextmanager
    def _take_turn(self, host: str, deadline: float) -> Iterator[None]:
        with self._changed:
            state = self._hosts.setdefault(host, _Host())
            while (wait := self._time_to_wait(state)) > 0:
                left = deadline - monotonic()
                if self._is_aborted:
                    raise DownloadError(f"no turn at {host}: the run was stopped")
                if left <= 0 or left < wait < _UNTIL_NOTIFIED:
                    raise DownloadTimeoutError(f"no turn at {host} before the deadline", is_final=False)
                self._changed.wait(min(wait, left))
            state.n_active += 1
            state.next_start = max(monotonic(), state.next_start) + self._interval
        try:
            yield
        finally:
            with self._changed:
                state.n_active -= 1
                if self._max_concurrent:
                    self._changed.notify_all()

    def _time_to_wait(self, state: _Host) -> float:
        if self._max_concurrent and state.n_active >= self._max_concurrent:
            return _UNTIL_NOTIFIED
        return max(state.cool_until, state.next_start if self._interval else 0.0) - monotonic()


_UNTIL_NOTIFIED = 3600.0
_AT_ONCE = nullcontext()


class _Host:
    """What is going on at one host."""

    def __init__(self) -> None:
        self.n_active = 0
        self.next_start = 0.0
        self.cool_until = 0.0
