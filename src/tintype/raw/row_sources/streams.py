"""Bytes of a list, wherever it lies: on this disk, on a web server or on S3; unpacked when they are gzip."""

from __future__ import annotations

import gzip
import os
import re
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Protocol
from urllib.parse import quote, unquote

from tintype.errors import RowSourceError, TintypeError
from tintype.load_funcs.s3 import describe_s3_object, open_s3_object, split_s3_url
from tintype.raw.row_sources.credentials import fill_in, find_secrets, hide_password, hide_secrets

CHUNK_BYTES = 1 << 18
STALL_SECONDS = 120.0
"""A web server that takes longer for one chunk (256 KiB) is given up: 2 kB/s."""
CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0

_GZIP_MAGIC = b"\x1f\x8b"
_MAX_GZIP_LAYERS = 2  # a .gz that the server packed once more for the way
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


class ByteStream(Protocol):
    """What is read from: at most so many bytes, and none only at the end."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most `size`."""


def find_scheme(source: str) -> str:
    """Return the scheme of a URL in small letters, empty for a path.

    Examples
    --------
    >>> find_scheme("s3://bucket/urls.csv"), find_scheme("lists/urls.csv")
    ('s3', '')
    """
    match = _SCHEME.match(source)
    return match.group(1).lower() if match else ""


@contextmanager
def open_stream(source: str) -> Iterator[ByteStream]:
    """Open a path, an ``http(s)://`` or an ``s3://`` URL for reading, unpacked when its bytes are gzip.

    Raises
    ------
    RowSourceError
        When it cannot be opened or read, now or later; SourceError for an object of S3.
    """
    openers = {"http": _open_http, "https": _open_http, "s3": _open_s3, "": _open_file}
    with openers[find_scheme(source)](source) as raw:
        yield _gunzip(raw, hide_password(source))


@contextmanager
def open_seekable(source: str) -> Iterator[IO[bytes]]:
    """Open a source as a file with any order of reading; what is not on this disk is copied to a temporary file."""
    if find_scheme(source) == "":
        with _open_local(source) as file:
            yield file
        return
    with open_stream(source) as stream, tempfile.TemporaryFile() as file:
        while chunk := stream.read(CHUNK_BYTES):
            file.write(chunk)
        file.seek(0)
        yield file


def _gunzip(raw: ByteStream, shown: str) -> ByteStream:
    stream: ByteStream = raw
    for _ in range(_MAX_GZIP_LAYERS):
        start = read_start(stream, len(_GZIP_MAGIC))
        stream = _Rejoined(start, stream)
        if start != _GZIP_MAGIC:
            break
        stream = _Gunzipped(stream, shown)
    return stream


def read_start(stream: ByteStream, size: int) -> bytes:
    """Return the first bytes, fewer only when there are no more."""
    start = b""
    while len(start) < size and (more := stream.read(size - len(start))):
        start += more
    return start


class _Rejoined:
    """A stream with the bytes that were taken from its start put back."""

    def __init__(self, start: bytes, rest: ByteStream) -> None:
        self._start = start
        self._rest = rest

    def read(self, size: int, /) -> bytes:
        start, self._start = self._start[:size], self._start[size:]
        return start + self._rest.read(size - len(start)) if len(start) < size else start


class _Gunzipped:
    """Unpacks no more at a time than is asked for, whatever the packed bytes would grow to."""

    def __init__(self, packed: ByteStream, shown: str) -> None:
        self._file = gzip.GzipFile(fileobj=packed, mode="rb")  # type: ignore[call-overload]  # it only calls read
        self._shown = shown

    def read(self, size: int, /) -> bytes:
        try:
            data: bytes = self._file.read(size)
        except (EOFError, OSError, zlib.error) as error:
            if isinstance(error, TintypeError):
                raise
            raise RowSourceError(f"{self._shown} is no whole gzip file ({error}): fetch or make it again") from error
        return data


def _open_local(path: str) -> IO[bytes]:
    try:
        return open(path, "rb")
    except OSError as error:
        where = "" if os.path.isabs(path) else f" (looked in {os.getcwd()})"
        raise RowSourceError(
            f"the list {path!r} cannot be opened{where}: {error.strerror or error}. "
            "Give a file, an http(s):// or s3:// URL, a database's URL with a query, or a mongodb:// URL"
        ) from error


@contextmanager
def _open_file(path: str) -> Iterator[ByteStream]:
    with _open_local(path) as file:
        yield _Translated(file.read, (OSError,), path, [])


class _Translated:
    """A stream whose foreign errors become ours."""

    def __init__(self, read: Any, errors: tuple[type[Exception], ...], shown: str, secrets: list[str]) -> None:
        self._read = read
        self._errors = errors
        self._shown = shown
        self._secrets = secrets

    def read(self, size: int, /) -> bytes:
        try:
            data: bytes = self._read(size)
        except self._errors as error:
            raise _unreadable(self._shown, error, self._secrets) from None
        return data


def _unreadable(shown: str, error: Exception, secrets: list[str]) -> RowSourceError:
    reason = getattr(error, "reason", None) or error  # urllib3's retries say the whole URL, their reason does not
    text = hide_secrets(str(reason), secrets)
    return RowSourceError(f"{shown} cannot be read: {type(reason).__name__}: {text}. Check the address, then run again")


@contextmanager
def _open_http(url: str) -> Iterator[ByteStream]:
    import urllib3
    from urllib3.util import Retry, Timeout, make_headers, parse_url

    shown = hide_password(url)
    filled = fill_in(url, shown, encode=lambda value: quote(value, safe=""))
    secrets = find_secrets(filled)
    headers = {"User-Agent": "tintype", "Accept-Encoding": "identity"}
    retries = Retry(3, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504), raise_on_status=False)
    timeout = Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
    with urllib3.PoolManager() as pool:
        try:
            address = parse_url(filled)
            if address.auth:
                headers.update(make_headers(basic_auth=unquote(address.auth)))
            response = pool.request(
                "GET",
                address._replace(auth=None).url,
                headers=headers,
                retries=retries,
                timeout=timeout,
                preload_content=False,
                decode_content=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise _unreadable(shown, error, secrets) from None
        try:
            _check_answer(response, shown)
            yield _Translated(_SteadyBody(response, shown).read, (urllib3.exceptions.HTTPError,), shown, secrets)
        finally:
            response.close()  # what was not read is not worth reading to keep the connection


def _check_answer(response: Any, shown: str) -> None:
    if response.status != 200:
        raise RowSourceError(
            f"{shown} cannot be read: the server answered {response.status} {response.reason or ''}".rstrip()
            + ". Check the address, and whether it needs a user and password"
        )
    packing = response.headers.get("Content-Encoding", "identity").lower()
    if packing not in {"identity", "gzip", "x-gzip"}:
        raise RowSourceError(f"{shown} came packed as {packing!r}, which was not asked for: serve it plain or as gzip")


class _SteadyBody:
    """A body that may not trickle: the time-outs of urllib3 hold for one piece, however small, not for a chunk."""

    def __init__(self, response: Any, shown: str) -> None:
        self._response = response
        self._shown = shown

    def read(self, size: int, /) -> bytes:
        deadline = time.monotonic() + STALL_SECONDS
        pieces: list[bytes] = []
        missing = size
        while missing:
            piece = self._response.read1(missing)
            if not piece:
                break
            pieces.append(piece)
            missing -= len(piece)
            if missing and time.monotonic() > deadline:
                raise RowSourceError(
                    f"{self._shown} came slower than {size} bytes in {STALL_SECONDS:.0f} s: fetch it by other means, "
                    "and give the file"
                )
        return b"".join(pieces)


@contextmanager
def _open_s3(url: str) -> Iterator[ByteStream]:
    with open_s3_object(describe_s3_object(split_s3_url(url)), n_connections=1) as stream:
        yield stream  # its errors are ours already
