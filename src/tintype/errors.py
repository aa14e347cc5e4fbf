"""Every error that tintype raises on purpose.

Each one is also the builtin that a caller would try first, and its message is one sentence with the values in it
and the cure::

    TintypeError
    ├── SettingsError (ValueError)          the [tintype] section, or an argument, holds what cannot be used
    ├── MissingPackageError (ImportError)   an extra is needed that is not installed
    ├── ImageError (ValueError)             bytes that are no whole, readable image
    │   └── ImageTooLargeError              more pixels than the limit
    ├── CollisionError (ValueError)         two inputs would become one output
    ├── ManifestError (ValueError)          a manifest that is corrupt, missing, or from a newer tintype
    ├── StampError (ValueError)             a stamp that is corrupt or from a newer tintype
    ├── DirectoryConflictError (ValueError) two tasks would write one directory
    ├── StrayDirectoryError (FileExistsError)  something that tintype did not make stands where a stage publishes
    ├── VerificationError (ValueError)      a published directory is not what its manifest says
    ├── StagingError (OSError)              the disk refuses: full, read-only, failing
    │   └── StagingLockedError              another process is building the same directory
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


class ManifestError(TintypeError, ValueError):
    """A manifest is corrupt, incomplete, or was written by a newer tintype."""


class StampError(TintypeError, ValueError):
    """A stamp is corrupt or was written by a newer tintype."""


class DirectoryConflictError(TintypeError, ValueError):
    """Two tasks of one graph would write one directory."""


class StrayDirectoryError(TintypeError, FileExistsError):
    """Something that tintype did not make stands where a stage publishes."""


class VerificationError(TintypeError, ValueError):
    """A published directory is not what its manifest says."""


class StagingError(TintypeError, OSError):
    """The disk refuses: it is full, read-only or failing. Finished work stays in staging."""


class StagingLockedError(StagingError):
    """Another process is building the same directory."""


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
