"""From the bytes of an archive to its members: what kind it is says how it begins, not how it is called."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from tintype.errors import ArchiveError, MissingPackageError
from tintype.raw.archives.limits import ByteSource, Meter, PackedStream
from tintype.raw.archives.members import CHUNK_BYTES, Member
from tintype.raw.archives.tar_members import read_tar
from tintype.raw.archives.zip_members import read_zip
from tintype.targets.disk_errors import disk_errors

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
MAX_WINDOW_BYTES = 2**29
"""Memory that an xz archive may ask for; ``xz -9`` takes 65 MB."""


def read_archive(stream: ByteSource, meter: Meter, *, spool_folder: Path | None = None) -> Iterator[Member]:
    """Yield the files of a tar (plain, gz, bz2, xz, zst) or zip archive, and what stands in the place of one.

    Parameters
    ----------
    stream
        Read once from its start; need not be able to seek.
    meter
        Names the archive and holds the limits.
    spool_folder
        Where a zip from a stream that cannot seek is put meanwhile, in a file without a name.

    Raises
    ------
    ArchiveError
        When it is no archive, is broken or cut off, or reaches a limit.
    MissingPackageError
        For a tar.zst without the package zstandard.

    Examples
    --------
    >>> import io, tarfile
    >>> from tintype.raw.archives.limits import ArchiveLimits
    >>> file = io.BytesIO()
    >>> with tarfile.open(fileobj=file, mode="w:gz") as archive:
    ...     archive.add("/dev/null", "cats/nothing.txt")  # a device
    >>> _ = file.seek(0)
    >>> for member in read_archive(file, Meter("pets.tar.gz", ArchiveLimits())):
    ...     print(member.problem)
    cats/nothing.txt is a device: it is not followed
    """
    packed = io.BufferedReader(PackedStream(stream, meter), CHUNK_BYTES)
    beginning = packed.peek(8)[:8]
    if beginning.startswith(_ZIP):
        with _seekable(stream, packed, meter, spool_folder) as file:
            yield from read_zip(file, meter)
    else:
        yield from read_tar(_decompressor(beginning)(packed), meter)


def _decompressor(beginning: bytes) -> Callable[[BinaryIO], Any]:
    """Return what opens a compressed stream that begins like this."""
    if beginning.startswith(b"\x1f\x8b"):
        return lambda file: gzip.GzipFile(fileobj=file, mode="rb")
    if beginning.startswith(b"BZh"):
        return bz2.BZ2File
    if beginning.startswith(b"\xfd7zXZ\x00"):
        return _XzStream
    if beginning.startswith(b"\x28\xb5\x2f\xfd"):
        return _open_zstd
    return lambda file: file


def _open_zstd(file: BinaryIO) -> Any:
    try:
        import zstandard
    except ImportError as error:
        raise MissingPackageError("reading a tar.zst needs zstandard: pip install 'tintype[zstd]'") from error
    return _ZstdStream(zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True), zstandard.ZstdError)


class _ZstdStream:
    """A zstandard stream whose errors are those of a broken file."""

    def __init__(self, stream: Any, error: type[Exception]) -> None:
        self._stream = stream
        self._error = error

    def read(self, n_bytes: int) -> bytes:
        try:
            return bytes(self._stream.read(n_bytes))
        except self._error as error:
            raise ArchiveError(f"it cannot be decompressed ({error})") from error


class _XzStream:
    """An xz stream, or several on end, that may not ask for any amount of memory, as lzma's own file may."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decompressor = self._make()
        self._rest = b""

    def read(self, n_bytes: int) -> bytes:
        while True:
            if self._decompressor.eof:
                self._rest = self._skip_padding(self._decompressor.unused_data)
                if not self._rest:
                    return b""
                self._decompressor = self._make()
            if self._decompressor.needs_input and not self._rest:
                self._rest = self._file.read(65_536)
                if not self._rest:
                    raise EOFError("the compressed stream has no end")
            data = self._decompressor.decompress(self._rest, n_bytes)
            self._rest = b""
            if data:
                return data

    def _skip_padding(self, rest: bytes) -> bytes:
        """Return what follows the zeros between two streams."""
        while not (rest := rest.lstrip(b"\0")):
            rest = self._file.read(65_536)
            if not rest:
                return b""
        return rest

    @staticmethod
    def _make() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_WINDOW_BYTES)


@contextmanager
def _seekable(
    stream: ByteSource, packed: BinaryIO | io.BufferedReader, meter: Meter, folder: Path | None
) -> Iterator[BinaryIO]:
    """Give a file that can seek: the stream itself, or a temporary copy of it that has no name."""
    if not isinstance(stream, io.RawIOBase) and stream.seekable():
        yield stream
        return
    with tempfile.TemporaryFile(dir=folder) as file:
        with disk_errors(f"putting {meter.name} into a temporary file"):
            while chunk := packed.read(CHUNK_BYTES):
                file.write(chunk)
                if file.tell() > meter.limits.max_total_bytes:
                    raise ArchiveError(
                        f"{meter.name} itself has more than max_total_bytes={meter.limits.max_total_bytes:,}: "
                        "raise the limit if that is right"
                    )
            file.flush()
        yield cast("BinaryIO", file)
