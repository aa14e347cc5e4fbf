"""Names: of a stage's directory, and of a file in a message. Pure: asking for one makes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from urllib.parse import quote

from tintype.targets.relative_paths import printable

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
        is percent-encoded; a long value stands as ``#`` and the first 16 hex digits of its sha256.

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
        name = f"{quote(family, safe='')[: _MAX_NAME_LENGTH - 40]}-parameters={_short_digest(name)}"
    return name


def show_path(path: str) -> str:
    r"""Return an input's path as a message shows it: on one line, and always text that can be encoded.

    Examples
    --------
    >>> print(show_path("two\nlines.jpg"))
    two\nlines.jpg
    """
    text = printable(path)
    return text if text.isprintable() else "".join(map(_show_character, text))


def _show_character(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def _escape(value: str) -> str:
    escaped = quote(value, safe=_UNESCAPED, errors="surrogatepass")  # bytes that are not UTF-8 have a name too
    return escaped if len(escaped) <= _MAX_VALUE_LENGTH else _short_digest(value)


def _short_digest(text: str) -> str:
    # A value holds no bare "#", so a hash is never taken for one.
    return f"#{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
