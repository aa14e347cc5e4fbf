"""Connections that are kept open, host by host: watched, and never made to a private address that was not allowed.

urllib3 makes the connections: names, addresses, certificates. Its pools, and the forms that it gives headers and
bodies, are left out: they take as long as the request itself, in threads that all need the interpreter.
"""

from __future__ import annotations

import http.client
import ssl
import threading
import weakref
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.ssl_ import create_urllib3_context

from tintype.load_funcs.bodies import Answer
from tintype.load_funcs.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Mapping

    from urllib3.util import Url

Origin = tuple[str | None, str | None, int | None]
"""Scheme, host and port of a URL."""

MAX_HOSTS = 256
"""Hosts whose connections are kept open."""
DRAINED_BYTES = 1 << 16
"""What is read to the end and thrown away, so that a connection can be used again."""


class Connection(HTTPConnection):
    """A connection whose answers are nearly the standard library's."""

    response_class = Answer
    getresponse = http.client.HTTPConnection.getresponse  # type: ignore[assignment]


class SecureConnection(HTTPSConnection):
    """A connection over TLS whose answers are nearly the standard library's."""

    response_class = Answer
    getresponse = http.client.HTTPConnection.getresponse  # type: ignore[assignment]


AnyConnection = Connection | SecureConnection


class Connections:
    """The connections that one fetcher keeps open, for all its threads.

    Parameters
    ----------
    n_per_host
        Connections to one host that are kept open; more are made when they are needed.
    allow_private_addresses
        Whether to connect to addresses that are not public.
    verify_tls
        Whether a server's certificate must be valid.
    """

    def __init__(self, *, n_per_host: int, allow_private_addresses: bool, verify_tls: bool) -> None:
        self.watchdog = Watchdog()
        self._n_per_host = n_per_host
        self._allow_private_addresses = allow_private_addresses
        self._verify_tls = verify_tls
        self._tls: ssl.SSLContext | None = None
        self._lock = threading.Lock()
        self._idle: dict[Origin, list[AnyConnection]] = {}
        """The host that was used last comes last."""
        self._is_closed = False
        weakref.finalize(self, _close_all, self._idle)

    def send(
        self, url: Url, headers: Mapping[str, str], *, deadline: float, connect_timeout: float, read_timeout: float
    ) -> Exchange:
        """Ask for a file, and wait for the head of the answer. The calling thread's socket is watched from then on.

        Parameters
        ----------
        url
            With a scheme, http or https, and a host.
        headers
            Of the request.
        deadline
            Time, on the monotonic clock, at which the watchdog cuts the connection.
        connect_timeout, read_timeout
            In seconds: for the connection, and for the next byte.

        Raises
        ------
        urllib3.exceptions.HTTPError, http.client.HTTPException, OSError
            When there is no connection, or no answer.
        PrivateAddressError
            When the host's address is not public and has to be.
        """
        origin = (url.scheme, url.host, url.port)
        connection = self._take(origin)
        try:
            if connection.sock is None:
                connection.timeout = connect_timeout
                connection.connect()
                if not self._allow_private_addresses:
                    _refuse_private(connection.sock)
            connection.timeout = read_timeout
            self.watchdog.watch(connection.sock, deadline)
            # A server may answer, and say what is wrong, before it has read all that is asked.
            with suppress(BrokenPipeError):
                connection.request("GET", url.request_uri, headers=headers)
            answer = connection.getresponse()
            assert isinstance(answer, Answer)
            return Exchange(self, origin, connection, answer)
        except BaseException:
            connection.close()
            raise

    def keep(self, origin: Origin, connection: AnyConnection) -> None:
        """Take a connection back. Beyond MAX_HOSTS those of the host that was used longest ago are closed."""
        with self._lock:
            idle = self._idle.pop(origin, [])
            self._idle[origin] = idle
            crowded_out = self._idle.pop(next(iter(self._idle))) if len(self._idle) > MAX_HOSTS else []
            if self._is_closed or len(idle) >= self._n_per_host:
                crowded_out.append(connection)
            else:
                idle.append(connection)
        for other in crowded_out:
            other.close()

    def count(self) -> int:
        """Return how many connections wait for another request."""
        with self._lock:
            return sum(map(len, self._idle.values()))

    def close(self) -> None:
        """Close those that wait for another request, and any other once its request has ended."""
        with self._lock:
            self._is_closed = True
            _close_all(self._idle)

    def _take(self, origin: Origin) -> AnyConnection:
        """Return a connection that is kept open, or one that is still to be made."""
        with self._lock:
            idle = self._idle.get(origin)
            connection = idle.pop() if idle else None
        if connection is None:
            return self._make(*origin)
        if not connection.is_connected:  # ended, or with an answer (such as 408) that nobody asked for
            connection.close()
        return connection

    def _make(self, scheme: str | None, host: str | None, port: int | None) -> AnyConnection:
        assert host is not None
        name = host.strip("[]")  # of an IPv6 address
        if scheme == "http":
            return Connection(name, port)
        return SecureConnection(name, port, ssl_context=self._find_tls())

    def _find_tls(self) -> ssl.SSLContext:
        """Return what connections over TLS share: to read the certificates of all authorities takes 20 ms."""
        with self._lock:
            if self._tls is None:
                tls = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED if self._verify_tls else ssl.CERT_NONE)
                if self._verify_tls:
                    tls.load_default_certs()
                self._tls = tls
            return self._tls


class Exchange:
    """A request that was sent, and the answer, whose body is still to be read. Ends the exchange as a context.

    Parameters
    ----------
    connections
        Where the connection goes back to.
    origin
        What it leads to.
    connection
        The connection.
    response
        The answer.
    """

    def __init__(
        self,
        connections: Connections,
        origin: Origin,
        connection: AnyConnection,
        response: Answer,
    ) -> None:
        self.response = response
        self._connections = connections
        self._origin = origin
        self._connection = connection

    def end(self) -> None:
        """Keep the connection when little or nothing is left to read, else close it."""
        response = self.response
        with suppress(http.client.HTTPException, OSError):
            if response.length is not None and response.length <= DRAINED_BYTES:
                response.read()
        is_whole = response.isclosed() and not response.length
        # The standard library has closed a connection that the server is going to close.
        if is_whole and self._connection.sock is not None:
            self._connections.keep(self._origin, self._connection)
        else:
            response.close()
            self._connection.close()


def _close_all(idle: dict[Any, list[Any]]) -> None:
    while idle:
        for connection in idle.popitem()[1]:
            connection.close()


def _refuse_private(sock: Any) -> None:
    """Refuse a connection that led to an address that is not public, before anything is asked."""
    address = sock.getpeername()[0]
    if not ip_address(address).is_global:
        raise PrivateAddressError(f"{address} is a private address, which allow_private_addresses=False refuses")


class PrivateAddressError(Exception):
    """The host's address is not public; no OSError, which would be taken for a broken connection."""
