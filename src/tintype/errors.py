"""Every error that tintype raises on purpose.

Each one is also the builtin that a caller would try first, and its message is one sentence with the values in it
and the cure::

    TintypeError
    ├── SettingsError (ValueError)          the [tintype] section, or an argument, holds what cannot be used
    ├── MissingPackageError (ImportError)   an extra is needed that is not installed
    ├── ImageError (ValueError)             bytes that are no whole, readable image
    │   └── ImageTooLargeError              more pixels than the limit
    ├── CollisionError (ValueError)         two inputs would become one output
    ├── JoinError (LookupError)             files of several stages that do not fit together
    ├── ManifestError (ValueError)          a manifest that is corrupt, missing, or from a newer tintype
    ├── SplitError (ValueError)             rows that cannot be split as asked for, or a split that leaks
    ├── StampError (ValueError)             a stamp that is corrupt or from a newer tintype
    ├── DirectoryConflictError (ValueError) two tasks would write one directory
    ├── StrayDirectoryError (FileExistsError)  something that tintype did not make stands where a stage publishes
    ├── RowSourceError (ValueError)         a list of rows (file, query, collection) that cannot be read or used
    ├── StagingError (OSError)              the disk refuses: full, read-only, failing
    │   └── StagingLockedError              another process is building the same directory
    ├── DownloadError (OSError)             a URL that could not be fetched
    │   ├── HttpStatusError                 the server answered, with a status that is no success
    │   ├── DownloadTimeoutError (TimeoutError)  too slow, or no answer
    │   ├── ConnectionFailedError           no connection, or one that broke
    │   ├── OptedOutError                   the server asks that this is not used
    │   └── WrongContentError               not what was announced: length, type, checksum, size
    ├── SourceError (OSError)               an archive, bucket or object that cannot be had
    │   ├── SourceNotFoundError (FileNotFoundError)  it is not there
    │   ├── SourceChangedError              it changed while it was read
    │   └── SourceUnreachableError (ConnectionError)  no connection, or one that broke
    ├── ArchiveError (ValueError)           an archive that is broken, or over a limit
    │   └── MemberError                     one member of an archive that cannot be taken
    ├── CodeChangedError (RuntimeError)     a source file was changed after it was loaded; what runs cannot be read
    ├── EvaluationError (RuntimeError)      an item of a sequence could not be computed; names index, function, file
    ├── DroppedError (LookupError)          an item of a sequence that its stage drops; says why
    ├── FileError (RuntimeError)            one file stopped the run; names the file
    └── TooManyFailuresError (RuntimeError) more files failed than the stage allows
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


class TintypeError(Exception):
    """Base of every error that tintype raises on purpose."""


class SettingsError(TintypeError, ValueError):
    """A setting or an argument holds a value that cannot be used."""


class MissingPackageError(TintypeError, ImportError):
    """An optional package is needed and not installed; the message names the extra."""


class ImageError(TintypeError, ValueError):
    """The bytes are not a whole image that can be read or written."""


class ImageTooLargeError(ImageError):
    """The image has more pixels than the limit allows."""


class CollisionError(TintypeError, ValueError):
    """Two inputs would become one output; raised before any work is done."""


class JoinError(TintypeError, LookupError):
    """Files of several stages do not fit together: one has no partner, or two."""


class ManifestError(TintypeError, ValueError):
    """A manifest is corrupt, incomplete, or was written by a newer tintype."""


class SplitError(TintypeError, ValueError):
    """Rows cannot be split as asked for: a label or group that is missing or no name; or the parts leak."""


class StampError(TintypeError, ValueError):
    """A stamp is corrupt or was written by a newer tintype."""


class DirectoryConflictError(TintypeError, ValueError):
    """Two tasks of one graph would write one directory."""


class StrayDirectoryError(TintypeError, FileExistsError):
    """Something that tintype did not make stands where a stage publishes."""


class RowSourceError(TintypeError, ValueError):
    """A list of rows, a file, a query or a collection, cannot be read, or one of its rows cannot be used."""


class StagingError(TintypeError, OSError):
    """The disk refuses: it is full, read-only or failing. Finished work stays in staging."""


class StagingLockedError(StagingError):
    """Another process is building the same directory."""


class DownloadError(TintypeError, OSError):
    """A URL could not be fetched.

    Attributes
    ----------
    http_status
        Of the last answer; None when there was none.
    attempts
        Number of requests made.
    is_final
        Whether trying again is no use.
    wait_seconds
        What the server asks to wait before the next request.
    """

    def __init__(
        self, message: str, *, http_status: int | None = None, is_final: bool = True, wait_seconds: float = 0.0
    ) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.attempts = 0
        self.is_final = is_final
        self.wait_seconds = wait_seconds


class HttpStatusError(DownloadError):
    """The server answered with a status that is no success."""


class DownloadTimeoutError(DownloadError, TimeoutError):
    """The server gave no answer in time, or gave it too slowly."""


class ConnectionFailedError(DownloadError):
    """There was no connection, or it broke."""


class OptedOutError(DownloadError):
    """The server asks that its file is not used (X-Robots-Tag or robots.txt)."""


class WrongContentError(DownloadError):
    """What came is not what was announced: its length, type, checksum or size."""


class SourceError(TintypeError, OSError):
    """An archive, a bucket or an object cannot be had: access is refused, or the answer makes no sense."""


class SourceNotFoundError(SourceError, FileNotFoundError):
    """An archive, a bucket or an object is not there."""


class SourceChangedError(SourceError):
    """An archive or an object is no longer the one that was asked for first."""


class SourceUnreachableError(SourceError, ConnectionError):
    """There was no connection to where an archive or object is, or it broke, or the server is not well."""


class ArchiveError(TintypeError, ValueError):
    """An archive is broken, cut off, of an unknown kind, or over a limit."""


class MemberError(ArchiveError):
    """One member of an archive cannot be taken: its name leads out, it is there twice, it is a link or a device."""


class CodeChangedError(TintypeError, RuntimeError):
    """A source file was changed after this process had loaded it, so that the code that runs cannot be read."""


class EvaluationError(TintypeError, RuntimeError):
    """An item of a sequence could not be computed. What the function raised is the ``__cause__``.

    Pickles with all of its attributes; the cause, which Python leaves behind then, stays in the message as `reason`.

    Attributes
    ----------
    index
        The number of the item in the sequence that was asked, however deep below it the function is.
    function
        Name of the function that failed.
    place
        Where the sequence that calls it was built, as ``file:line``.
    value
        What the function was given, or was made from, when that is a str or a path: a file's name. Otherwise None.
    reason
        The class and the message of what it raised.
    """

    def __init__(self, index: int, function: str, place: str, value: str | None = None, reason: str = "") -> None:
        super().__init__(index, function, place, value, reason)
        self.index = index
        self.function = function
        self.place = place
        self.value = value
        self.reason = reason

    def __str__(self) -> str:
        of_value = "" if self.value is None else f" for {self.value!r}"
        of_reason = f": {self.reason}" if self.reason else ""
        return f"item {self.index} failed in {self.function}{of_value} (sequence built at {self.place}){of_reason}"


class DroppedError(TintypeError, LookupError):
    """There is no such item: a stage drops the file that it would be made from."""


class FileError(TintypeError, RuntimeError):
    """One file stopped the run.

    Attributes
    ----------
    run_report
        The rows that were finished by then, for a pipeline that ran on its own; otherwise None.
    """

    run_report: pd.DataFrame | None = None


class TooManyFailuresError(TintypeError, RuntimeError):
    """More files failed than the stage allows, so it was not published."""
