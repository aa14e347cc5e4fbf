"""Texts of rows and numbers as a page shows them: short, on one line, and without secrets."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

from tintype.raw.row_sources.credentials import hide_password
from tintype.tasks.naming import show_path

MOST_LETTERS = 300
"""Of a path, URL or value that is shown."""

_TIMES = (
    (3_600, 60, 1, ("min", "s")),
    (86_400, 3_600, 60, ("h", "min")),
    (float("inf"), 86_400, 3_600, ("d", "h")),
)
"""Up to how many seconds a time is told in two units, their seconds, and their names."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")


def show_text(value: object, most: int = MOST_LETTERS) -> str:
    r"""Return a text on one line, with what does not print shown as escapes, and no passwords or tokens of URLs.

    Parameters
    ----------
    value
        Anything; its text is taken.
    most
        Letters that are left; the middle of a longer text goes.

    Examples
    --------
    >>> show_text("https://me:mine@host/a.jpg?token=abc\nx")
    'https://host/a.jpg?token=***\\nx'
    >>> show_text("0123456789", most=5)
    '01…89'
    """
    text = show_path(_URL.sub(lambda url: hide_password(url.group()), str(value)))
    if len(text) <= most:
        return text
    tail = (most - 1) // 2
    return f"{text[: most - 1 - tail]}…{text[-tail:]}"


def show_value(value: Any) -> str:
    """Return a value of a manifest for people.

    Examples
    --------
    >>> show_value(0.123456), show_value(1234567), show_value(None), show_value(True)
    ('0.1235', '1,234,567', '', 'yes')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return show_number(value)
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds")
    return show_text(value)


def show_number(value: float) -> str:
    """Return a number with about four digits.

    Examples
    --------
    >>> [show_number(value) for value in (0.0, 0.02, 2.5, 1234.5, 2_500_000.0, 1e-9)]
    ['0', '0.02', '2.5', '1,234', '2,500,000', '1e-09']
    """
    if abs(value) < 1e15 and value == int(value):
        return f"{int(value):,}"
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.4g}"


def show_seconds(seconds: float) -> str:
    """Return a time in its largest units.

    Examples
    --------
    >>> [show_seconds(seconds) for seconds in (0.0042, 3.21, 75, 7_500, 100_000)]
    ['4.2 ms', '3.2 s', '1 min 15 s', '2 h 5 min', '1 d 3 h']
    """
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    _, large, small, names = next(units for units in _TIMES if whole < units[0])
    rest = whole % large // small
    return f"{whole // large} {names[0]}" + (f" {rest} {names[1]}" if rest else "")


def show_share(part: float, whole: float) -> str:
    """Return a part of a whole as a percentage.

    Examples
    --------
    >>> show_share(1, 3), show_share(1, 100_000), show_share(0, 0)
    ('33.3 %', '<0.1 %', '')
    """
    if not whole:
        return ""
    share = 100 * part / whole
    return "<0.1 %" if 0 < share < 0.05 else f"{share:.1f} %"


def web_address(value: object) -> str | None:
    """Return a URL that a page may link to; None for anything but http and https.

    Examples
    --------
    >>> web_address("javascript:alert(1)") is None, web_address("https://example.com/a b.jpg")
    (True, 'https://example.com/a%20b.jpg')
    """
    if not isinstance(value, str):
        return None
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return None
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        return None
    return quote(hide_password(value), safe="%/:?#[]@!$&'()*+,;=~-._")


def host_of(*values: object) -> str:
    """Return the host of the first of some values that is a URL, in small letters; empty when none is.

    Examples
    --------
    >>> host_of("cats/1.jpg", "https://me@Example.com:8080/1.jpg")
    'example.com'
    """
    for value in values:
        if isinstance(value, str) and "://" in value:
            try:
                host = urlsplit(value).hostname
            except ValueError:
                continue
            if host:
                return host
    return ""
