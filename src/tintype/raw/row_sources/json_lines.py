"""Lists in JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tintype.errors import RowSourceError
from tintype.raw.row_sources.base import shorten
from tintype.raw.row_sources.documents import DocumentSource
from tintype.raw.row_sources.files import FileSource
from tintype.raw.row_sources.streams import open_stream
from tintype.raw.row_sources.text_lines import TextLines


class JSONLinesSource(DocumentSource, FileSource):
    """One JSON object a line. Empty lines are left out."""

    def describe_place(self, place: int) -> str:
        """Return the source and the line."""
        return f"{self._shown}, line {place}"

    def documents(self, limit: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the object of each line after its number."""
        decode = json.JSONDecoder().raw_decode
        with open_stream(self._source) as stream:
            for number, line in enumerate(TextLines(stream, self._shown), start=1):
                if line[0] != "{":
                    line = line.lstrip()
                    if not line:
                        continue
                try:
                    document, end = decode(line)
                except RecursionError:
                    raise RowSourceError(f"{self.describe_place(number)} is nested too deep: make it flatter") from None
                except ValueError as error:  # not JSON, or a number of thousands of digits
                    raise self._no_object_error(number, line, str(error)) from None
                if type(document) is not dict or (end != len(line) - 1 and line[end:].strip()):
                    raise self._no_object_error(number, line, "something else, or more than one value")
                if "\\u" in line:
                    self._check_characters(number, document)
                yield number, document

    def _no_object_error(self, number: int, line: str, reason: str) -> RowSourceError:
        return RowSourceError(
            f"{self.describe_place(number)} is no JSON object ({reason}): {shorten(line.rstrip())}. "
            'Write one object a line, such as {"url": "https://example.com/a.jpg"}'
        )

    def _check_characters(self, number: int, document: dict[str, Any]) -> None:
        """Refuse half of a character, which JSON can write and UTF-8 cannot."""
        try:
            json.dumps(document, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise RowSourceError(
                f"{self.describe_place(number)} holds half of a character (\\u{ord(error.object[error.start]):04x}): "
                "write both halves, or the character itself"
            ) from None
