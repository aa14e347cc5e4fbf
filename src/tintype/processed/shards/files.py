"""Files read whole, as their manifest knows them, and one written while its digest is taken."""

from __future__ import annotations

import hashlib
import os
from typing import Any, Self

from tintype.write_funcs.files import write_all

BUFFER_BYTES = 1 << 20


class BadFileError(Exception):
    """A file above cannot be read, or is not as its manifest says. Never leaves a build: it becomes a FileError.

    Attributes
    ----------
    outpath
        Of the file.
    reason
        What is wrong with it.
    """

    def __init__(self, outpath: str, reason: str) -> None:
        super().__init__(outpath, reason)
        self.outpath = outpath
        self.reason = reason


class SourceFile:
    """A file above that is open for reading, and of the size that its manifest says.

    Parameters
    ----------
    folder
        Where the files are.
    outpath
        Of the file, relative to that.
    size_bytes
        What the manifest says.

    Raises
    ------
    BadFileError
        When it cannot be opened, or has another size.
    """

    def __init__(self, folder: str, outpath: str, size_bytes: int) -> None:
        self.outpath = outpath
        self.size_bytes = size_bytes
        try:
            self._descriptor = os.open(f"{folder}/{outpath}", os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise as_bad_file(outpath, error) from error
        try:
            found = os.fstat(self._descriptor).st_size
            if found != size_bytes:
                raise BadFileError(outpath, f"it has {found:,} bytes, and its manifest says {size_bytes:,}")
        except BaseException:
            self.close()
            raise

    def read_into(self, buffer: memoryview) -> None:
        """Read the next bytes, as many as the buffer has; BadFileError when there are not so many."""
        while buffer:
            try:
                n_bytes = os.readv(self._descriptor, [buffer])
            except OSError as error:
                raise as_bad_file(self.outpath, error) from error
            if not n_bytes:
                raise BadFileError(self.outpath, f"it ended before its {self.size_bytes:,} bytes")
            buffer = buffer[n_bytes:]

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def find_fault(folder: str, outpath: str, size_bytes: int) -> BadFileError | None:
    """Return why a file cannot be exported, without reading it; None when it can, as far as one sees."""
    try:
        SourceFile(folder, outpath, size_bytes).close()
    except BadFileError as error:
        return error
    return None


def as_bad_file(outpath: str, error: OSError) -> BadFileError:
    """Return what an error of the disk says of a file above."""
    return BadFileError(outpath, f"{type(error).__name__}: {error.strerror or error}")


class ShardFile:
    """A file that is written through a buffer from its start to its end, and hashed on the way. Arrow can write to it.

    Parameters
    ----------
    descriptor
        Of a new file, which the caller closes.
    name
        Of the file, for the disk's errors.
    """

    closed = False

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor = descriptor
        self._name = name
        self._buffer = memoryview(bytearray(BUFFER_BYTES))
        self._n_waiting = 0
        self._hash = hashlib.sha256()
        self.size_bytes = 0
        """Bytes so far."""

    @property
    def digest(self) -> str:
        """The sha256, in hex, of what was written, once it is flushed."""
        return self._hash.hexdigest()

    def write(self, data: Any) -> int:
        """Write bytes."""
        view = memoryview(data).cast("B")
        n_bytes = len(view)
        if n_bytes > BUFFER_BYTES - self._n_waiting:
            self.flush()
        if n_bytes > BUFFER_BYTES:
            self._put(view)
        else:
            self._buffer[self._n_waiting : self._n_waiting + n_bytes] = view
            self._n_waiting += n_bytes
        self.size_bytes += n_bytes
        return n_bytes

    def copy(self, source: SourceFile) -> None:
        """Write all bytes of a file, read straight into the buffer."""
        n_left = source.size_bytes
        while n_left:
            if self._n_waiting == BUFFER_BYTES:
                self.flush()
            n_bytes = min(n_left, BUFFER_BYTES - self._n_waiting)
            source.read_into(self._buffer[self._n_waiting : self._n_waiting + n_bytes])
            self._n_waiting += n_bytes
            n_left -= n_bytes
        self.size_bytes += source.size_bytes

    def flush(self) -> None:
        """Hand what waits to the system."""
        self._put(self._buffer[: self._n_waiting])
        self._n_waiting = 0

    def _put(self, view: memoryview) -> None:
        self._hash.update(view)
        write_all(self._descriptor, view, self._name)
