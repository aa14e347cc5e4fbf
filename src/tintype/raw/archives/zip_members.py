"""The members of a zip archive, in the order of its directory."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from lzma import LZMAError
from typing import BinaryIO

from tintype.errors import ArchiveError, MemberError, TintypeError
from tintype.raw.archives.limits import Meter
from tintype.raw.archives.members import CHUNK_BYTES, Member, clean_name, refused

_UTF_8 = 0x800
_ENCRYPTED = 0x1
_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_BAD_BYTES = (zipfile.BadZipFile, zlib.error, LZMAError, OSError, ValueError, ArithmeticError, EOFError, struct.error)


def read_zip(file: BinaryIO, meter: Meter) -> Iterator[Member]:
    """Yield the files of a zip archive, and what stands in the place of one; folders are left out.

    The archive's directory is held in memory, about 0.7 kB a member, after its number of members was checked.

    Parameters
    ----------
    file
        Can be seeked.
    meter
        Holds the limits.

    Raises
    ------
    ArchiveError
        When the archive is broken or reaches a limit. A member with bad bytes is a MemberError where it is read.
    """
    size_bytes = _check_directory(file, meter)
    meter.n_packed = 0  # what was read to put it into a file counts no more
    with _zip_errors(meter.name):
        archive = zipfile.ZipFile(file)
    with archive:
        for info in archive.infolist():
            meter.count_member()
            member = _as_member(archive, info, meter, size_bytes)
            if member is not None:
                yield member


def _as_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, meter: Meter, archive_bytes: int) -> Member | None:
    """Return a member as ours; None for a folder."""
    stored = _stored_name(info)
    mode = info.external_attr >> 16
    kind = stat.S_IFMT(mode)
    try:
        name = clean_name(stored, is_folder=stored.endswith("/"))
        if stored.endswith("/"):
            return None
        if kind not in (0, stat.S_IFREG):
            what = "a symbolic link" if stat.S_ISLNK(mode) else "a device, a pipe or a folder"
            return refused(name, MemberError(f"{name} is {what}: it is not followed"), is_special=True)
        if info.flag_bits & _ENCRYPTED:
            raise MemberError(f"{name} is encrypted: decrypt the archive first")
    except MemberError as error:
        return refused(stored, error)
    return Member(name, info.file_size, partial(_read_chunks, archive, info, name, meter, archive_bytes))


def _stored_name(info: zipfile.ZipInfo) -> str:
    """Return the name with the slashes of this system, read as UTF-8 where it is that, though nobody said so."""
    name = info.orig_filename
    if not info.flag_bits & _UTF_8 and not name.isascii():
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            pass  # code page 437, as the format says
    return name.replace("\\", "/")


def _read_chunks(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, meter: Meter, archive_bytes: int
) -> Iterator[bytes]:
    n_bytes = 0
    try:
        with archive.open(info) as file:
            # Members may announce any size, or lie over one another; there is never more than the archive itself.
            meter.n_packed = min(meter.n_packed + info.compress_size, archive_bytes)
            while chunk := file.read(CHUNK_BYTES):
                n_bytes += len(chunk)
                meter.count_unpacked(len(chunk))
                yield chunk
    except TintypeError:
        raise
    except NotImplementedError as error:
        raise MemberError(f"{name} is packed in a way that cannot be read ({error}): pack the archive anew") from error
    except RuntimeError as error:
        raise MemberError(f"{name} cannot be read ({error})") from error
    except _BAD_BYTES as error:
        raise MemberError(f"{name} is broken ({type(error).__name__}: {error})") from error
    if n_bytes != info.file_size:
        raise MemberError(f"{name} is broken: it has {n_bytes:,} bytes and announced {info.file_size:,}")


def _check_directory(file: BinaryIO, meter: Meter) -> int:
    """Refuse a directory of too many members before zipfile reads it into memory; return the archive's size."""
    size_bytes = file.seek(0, 2)
    start = max(0, size_bytes - _END.size - 0xFFFF)
    file.seek(start)
    tail = file.read()
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or len(tail) - place < _END.size:
        raise ArchiveError(f"{meter.name} was cut off: a zip archive has its directory at its end, and there is none")
    _, _, _, _, n_members, directory_bytes, _, _ = _END.unpack_from(tail, place)
    locator = place - _LOCATOR_64.size
    if locator >= 0 and tail.startswith(b"PK\x06\x07", locator):
        file.seek(min(_LOCATOR_64.unpack_from(tail, locator)[2], size_bytes))
        end = file.read(_END_64.size)
        if len(end) == _END_64.size and end.startswith(b"PK\x06\x06"):
            *_, n_members, directory_bytes, _ = _END_64.unpack(end)
    # zipfile goes by the directory's size, whatever number it announces; an entry has 46 bytes and a name.
    if n_members > meter.limits.max_members or directory_bytes // 46 > 8 * meter.limits.max_members + 1:
        raise ArchiveError(
            f"{meter.name} has {n_members:,} members in a directory of {directory_bytes:,} bytes, more than "
            f"max_members={meter.limits.max_members:,}: raise the limit if that is right"
        )
    file.seek(0)
    return size_bytes


@contextmanager
def _zip_errors(name: str) -> Iterator[None]:
    try:
        yield
    except (*_BAD_BYTES, NotImplementedError) as error:
        raise ArchiveError(f"{name} is no zip archive, or broken ({type(error).__name__}: {error})") from error
