"""Lines of UTF-8 text: bounded in length, counted, and decoded a chunk at a time."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import chain

from tintype.errors import RowSourceError
from tintype.raw.row_sources.streams import CHUNK_BYTES, ByteStream, read_start

MAX_LINE_BYTES = 1 << 20

_BOM = b"\xef\xbb\xbf"


class TextLines:
    r"""Iterate once over the lines of a stream, each with its line break: ``\n``, ``\r\n`` or ``\r``.

    Raises
    ------
    RowSourceError
        When the text is not UTF-8, holds a NUL, or has a line of more than 1 MiB; names the line.
    """

    def __init__(self, stream: ByteStream, shown: str) -> None:
        self._stream = stream
        self._shown = shown
        self._n_lines_before = 0

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(self._chunks())

    def _chunks(self) -> Iterator[Iterator[str]]:
        """Yield the lines of whole chunks of text."""
        rest = read_start(self._stream, CHUNK_BYTES)
        if rest.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise RowSourceError(f"{self._shown} is UTF-16 text: save it as UTF-8")
        rest = rest.removeprefix(_BOM)
        while chunk := self._stream.read(CHUNK_BYTES):
            data = rest + chunk
            # A \r at the very end may be half of a line break.
            end = max(data.rfind(b"\n"), data.rfind(b"\r", 0, -1)) + 1
            rest = data[end:]
            if len(rest) > MAX_LINE_BYTES:
                self._count(self._decode(data[:end]))
                raise RowSourceError(
                    f"{self._shown}, line {self._n_lines_before + 1} is longer than {MAX_LINE_BYTES} bytes: "
                    "is this a text file with line breaks?"
                )
            if end:
                yield self._split(data[:end])
        if rest:
            yield self._split(rest)

    def _split(self, data: bytes) -> Iterator[str]:
        text = self._decode(data)
        self._count(text)
        return io.StringIO(text, newline="")

    def _decode(self, data: bytes) -> str:
        place = data.find(b"\0")
        if place >= 0:
            self._count(data[:place].decode("utf-8", "replace"))
            raise RowSourceError(
                f"{self._shown}, line {self._n_lines_before + 1} holds a NUL byte: save the list as UTF-8 text"
            )
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as error:
            self._count(data[: error.start].decode("utf-8", "replace"))
            raise RowSourceError(
                f"{self._shown}, line {self._n_lines_before + 1} is not UTF-8 (byte 0x{data[error.start]:02x}): "
                "save the list as UTF-8, with: iconv -f LATIN1 -t UTF-8 for example"
            ) from None

    def _count(self, text: str) -> None:
        n_breaks = text.count("\n")
        if "\r" in text:
            n_breaks += text.count("\r") - text.count("\r\n")
        self._n_lines_before += n_breaks
