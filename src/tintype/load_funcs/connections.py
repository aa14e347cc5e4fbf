"""Connections that are watched: cut at their deadline, and never made to a private address that was not allowed."""

from __future__ import annotations

import threading
from ipaddress import ip_address
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from tintype.load_funcs.watchdog import Watchdog

_MAX_HOSTS = 256
"""Hosts whose connections are kept open."""


class ThreadDeadline(threading.local):
    """The deadline of the request that this thread is about to make, on the monotonic clock."""

    deadline: float = 0.0


class ConnectionPools(urllib3.PoolManager):
    """urllib3's pools, with connections that report to a watchdog.

    Parameters
    ----------
    n_per_host
        Connections to one host that are kept open.
    allow_private_addresses
        Whether to connect to addresses that are not public.
    verify_tls
        Whether a server's certificate must be valid.
    """

    def __init__(self, *, n_per_host: int, allow_private_addresses: bool, verify_tls: bool) -> None:
        super().__init__(
            num_pools=_MAX_HOSTS, maxsize=n_per_host, cert_reqs="CERT_REQUIRED" if verify_tls else "CERT_NONE"
        )
        self.watchdog = watchdog = Watchdog()
        self.local = local = ThreadDeadline()

        class Watched:
            """Mixed into both kinds of connection."""

            sock: Any

            def connect(self) -> None:
                super().connect()  # type: ignore[misc]  # of the connection it is mixed into
                if not allow_private_addresses:
                    _refuse_private(self.sock)

            def getresponse(self) -> Any:
                watchdog.watch(self.sock, local.deadline)
                return super().getresponse()  # type: ignore[misc]  # of the connection it is mixed into

        class Connection(Watched, HTTPConnection):
            pass

        class SecureConnection(Watched, HTTPSConnection):
            pass

        class Pool(HTTPConnectionPool):
            ConnectionCls = Connection

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = SecureConnection

        self.pool_classes_by_scheme = {"http": Pool, "https": SecurePool}


def _refuse_private(sock: Any) -> None:
    """Refuse a connection that led to an address that is not public, before anything is asked."""
    address = sock.getpeername()[0]
    if not ip_address(address).is_global:
        sock.close()
        raise PrivateAddressError(f"{address} is a private address, which allow_private_addresses=False refuses")


class PrivateAddressError(Exception):
    """The host's address is not public; no OSError, which urllib3 would take for a broken connection."""
