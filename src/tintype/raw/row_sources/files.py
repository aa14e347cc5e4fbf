"""Lists in one file, near or far, and the simplest of them: plain text."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from hashlib import sha256

from tintype.errors import RowSourceError
from tintype.raw.row_sources.base import ColumnChoice, Row, RowSource
from tintype.raw.row_sources.credentials import hide_password
from tintype.raw.row_sources.streams import CHUNK_BYTES, find_scheme, open_seekable, open_stream
from tintype.raw.row_sources.text_lines import TextLines


class FileSource(RowSource):
    """A list in one file: a path, an ``http(s)://`` or an ``s3://`` URL.

    Parameters
    ----------
    source
        Where it lies.
    choice
        Which columns are wanted.
    """

    def __init__(self, source: str, choice: ColumnChoice) -> None:
        self._source = source
        self._choice = choice
        self._shown = hide_password(source)

    def digest(self) -> str | None:
        """Return the SHA-256 of the file's bytes as they lie on the disk; None when they do not lie there."""
        if find_scheme(self._source):
            return None
        digest = sha256()
        with open_seekable(self._source) as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()

    def identity(self) -> str:
        """Return the path or the URL, without a password."""
        return self._shown


class TextSource(FileSource):
    """Plain text, one URL a line. Empty lines, and lines that begin with ``#``, are left out."""

    def __init__(self, source: str, choice: ColumnChoice) -> None:
        super().__init__(source, choice)
        unusable = [*choice.types, *(choice.keep or ())]
        if unusable:
            raise RowSourceError(f"{self._shown} is plain text, which has no column {unusable[0]!r}: give a CSV file")

    def columns(self) -> Mapping[str, type]:
        """Return no columns."""
        return {}

    def rows(self) -> Generator[Row, None, None]:
        """Yield one row a line."""
        with open_stream(self._source) as stream:
            for line in TextLines(stream, self._shown):
                url = line.strip()
                if url and url[0] != "#":
                    yield {"url": url}
