"""Where an archive comes from: a file, a web server, or S3. Described first, then read as it was described."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from tintype.errors import SettingsError, SourceChangedError, SourceError, SourceNotFoundError, SourceUnreachableError
from tintype.load_funcs.resuming import ResumingStream
from tintype.load_funcs.s3 import S3Location, S3Object, describe_s3_object, open_s3_object, split_s3_url
from tintype.path_funcs import is_url
from tintype.raw.archives.limits import ByteSource

if TYPE_CHECKING:
    import urllib3

_USER_AGENT = f"tintype/{version('tintype')} (dataset builder)"
_CONNECT_SECONDS, _READ_SECONDS = 20.0, 60.0
_MAX_REDIRECTS = 10
_NO_HEAD = frozenset({400, 403, 405, 501})
"""Answers to HEAD of servers that only know GET, and for addresses that were signed for GET only."""


@dataclass(frozen=True)
class ArchiveState:
    """An archive as it was found; what the recipe of its stage keeps."""

    name: str
    """File name, without where it lies: an archive that is moved is the same one."""
    size_bytes: int | None
    """None when a web server does not say."""
    mark: str
    """What changes with the bytes: time of change, ETag, Last-Modified; empty when a server gives none."""

    @property
    def digest(self) -> str:
        """What the recipe keeps."""
        return f"{self.name}, {self.size_bytes} bytes, {self.mark or 'no mark'}"


class ArchiveSource(ABC):
    """Where an archive comes from."""

    name: str
    """As messages name it, without what may be secret."""

    @abstractmethod
    def describe(self) -> ArchiveState:
        """Look what is there; reads none of it.

        Raises
        ------
        SourceError
            SourceNotFoundError when it is not there.
        """

    @abstractmethod
    def open(self, state: ArchiveState) -> ByteSource:
        """Open it for one pass from its start; SourceError while it is read, when it is no longer as described."""

    def check_unchanged(self, state: ArchiveState) -> None:  # noqa: B027, most have nothing to do
        """Refuse what was read if the archive changed meanwhile, where reading it does not show that."""


def find_source(archive: str) -> ArchiveSource:
    """Return the source of an archive: ``s3://bucket/key``, ``http(s)://…``, or a path.

    Raises
    ------
    SettingsError
        When it is a URL of another kind, or holds a password.

    Examples
    --------
    >>> find_source("https://example.com/cats.tar?signature=secret").name
    'https://example.com/cats.tar'
    """
    if archive.lower().startswith("s3:/"):
        # Luigi's PathParameter makes one slash of two.
        return S3Source(split_s3_url("s3://" + archive[4:].lstrip("/")))
    if not is_url(archive):
        return LocalSource(archive)
    scheme = archive.partition(":")[0].lower()
    if scheme not in ("http", "https"):
        raise SettingsError(f"an archive cannot be read from {scheme}://: give a path, http://, https:// or s3://")
    return HttpSource(archive)


class LocalSource(ArchiveSource):
    """A file on this machine."""

    def __init__(self, path: str) -> None:
        self.name = path

    def describe(self) -> ArchiveState:
        """Return its size and time of last change."""
        try:
            status = os.stat(self.name)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise SourceNotFoundError(f"the archive {self.name!r} does not exist (looked in {os.getcwd()})") from error
        except OSError as error:
            raise SourceError(f"the archive {self.name!r} cannot be read: {error.strerror}") from error
        return ArchiveState(os.path.basename(self.name), status.st_size, f"changed at {status.st_mtime_ns}")

    def open(self, state: ArchiveState) -> ByteSource:
        """Open the file."""
        self.check_unchanged(state)
        try:
            return open(self.name, "rb")
        except OSError as error:
            raise SourceError(f"the archive {self.name!r} cannot be read: {error.strerror}") from error

    def check_unchanged(self, state: ArchiveState) -> None:
        """Look at size and time once more."""
        if self.describe() != state:
            raise SourceChangedError(f"the archive {self.name!r} changed while it was read: run again")


class S3Source(ArchiveSource):
    """An object in S3."""

    def __init__(self, location: S3Location) -> None:
        self.name = location.url
        self._location = location

    def describe(self) -> ArchiveState:
        """Return its size and ETag; one HEAD request."""
        found = describe_s3_object(self._location)
        return ArchiveState(self._location.key.rpartition("/")[2], found.size_bytes, found.etag)

    def open(self, state: ArchiveState) -> ByteSource:
        """Open the object; every request asks for the ETag that was described."""
        size_bytes = state.size_bytes or 0
        return open_s3_object(S3Object(self._location, state.mark, size_bytes))


class HttpSource(ArchiveSource):
    """A file on a web server."""

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise SettingsError(f"the archive's URL is none ({error}): correct it") from error
        if parts.username is not None or parts.password is not None:
            raise SettingsError(
                f"the URL of {parts.hostname}{parts.path} holds a user name or password, which Luigi would show: "
                "fetch the archive yourself and give its path"
            )
        self.name = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
        self._url = url

    def describe(self) -> ArchiveState:
        """Return its size, and its ETag or Last-Modified; one HEAD request where the server knows that."""
        response = self._request("HEAD", {})
        if response.status in _NO_HEAD:
            response = self._request("GET", {"Range": "bytes=0-0"})
        self._check(response)
        return self._state(response)

    def open(self, state: ArchiveState) -> ByteSource:
        """Open the file; what the server says of it each time must be what it said first."""

        def open_at(offset: int) -> _HttpBody:
            response = self._request("GET", {"Range": f"bytes={offset}-"} if offset else {})
            try:
                self._check(response)
                self._check_same(self._state(response), state)
                body = _HttpBody(response, self.name)
                if offset and response.status != 206:
                    body.skip(offset)
            except BaseException:
                response.close()
                raise
            return body

        return ResumingStream(open_at, state.size_bytes, self.name)

    def _check_same(self, found: ArchiveState, state: ArchiveState) -> None:
        # A server may say its size in one kind of answer and not in another.
        is_same_size = found.size_bytes == state.size_bytes or None in (found.size_bytes, state.size_bytes)
        if found.mark != state.mark or not is_same_size:
            raise SourceChangedError(f"{self.name} changed while it was read ({found.digest}): run again")

    def _request(self, method: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        import urllib3

        pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS),
            retries=urllib3.Retry(0, redirect=_MAX_REDIRECTS, raise_on_status=False),
            headers={"User-Agent": _USER_AGENT, "Accept-Encoding": "identity"},
        )
        try:
            return pool.request(method, self._url, headers={**pool.headers, **headers}, preload_content=False)
        except urllib3.exceptions.LocationValueError as error:
            raise SettingsError(f"{self.name} is no URL ({error}): correct it") from error
        except urllib3.exceptions.MaxRetryError as error:
            if isinstance(error.reason, urllib3.exceptions.ResponseError):
                raise SourceError(f"{self.name} is redirected more than {_MAX_REDIRECTS} times") from error
            raise SourceUnreachableError(f"{self.name} cannot be reached ({error.reason})") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise SourceUnreachableError(f"{self.name} cannot be reached ({error})") from error

    def _check(self, response: urllib3.BaseHTTPResponse) -> None:
        status = response.status
        if status in (200, 206):
            return
        response.close()
        sentence = f"{self.name}: the server says {status} {response.reason or ''}".rstrip()
        if status in (404, 410):
            raise SourceNotFoundError(f"{sentence}: correct the address")
        if status >= 500 or status in (408, 425, 429):
            raise SourceUnreachableError(f"{sentence}: run again later")
        if status == 416:
            raise SourceChangedError(f"{sentence}: it changed while it was read, run again")
        raise SourceError(sentence)

    def _state(self, response: urllib3.BaseHTTPResponse) -> ArchiveState:
        headers = response.headers
        total = headers.get("Content-Length", "")
        if response.status == 206:
            total = headers.get("Content-Range", "").rpartition("/")[2]
        mark = headers.get("ETag") or headers.get("Last-Modified") or ""
        name = urlsplit(self._url).path.rpartition("/")[2]
        return ArchiveState(name, int(total) if total.isdigit() else None, mark)


class _HttpBody:
    """The body of an answer, with our errors."""

    def __init__(self, response: Any, name: str) -> None:
        self._response = response
        self._name = name

    def read(self, amt: int, /) -> bytes:
        from urllib3.exceptions import HTTPError

        try:
            return bytes(self._response.read(amt, decode_content=False))
        except (HTTPError, OSError) as error:
            raise SourceUnreachableError(f"{self._name}: the connection broke ({error})") from error

    def skip(self, n_bytes: int) -> None:
        """Read past what is already there, from a server that cannot begin later."""
        while n_bytes:
            data = self.read(min(n_bytes, 1 << 20))
            if not data:
                raise SourceUnreachableError(f"{self._name} ended before where it broke off last time")
            n_bytes -= len(data)

    def close(self) -> None:
        self._response.close()
