"""The name of a stage's directory. Pure: asking for it makes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from urllib.parse import quote

_MAX_VALUE_LENGTH = 48
_MAX_NAME_LENGTH = 180
_UNESCAPED = " ,+@()[]{}'!"


def directory_name(family: str, changed: Mapping[str, str]) -> str:
    """Return the name of a stage's directory.

    Parameters
    ----------
    family
        The task's family.
    changed
        Serialised value of each significant parameter that differs from its default.

    Returns
    -------
    str
        ``Family-name=value-name=value``, names in order. What could be taken for a separator, or be trouble in a path,
        is percent-encoded; a long value stands as the first 16 hex digits of its sha256.

    Examples
    --------
    >>> directory_name("Thumbnails", {})
    'Thumbnails'
    >>> directory_name("Thumbnails", {"max_side": "64", "folder": "a/b"})
    'Thumbnails-folder=a%2Fb-max_side=64'
    """
    parts = "".join(f"-{name}={_escape(value)}" for name, value in sorted(changed.items()))
    name = f"{quote(family, safe='')}{parts}"
    if len(name.encode()) > _MAX_NAME_LENGTH:
        name = f"{quote(family, safe='')[: _MAX_NAME_LENGTH - 20]}-parameters={_short_digest(parts)}"
    return name


def _escape(value: str) -> str:
    escaped = quote(value, safe=_UNESCAPED)
    return escaped if len(escaped) <= _MAX_VALUE_LENGTH else _short_digest(value)


def _short_digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
