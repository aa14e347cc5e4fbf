"""Two ways to call a write function so that no half file is ever taken for a whole one."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

from tintype.errors import StagingError
from tintype.pipelines.file_work import WriteFunc, Written
from tintype.records import current_file
from tintype.write_funcs.files import hash_file

_TEMPORARY = re.compile(r"\.tintype-(\d+)-\d+(\..*)?")
_numbers = count()


@dataclass(frozen=True)
class StagedFileWriter:
    """Write into a staging directory, where a file counts only once the journal names it.

    So there is no need for a rename: what fails is removed, and what a killed process leaves is swept.
    """

    write_func: WriteFunc

    def __call__(self, data: Any, path: str) -> tuple[str, int]:
        """Write `data` to `path`; return the sha256 (hex) and the size in bytes of the file.

        Raises
        ------
        StagingError
            When the disk fails (EIO).
        FileNotFoundError
            When the write function returned and wrote nothing.
        """
        try:
            self.write_func(data, path)
            written = current_file.written
            if written is not None and written.path == path:
                return written.digest, written.size_bytes
            return hash_file(path)
        except BaseException as error:
            with suppress(OSError):
                os.unlink(path)
            if isinstance(error, OSError) and error.errno == errno.EIO:
                raise StagingError(error.errno, f"{error.strerror} while {path} was written") from error
            raise

    def write_all(self, results: Iterable[tuple[Any, str]]) -> list[Written]:
        """Write the data of each result to its path; none of the files stays when one fails."""
        return _all_or_none(results, lambda data, path: (path, self(data, path)))[1]


@dataclass(frozen=True)
class WholeFileWriter:
    """Write to a hidden path beside the target, then rename: for folders that have no journal.

    The hidden path keeps the target's extension, from which writers choose the format.
    """

    write_func: WriteFunc

    def __call__(self, data: Any, path: str) -> tuple[None, None]:
        """Write `data` to `path`, whole or not at all.

        Raises
        ------
        FileNotFoundError
            When the write function returned and wrote nothing.
        """
        temporary = self._write_beside(data, path)
        try:
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        return None, None

    def write_all(self, results: Iterable[tuple[Any, str]]) -> list[Written]:
        """Write the data of each result to its path; no file is replaced before all are written."""
        paths: list[str] = []

        def write(data: Any, path: str) -> tuple[str, tuple[None, None]]:
            paths.append(path)
            return self._write_beside(data, path), (None, None)

        temporaries, written = _all_or_none(results, write)
        try:
            for temporary, path in zip(temporaries, paths, strict=True):
                os.replace(temporary, path)
        finally:
            for temporary in temporaries:  # those that are left when a rename is refused
                with suppress(FileNotFoundError):
                    os.unlink(temporary)
        return written

    def _write_beside(self, data: Any, path: str) -> str:
        """Write to a hidden path beside `path`, and return it."""
        folder, name = os.path.split(path)
        extension = os.path.splitext(name)[1]
        temporary = os.path.join(folder, f".tintype-{os.getpid()}-{next(_numbers)}{extension}")
        try:
            self.write_func(data, temporary)
            if not os.path.lexists(temporary):
                raise FileNotFoundError(f"the write function returned and wrote nothing to {path}")
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        return temporary


def _all_or_none(
    results: Iterable[tuple[Any, str]], write: Callable[[Any, str], tuple[str, Written]]
) -> tuple[list[str], list[Written]]:
    """Write each result; return where it lies, and its digest and size. When one fails, what was written goes."""
    places: list[str] = []
    written: list[Written] = []
    try:
        for data, path in results:
            place, file = write(data, path)
            places.append(place)
            written.append(file)
    except BaseException:
        for place in places:
            with suppress(OSError):
                os.unlink(place)
        raise
    return places, written


def sweep_temporaries(folders: Iterable[str]) -> None:
    """Remove the hidden files that processes which are no longer alive left behind in `folders`."""
    for folder in folders:
        with suppress(FileNotFoundError, NotADirectoryError):
            for name in os.listdir(folder or "."):
                match = _TEMPORARY.fullmatch(name)
                if match and not _is_alive(int(match[1])):
                    with suppress(FileNotFoundError):
                        os.unlink(os.path.join(folder, name))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
