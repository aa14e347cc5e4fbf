"""Fetch files over HTTP: bounded in time and size whatever the server does, polite, and honest about who asks.

After RFC 9110 (HTTP semantics: status codes, Retry-After, conditional requests).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from hashlib import sha256
from http.client import HTTPException
from importlib.metadata import version
from random import random
from ssl import SSLError
from time import monotonic, time
from typing import Any
from urllib.parse import urljoin

from urllib3 import exceptions as urllib3_errors
from urllib3.util import Url, parse_url

from tintype.errors import (
    ConnectionFailedError,
    DownloadError,
    DownloadTimeoutError,
    HttpStatusError,
    OptedOutError,
    WrongContentError,
)
from tintype.load_funcs.bodies import Answer, Body
from tintype.load_funcs.connections import Connections, PrivateAddressError
from tintype.load_funcs.host_gate import HostGate
from tintype.load_funcs.robots import RobotsRules, refuses

RETRIED_STATUSES = frozenset({408, 425, 429, *range(500, 600)})
REDIRECTS = frozenset({301, 302, 303, 307, 308})
OPT_OUT_DIRECTIVES = ("noai", "noimageai", "noindex", "noimageindex", "noml")


@dataclass(frozen=True)
class FetchPolicy:
    """How to fetch, and when to give up."""

    deadline_seconds: float = 120.0
    """For one file, all attempts, redirects and waits together."""
    connect_timeout_seconds: float = 10.0
    read_timeout_seconds: float = 30.0
    """For the next byte."""
    min_bytes_per_second: float = 500.0
    """A body slower than this over `slow_seconds` is given up."""
    slow_seconds: float = 20.0
    max_bytes: int = 256 * 1024 * 1024
    """Of one file, decompressed."""
    max_attempts: int = 4
    backoff_seconds: float = 0.5
    """Before the second attempt; doubles from one to the next, with jitter."""
    max_backoff_seconds: float = 30.0
    max_redirects: int = 10
    user_agent: str = f"tintype/{version('tintype')} (dataset builder)"
    headers: Mapping[str, str] = field(default_factory=dict)
    """More request headers."""
    opt_out_directives: tuple[str, ...] = OPT_OUT_DIRECTIVES
    """Words of X-Robots-Tag by which a server says no; empty to take what is served."""
    respect_robots_txt: bool = False
    allow_private_addresses: bool = True
    """False on a server that fetches what others ask for: refuses loopback, private and link-local addresses."""
    content_types: tuple[str, ...] = ()
    """Accepted beginnings of the content type, as ``image/``; empty to accept any."""
    max_per_host: int = 0
    """Requests to one host at once; 0 for no limit."""
    max_per_second_per_host: float = 0.0
    verify_tls: bool = True


@dataclass(frozen=True)
class FetchRequest:
    """One file to fetch."""

    url: str
    sha256: str | None = None
    """What the bytes must hash to, in hex."""
    etag: str | None = None
    """Of the copy at hand: an unchanged file is not sent again."""
    last_modified: str | None = None


@dataclass(frozen=True)
class Fetched:
    """What came."""

    data: bytes | memoryview | None
    """None when the copy at hand is still right (304). A memoryview only when it was asked for in scratch memory."""
    final_url: str
    http_status: int
    content_type: str | None
    etag: str | None
    last_modified: str | None
    attempts: int
    seconds: float
    """Wall time of the last attempt."""


class Fetcher:
    """Fetch files, from many threads at once, over connections that are kept open.

    Pickles as its policy; connections are made in the process that uses them.

    Parameters
    ----------
    policy
        How to fetch.
    n_jobs
        Threads that will use it.
    """

    def __init__(self, policy: FetchPolicy | None = None, *, n_jobs: int = 16) -> None:
        self.policy = policy or FetchPolicy()
        self.n_jobs = n_jobs
        self._lock = threading.Lock()
        self._is_aborted = threading.Event()
        self._gate = HostGate(
            max_concurrent=self.policy.max_per_host, max_per_second=self.policy.max_per_second_per_host
        )
        self._kept: Connections | None = None
        self._robots: dict[str, RobotsRules] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return _make_fetcher, (self.policy, self.n_jobs)

    def __call__(self, request: FetchRequest | str, *, in_scratch: bool = False) -> Fetched:
        """Fetch one file.

        Parameters
        ----------
        request
            What to fetch.
        in_scratch
            Whether the data may lie in memory that this thread uses again for the next file.

        Raises
        ------
        DownloadError
            One of its kinds: the file could not be fetched, and why.
        """
        request = FetchRequest(request) if isinstance(request, str) else request
        deadline = monotonic() + self.policy.deadline_seconds
        attempts = 0
        while True:
            attempts += 1
            try:
                return self._attempt(request, deadline, attempts, in_scratch=in_scratch)
            except DownloadError as error:
                error.attempts = attempts
                wait = self._time_to_wait(error, attempts)
                if error.is_final or attempts >= self.policy.max_attempts or monotonic() + wait >= deadline:
                    raise
                if self._is_aborted.wait(wait):
                    raise

    def abort(self) -> None:
        """Cut every request that is going on, and let no other begin; they fail with DownloadError."""
        self._is_aborted.set()
        self._gate.abort()
        if self._kept is not None:
            self._kept.watchdog.cut_all()

    def close(self) -> None:
        """Close all connections."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()

    def _attempt(self, request: FetchRequest, deadline: float, attempts: int, *, in_scratch: bool) -> Fetched:
        started = monotonic()
        url = request.url
        headers = {"User-Agent": self.policy.user_agent, "Accept-Encoding": "identity", **self.policy.headers}
        if request.etag:
            headers["If-None-Match"] = request.etag
        if request.last_modified:
            headers["If-Modified-Since"] = request.last_modified
        for _ in range(self.policy.max_redirects + 1):
            place = _read_url(url)
            host = place.netloc or ""
            if self.policy.respect_robots_txt and not self._may_fetch(place, url, deadline):
                raise OptedOutError(f"robots.txt of {host} asks not to fetch {url}: leave it out of the list")
            with self._gate.enter(host, deadline), self._respond(place, url, headers, deadline) as response:
                if response.status in REDIRECTS and response.headers.get("Location"):
                    url = urljoin(url, response.headers["Location"])
                    continue
                self._check_status(response, url, host, may_be_unchanged=bool(request.etag or request.last_modified))
                data = None if response.status == 304 else self._read(response, url, deadline, in_scratch=in_scratch)
            if data is not None and request.sha256 and sha256(data).hexdigest() != request.sha256.lower():
                raise WrongContentError(
                    f"{url} has sha256 {sha256(data).hexdigest()}, the list says {request.sha256.lower()}: "
                    "correct the list if the new file is right",
                    http_status=response.status,
                )
            return Fetched(
                data=data,
                final_url=url,
                http_status=response.status,
                content_type=response.headers.get("Content-Type"),
                etag=response.headers.get("ETag"),
                last_modified=response.headers.get("Last-Modified"),
                attempts=attempts,
                seconds=monotonic() - started,
            )
        raise DownloadError(f"{request.url} was redirected more than {self.policy.max_redirects} times, last to {url}")

    def _read(self, answer: Answer, url: str, deadline: float, *, in_scratch: bool = False) -> bytes | memoryview:
        """Return the body, or say what is wrong with it."""
        limit = self.policy.max_bytes
        body = Body(answer)
        if body.announced is not None and body.announced > limit:
            raise WrongContentError(f"{url} has {body.announced:,} bytes, more than max_bytes={limit:,}")
        started = monotonic()
        while body.read_more():
            if body.n_bytes > limit:
                raise WrongContentError(f"{url} has more than max_bytes={limit:,} bytes")
            elapsed = monotonic() - started
            if elapsed > self.policy.slow_seconds and body.n_bytes < elapsed * self.policy.min_bytes_per_second:
                raise DownloadTimeoutError(
                    f"{url} came at {body.n_bytes / elapsed:.0f} bytes a second, less than "
                    f"min_bytes_per_second={self.policy.min_bytes_per_second:g}",
                    http_status=answer.status,
                    is_final=False,
                )
        # A connection that the watchdog cut looks like one that ended.
        if monotonic() > deadline:
            raise self._too_late(url)
        if body.announced is not None and body.n_sent != body.announced:
            raise ConnectionFailedError(
                f"{url} ended after {body.n_sent:,} of {body.announced:,} bytes", http_status=200, is_final=False
            )
        if not body.n_bytes:
            raise WrongContentError(f"{url} is empty (0 bytes)", http_status=answer.status)
        return body.collect(in_scratch=in_scratch)

    def _check_status(self, response: Answer, url: str, host: str, *, may_be_unchanged: bool) -> None:
        status = response.status
        if status != 200 and not (status == 304 and may_be_unchanged):
            retry_after = _read_retry_after(response.headers.get("Retry-After"))
            if status == 429 or retry_after:
                self._gate.cool_down(host, retry_after or self.policy.backoff_seconds)
            raise HttpStatusError(
                f"{url} answered {status} {response.reason or ''}".rstrip(),
                http_status=status,
                is_final=status not in RETRIED_STATUSES,
                wait_seconds=retry_after,
            )
        directives = self.policy.opt_out_directives
        tags = response.headers.get_all("X-Robots-Tag") if directives else None
        if tags and refuses(tags, directives, self.policy.user_agent):
            raise OptedOutError(f"{url} asks not to be used (X-Robots-Tag: {', '.join(tags)})", http_status=status)
        content_type = response.headers.get("Content-Type", "")
        accepted = self.policy.content_types
        if status == 200 and accepted and not content_type.lower().startswith(accepted):
            raise WrongContentError(
                f"{url} is {content_type or 'of no declared type'}, not {' or '.join(accepted)}", http_status=status
            )

    @contextmanager
    def _respond(self, place: Url, url: str, headers: Mapping[str, str], deadline: float) -> Iterator[Answer]:
        """Send a request and hold the answer; whatever goes wrong with the connection becomes a DownloadError."""
        left = deadline - monotonic()
        if self._is_aborted.is_set():
            raise DownloadError(f"{url} was not fetched: the run was stopped")
        if left <= 0:
            raise self._too_late(url)
        connections = self._connections()
        try:
            exchange = connections.send(
                place,
                headers,
                deadline=deadline,
                connect_timeout=min(self.policy.connect_timeout_seconds, left),
                read_timeout=min(self.policy.read_timeout_seconds, left),
            )
            try:
                yield exchange.response
            finally:
                exchange.end()
        except DownloadError:
            raise
        except (OSError, HTTPException, urllib3_errors.HTTPError) as error:
            if monotonic() > deadline:
                raise self._too_late(url) from error
            raise _as_download_error(url, error) from error
        except PrivateAddressError as error:
            raise DownloadError(f"{url} is refused: {error}") from error
        finally:
            connections.watchdog.forget()

    def _connections(self) -> Connections:
        kept = self._kept
        if kept is None:
            with self._lock:
                if self._kept is None:
                    self._kept = Connections(
                        n_per_host=self.n_jobs,
                        allow_private_addresses=self.policy.allow_private_addresses,
                        verify_tls=self.policy.verify_tls,
                    )
                kept = self._kept
        return kept

    def _may_fetch(self, place: Url, url: str, deadline: float) -> bool:
        origin = f"{place.scheme}://{place.netloc}"
        with self._lock:
            rules = self._robots.setdefault(origin, RobotsRules())
        return rules.allow(url, self.policy.user_agent, lambda: self._read_robots(f"{origin}/robots.txt", deadline))

    def _read_robots(self, url: str, deadline: float) -> tuple[int, str]:
        headers = {"User-Agent": self.policy.user_agent}
        with self._respond(parse_url(url), url, headers, deadline) as response:
            data = self._read(response, url, deadline) if response.status == 200 else b""
            return response.status, str(data, "utf-8", "replace")

    def _time_to_wait(self, error: DownloadError, attempts: int) -> float:
        """Return the seconds before the next attempt: doubling, half of it by chance."""
        wait: float = min(self.policy.backoff_seconds * 2 ** (attempts - 1), self.policy.max_backoff_seconds)
        return max(wait * (0.5 + random() / 2), error.wait_seconds)

    def _too_late(self, url: str) -> DownloadTimeoutError:
        return DownloadTimeoutError(
            f"{url} was not there after deadline_seconds={self.policy.deadline_seconds:g}", is_final=False
        )


def _make_fetcher(policy: FetchPolicy, n_jobs: int) -> Fetcher:
    return Fetcher(policy, n_jobs=n_jobs)


def _as_download_error(url: str, error: Exception) -> DownloadError:
    if isinstance(error, urllib3_errors.NameResolutionError):
        return ConnectionFailedError(f"{url}: its host name is not known", is_final=False)
    if isinstance(error, urllib3_errors.NewConnectionError):
        return ConnectionFailedError(f"{url}: no connection ({error.__cause__ or error})", is_final=False)
    if isinstance(error, urllib3_errors.ConnectTimeoutError):
        return DownloadTimeoutError(f"{url}: the server took no connection in time", is_final=False)
    if isinstance(error, TimeoutError | urllib3_errors.ReadTimeoutError):
        return DownloadTimeoutError(f"{url}: the server sent nothing more in time", is_final=False)
    if isinstance(error, SSLError):
        return ConnectionFailedError(f"{url}: no secure connection ({error})", is_final=True)
    if isinstance(error, urllib3_errors.DecodeError):
        return WrongContentError(f"{url} cannot be decompressed ({error})")
    if isinstance(error, urllib3_errors.LocationValueError):
        return DownloadError(f"{url!r} is no URL ({error}): correct the list")
    return ConnectionFailedError(f"{url}: {error}", is_final=False)


def _read_url(url: str) -> Url:
    """Return the parts of a URL that can be fetched, as they are sent."""
    try:
        place = parse_url(url)
    except urllib3_errors.LocationParseError as error:
        raise DownloadError(f"{url!r} is no URL ({error}): correct the list") from error
    if place.scheme not in ("http", "https") or not place.host:
        raise DownloadError(f"{url!r} is no http or https URL: correct the list")
    return place


def _read_retry_after(text: str | None) -> float:
    """Return the seconds of a Retry-After header, in seconds or as a date; 0 when there is none to understand."""
    if not text:
        return 0.0
    if text.strip().isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time())
    except (ValueError, TypeError):
        return 0.0
