"""Files read whole, as their manifest knows them, and one written while its digest is taken."""

from __future__ import annotations

import hashlib
import os
from typing import Any, Self

from tintype.write_funcs.files import write_all

BUFFER_BYTES = 1 << 20
_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0)


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


def read_whole(folder: str, outpath: str, size_bytes: int, buffer: memoryview) -> None:
    """Read a file whole, and hold it to its size.

    Three calls of the system a file: the byte that is asked for beyond the last tells a longer file, as asking for the
    size would. For small files each call counts, and each lets go of the interpreter's lock.

    Parameters
    ----------
    folder
        Where the files are.
    outpath
        Of the file, relative to that.
    size_bytes
        What the manifest says.
    buffer
        Where its bytes go; has one byte more, whose value is lost.

    Raises
    ------
    BadFileError
        When it cannot be read, or has another size.
    """
    try:
        descriptor = os.open(f"{folder}/{outpath}", _READ)
        try:
            n_read = os.readv(descriptor, [buffer])
            while n_read < size_bytes and (n_more := os.readv(descriptor, [buffer[n_read:]])):
                n_read += n_more
            if n_read != size_bytes:
                n_there = n_read if n_read < size_bytes else max(n_read, os.fstat(descriptor).st_size)
                raise _has_other_size(outpath, n_there, size_bytes)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise as_bad_file(outpath, error) from error


class SourceFile:
    """A file above that is open to be read piece by piece, and of the size that its manifest says.

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
            self._descriptor = os.open(f"{folder}/{outpath}", _READ)
        except OSError as error:
            raise as_bad_file(outpath, error) from error
        try:
            n_there = os.fstat(self._descriptor).st_size
            if n_there != size_bytes:
                raise _has_other_size(outpath, n_there, size_bytes)
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


def _has_other_size(outpath: str, n_there: int, size_bytes: int) -> BadFileError:
    return BadFileError(outpath, f"it has {n_there:,} bytes, and its manifest says {size_bytes:,}")


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
        view = data if type(data) is bytes else memoryview(data).cast("B")
        n_bytes = len(view)
        start = self._n_waiting
        if n_bytes > BUFFER_BYTES - start:
            self.flush()
            start = 0
        if n_bytes > BUFFER_BYTES:
            self._put(memoryview(view))
        else:
            self._buffer[start : start + n_bytes] = view
            self._n_waiting = start + n_bytes
        self.size_bytes += n_bytes
        return n_bytes

    def copy(self, folder: str, outpath: str, size_bytes: int) -> None:
        """Write all bytes of a file above, read straight into the buffer; BadFileError as :func:`read_whole` has it."""
        if size_bytes >= BUFFER_BYTES:
            with SourceFile(folder, outpath, size_bytes) as source:
                self._copy_in_pieces(source)
        else:
            if size_bytes >= BUFFER_BYTES - self._n_waiting:
                self.flush()
            start = self._n_waiting
            read_whole(folder, outpath, size_bytes, self._buffer[start : start + size_bytes + 1])
            self._n_waiting = start + size_bytes
        self.size_bytes += size_bytes

    def _copy_in_pieces(self, source: SourceFile) -> None:
        n_left = source.size_bytes
        while n_left:
            if self._n_waiting == BUFFER_BYTES:
                self.flush()
            n_bytes = min(n_left, BUFFER_BYTES - self._n_waiting)
            source.read_into(self._buffer[self._n_waiting : self._n_waiting + n_bytes])
            self._n_waiting += n_bytes
            n_left -= n_bytes

    def flush(self) -> None:
        """Hand what waits to the system."""
        self._put(self._buffer[: self._n_waiting])
        self._n_waiting = 0

    def _put(self, view: memoryview) -> None:
        self._hash.update(view)
        write_all(self._descriptor, view, self._name)
