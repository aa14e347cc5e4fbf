"""Passwords of row sources: found in the environment, Luigi's configuration or a file, and kept out of sight."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable
from configparser import InterpolationError
from urllib.parse import quote

from tintype.errors import RowSourceError

HIDDEN = "***"

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
_WEB_USER = re.compile(r"(?<=://)[^/?#]*@")
# A password may hold anything in a database's URL; better hide too much of one with an @ further on.
_OTHER_USER = re.compile(r"(?<=://)[^/:@]*(?::.*)?@")
_SECRET_OPTION = re.compile(
    r"(?i)(?<=[?&;])([^=&;#]*(?:passw|pwd|secret|token|signature|credential)[^=&;#]*|pass|sig|auth|key|"
    r"(?:api|access)[-_]?key(?:[-_]?id)?)=[^&;#]*"
)


def hide_password(url: str) -> str:
    """Return a URL without user and password, and without the values of options that sound like one.

    Examples
    --------
    >>> hide_password("https://me:mine@example.com/urls.csv?page=1&token=abc")
    'https://example.com/urls.csv?page=1&token=***'
    """
    return _SECRET_OPTION.sub(rf"\1={HIDDEN}", _user_pattern(url).sub("", url, count=1))


def _user_pattern(url: str) -> re.Pattern[str]:
    return _WEB_USER if url.lower().startswith(("http://", "https://")) else _OTHER_USER


def hide_secrets(text: str, secrets: Iterable[str | None]) -> str:
    """Return a text, of a foreign error for example, in which none of the secrets stands."""
    for secret in secrets:
        for form in {secret, quote(secret, safe="")} if secret else ():
            text = text.replace(form, HIDDEN)
    return text


def find_secrets(url: str) -> list[str]:
    """Return what :func:`hide_password` takes out of a URL, for :func:`hide_secrets`."""
    found = _user_pattern(url).search(url)
    user_and_password = found.group()[:-1] if found else ""
    options = [match.group().partition("=")[2] for match in _SECRET_OPTION.finditer(url)]
    return [user_and_password, user_and_password.partition(":")[2], *options]


def fill_in(text: str, shown: str, *, encode: Callable[[str], str] = str) -> str:
    """Return a text with the values of the environment's variables in place of ``${NAME}``.

    Parameters
    ----------
    text
        Part of a URL, or all of one.
    shown
        The source, for messages.
    encode
        Called with each value: percent-encoding where the text is a URL.

    Raises
    ------
    RowSourceError
        When a variable is not set.
    """

    def find(match: re.Match[str]) -> str:
        value = os.environ.get(match.group(1))
        if value is None:
            raise RowSourceError(
                f"{shown} needs the environment variable {match.group(1)}, which is not set: set it, "
                "or correct the name between ${ and }"
            )
        return encode(value)

    return _PLACEHOLDER.sub(find, text)


def read_configured(section: str, option: str) -> str | None:
    """Return an option of Luigi's configuration, None when it is not there.

    Raises
    ------
    RowSourceError
        When Luigi cannot read it; the value is not shown.
    """
    from luigi import configuration

    try:
        value = configuration.get_config().get(section, option, None)
    except InterpolationError:
        raise RowSourceError(
            f"[{section}] {option} in Luigi's configuration cannot be read: write a % in it as %%"
        ) from None
    return None if value is None else str(value)


def read_credentials_file(path: str) -> tuple[str, str]:
    """Return user and password from a file of the form ``{"mongo_db": {"user": "...", "password": "..."}}``.

    Raises
    ------
    RowSourceError
        When it cannot be read, or has another form; its content is not shown.
    """
    form = '{"mongo_db": {"user": "...", "password": "..."}}'
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)["mongo_db"]
        user, password = found["user"], found["password"]
    except OSError as error:
        raise RowSourceError(f"the credentials file {path} cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError):
        user = password = None
    if not isinstance(user, str) or not isinstance(password, str):
        raise RowSourceError(f"the credentials file {path} does not have the form {form}")
    return user, password
