"""The values of rows: read from a cell of text or from a typed source, as the type that their column has."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date, datetime, time
from typing import Any

Reader = Callable[[Any], Any]
"""Takes a value as it was found, returns it as its column's type; raises ValueError with the reason."""

COLUMN_TYPES = (bool, int, float, str)
"""Types that a column may have."""

_INT64 = range(-(2**63), 2**63)
_TRUTH = {"true": True, "false": False, "yes": True, "no": False, "t": True, "f": False, "1": True, "0": False}
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


def read_text(value: Any) -> str | None:
    """Return any value as text: what is no text already as ISO date and time, hexadecimal digits, or JSON.

    Examples
    --------
    >>> read_text(["a", 1, None])
    '["a", 1, null]'
    """
    if value is None or type(value) is str:
        return value
    if isinstance(value, bool | int | float | dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=_describe)
    return _describe(value)


def _describe(value: Any) -> str:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    return str(value)


def read_int(value: Any) -> int | None:
    """Return a whole number of 64 bits; None for None and for an empty cell."""
    if type(value) is not int:
        if value is None or value == "":
            return None
        if isinstance(value, str) and "_" not in value:
            try:
                value = int(value)
            except ValueError:
                raise ValueError("is no whole number") from None
        elif isinstance(value, float) and value.is_integer():
            value = int(value)
        elif not isinstance(value, int) or isinstance(value, bool):
            raise ValueError("is no whole number")
    if value not in _INT64:
        raise ValueError("does not fit into 64 bits")
    return int(value)


def read_float(value: Any) -> float | None:
    """Return a number; None for None and for an empty cell."""
    if type(value) is float:
        return value
    if value is None or value == "":
        return None
    if isinstance(value, bool) or (isinstance(value, str) and "_" in value):
        raise ValueError("is no number")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("is no number") from None


def read_bool(value: Any) -> bool | None:
    """Return a truth; None for None and for an empty cell."""
    if value is None or isinstance(value, bool):
        return value
    if value == "":
        return None
    truth = _TRUTH.get(str(value).strip().lower()) if isinstance(value, str | int) else None
    if truth is None:
        raise ValueError("is neither true nor false")
    return truth


def read_path(value: Any) -> str | None:
    """Return the path of a row; None for an empty cell."""
    return read_text(value) or None


def read_sha256(value: Any) -> str | None:
    """Return a SHA-256 in small letters; None for an empty cell."""
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise ValueError("is no SHA-256, which has 64 hexadecimal digits")
    return value.lower()


READERS: dict[type, Reader] = {bool: read_bool, int: read_int, float: read_float, str: read_text}
"""How the values of a column of each type are read."""
