"""A remote file read from start to end, that survives connections that drop."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from tintype.errors import SourceChangedError, SourceUnreachableError

logger = logging.getLogger("luigi-interface.tintype")

MAX_DROPS = 6
"""Drops in a row, without a byte between them, after which it is given up."""
FIRST_WAIT_SECONDS = 0.2
MAX_WAIT_SECONDS = 10.0


class ByteStream(Protocol):
    """What a connection gives: bytes until there are none, and a way to let go of it."""

    def read(self, amt: int, /) -> bytes:
        """Return up to `amt` bytes; none at the end."""

    def close(self) -> None:
        """Let go of the connection."""


class ResumingStream(io.RawIOBase):
    """Read a remote file once, in order; when the connection drops, open it again where it was.

    Parameters
    ----------
    open_at
        Called with an offset in bytes, never at or beyond the size: returns the file's bytes from there on. What can be
        tried again raises SourceUnreachableError, there or while it is read.
    size_bytes
        Size that was announced; None when it was not.
    name
        Of the file, as a message names it.

    Raises
    ------
    SourceUnreachableError
        While reading: when six connections in a row dropped without a byte.
    SourceChangedError
        While reading: when there are more bytes than were announced.

    Examples
    --------
    >>> import io
    >>> stream = ResumingStream(lambda offset: io.BytesIO(b"hello"[offset:]), 5, "greeting.txt")
    >>> stream.read()
    b'hello'
    """

    def __init__(self, open_at: Callable[[int], ByteStream], size_bytes: int | None, name: str) -> None:
        self._open_at = open_at
        self._size_bytes = size_bytes
        self._name = name
        self._stream: ByteStream | None = None
        self._offset = 0
        self._n_drops = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` as far as the connection gives bytes; 0 at the end of the file."""
        while self._size_bytes is None or self._offset < self._size_bytes:
            try:
                data = self._read(len(buffer))
            except SourceUnreachableError as error:
                self._note_drop(error)
                continue
            if data or self._size_bytes is None:
                self._n_drops = 0
                buffer[: len(data)] = data
                return len(data)
            self._note_drop(
                SourceUnreachableError(f"{self._name} ended after {self._offset:,} of {self._size_bytes:,} bytes")
            )
        return 0

    def close(self) -> None:
        """Let go of the connection; harmless a second time."""
        self._let_go()
        super().close()

    def _read(self, n_bytes: int) -> bytes:
        if self._stream is None:
            self._stream = self._open_at(self._offset)
        data = self._stream.read(n_bytes)
        self._offset += len(data)
        if self._size_bytes is not None and self._offset > self._size_bytes:
            raise SourceChangedError(
                f"{self._name} has more bytes than the {self._size_bytes:,} that were announced: run again"
            )
        return data

    def _note_drop(self, error: SourceUnreachableError) -> None:
        self._let_go()
        self._n_drops += 1
        if self._n_drops >= MAX_DROPS:
            raise error
        wait = min(FIRST_WAIT_SECONDS * 2 ** (self._n_drops - 1), MAX_WAIT_SECONDS)
        logger.warning("%s; asking again from byte %s in %.1f s", error, f"{self._offset:,}", wait)
        time.sleep(wait)

    def _let_go(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            with suppress(Exception):  # it may be broken, which is why it is let go
                stream.close()
