"""What a server asks of programs that fetch: X-Robots-Tag headers and robots.txt (RFC 9309)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from urllib.robotparser import RobotFileParser


def refuses(tags: Sequence[str], directives: Sequence[str], user_agent: str) -> bool:
    """Return whether X-Robots-Tag headers hold one of `directives`, for everyone or for this program.

    Parameters
    ----------
    tags
        The headers' values, as ``noai, noindex`` or ``otherbot: noindex``.
    directives
        Words that mean no.
    user_agent
        Whose first word (before a slash) names this program.

    Examples
    --------
    >>> refuses(["noai"], ("noai",), "tintype/1")
    True
    >>> refuses(["otherbot: noai"], ("noai",), "tintype/1")
    False
    """
    name = user_agent.partition("/")[0].strip().lower()
    for tag in tags:
        agent, colon, words = tag.lower().partition(":")
        if not colon or agent.strip() in _VALUED:
            agent, words = "", tag.lower()
        if agent.strip() in ("", name, "*") and any(word.strip() in directives for word in words.split(",")):
            return True
    return False


_VALUED = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})
"""Directives with a value after a colon; no names of programs."""


class RobotsRules:
    """The robots.txt of one host: read once, when the first thread asks; the others wait for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._parser: RobotFileParser | None = None

    def allow(self, url: str, user_agent: str, read: Callable[[], tuple[int, str]]) -> bool:
        """Return whether `url` may be fetched.

        Parameters
        ----------
        url
            The file.
        user_agent
            Who asks.
        read
            Returns the HTTP status and the text of robots.txt. A 4xx allows all, a 5xx nothing (RFC 9309, 2.3.1).
        """
        with self._lock:
            if self._parser is None:
                status, text = read()
                parser = RobotFileParser()
                if status < 500:
                    parser.parse(text.splitlines() if status < 400 else [])
                else:
                    parser.parse(["User-agent: *", "Disallow: /"])
                self._parser = parser
        return self._parser.can_fetch(user_agent, url)
