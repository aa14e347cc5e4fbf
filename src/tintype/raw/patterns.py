"""Shell patterns that say which files come in."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from tintype.errors import SettingsError


class Patterns:
    """Patterns of files to take and to leave out, in any case of letters.

    One without a slash is matched with the file's name, else with its relative path, where ``*`` takes slashes too.

    Parameters
    ----------
    patterns
        A file is taken that matches one of these,
    exclude
        and none of these.

    Raises
    ------
    SettingsError
        When one of them is a text and not a tuple of texts.

    Examples
    --------
    >>> wanted = Patterns(("*.jpg", "*.png"), exclude=("drafts/*",))
    >>> [path for path in ("a/1.JPG", "a/1.txt", "drafts/2.png") if wanted.take(path)]
    ['a/1.JPG']
    """

    def __init__(self, patterns: Sequence[str], exclude: Sequence[str] = ()) -> None:
        self._patterns = _check("patterns", patterns)
        self._exclude = _check("exclude", exclude)

    def take(self, path: str) -> bool:
        """Return whether a file is taken.

        Parameters
        ----------
        path
            Relative, with ``/``.
        """
        return _matches(path, self._patterns) and not _matches(path, self._exclude)


def _check(name: str, patterns: Sequence[str]) -> list[str]:
    if isinstance(patterns, str):
        raise SettingsError(f"{name} is the text {patterns!r}: give a tuple of patterns, ({patterns!r},)")
    return [pattern.lower() for pattern in patterns]


def _matches(path: str, patterns: Sequence[str]) -> bool:
    path = path.lower()
    name = path.rpartition("/")[2]
    return any(pattern == "*" or fnmatchcase(path if "/" in pattern else name, pattern) for pattern in patterns)
