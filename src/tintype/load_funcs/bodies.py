"""The body of an answer over HTTP, as it comes."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING

from urllib3 import HTTPHeaderDict, HTTPResponse

from tintype.load_funcs.scratch import room_for_file

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CHUNK_BYTES = 1 << 18


class Answer(http.client.HTTPResponse):
    """The standard library's answer, which can be read into memory at hand."""

    def readinto1(self, buffer: WriteableBuffer, /) -> int:
        """Fill `buffer` with what has come, after waiting for something; return how many bytes, 0 at the end.

        For a body whose length was announced. The standard library's own makes a new object of it first.
        """
        if self.isclosed() or self.length is None:
            return super().readinto1(buffer)
        n_bytes = self.fp.readinto1(memoryview(buffer)[: self.length])
        self.length -= n_bytes
        return n_bytes


class Body:
    """What has come of a body.

    Parameters
    ----------
    answer
        Of which nothing has been read.
    """

    def __init__(self, answer: Answer) -> None:
        self.announced = answer.length
        """The bytes that the server said it would send; None where it did not."""
        self.n_bytes = 0
        """What has come, decompressed."""
        self._answer = answer
        # What is not encoded does not pass urllib3, which would copy every byte twice.
        self._encoded = _decode(answer) if answer.headers.get("Content-Encoding") else None
        self._room = room_for_file(answer.length) if answer.length and self._encoded is None else None
        self._chunks: list[bytes] = []

    @property
    def n_sent(self) -> int:
        """What has come, as it was sent."""
        return self.n_bytes if self._encoded is None else self._encoded.tell()

    def read_more(self) -> int:
        """Wait for more, and return how many bytes came; 0 at the end."""
        if self._room is not None:
            n_more = self._answer.readinto1(self._room[self.n_bytes :])
        else:
            chunk = (self._answer if self._encoded is None else self._encoded).read1(CHUNK_BYTES)
            n_more = len(chunk)
            if chunk:
                self._chunks.append(chunk)
        self.n_bytes += n_more
        return n_more

    def collect(self, *, in_scratch: bool = False) -> bytes | memoryview:
        """Return all that came; with `in_scratch`, perhaps in memory that is good until this thread reads again."""
        if self._room is None:
            return b"".join(self._chunks)
        return self._room if in_scratch else bytes(self._room)


def _decode(answer: Answer) -> HTTPResponse:
    """Return an encoded body (gzip and so on) as what it stands for."""
    headers = HTTPHeaderDict(answer.headers.items())
    return HTTPResponse(
        answer, headers, answer.status, preload_content=False, original_response=answer, request_method="GET"
    )
