"""One sentence for what a disk refuses."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from tintype.errors import StagingError, TintypeError


@contextmanager
def disk_errors(doing: str) -> Iterator[None]:
    """Turn the disk's errors into one sentence that says what was being done and what to do."""
    try:
        yield
    except TintypeError:
        raise
    except OSError as error:
        cures = {
            errno.ENOSPC: "make room and run again; what is finished is kept",
            errno.EDQUOT: "make room and run again; what is finished is kept",
            errno.EROFS: "choose a base_dir that can be written",
            errno.EACCES: "choose a base_dir that can be written",
            errno.EPERM: "choose a base_dir that can be written",
        }
        where = f" ({error.filename})" if error.filename else ""
        cure = cures.get(error.errno or 0, "run again when the disk is well; what is finished is kept")
        raise StagingError(error.errno, f"{error.strerror or error} while {doing}{where}: {cure}") from error
