"""The members of a tar archive, read once from start to end."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from lzma import LZMAError
from tarfile import HeaderError
from typing import Any, Self

from tintype.errors import ArchiveError, MemberError, TintypeError
from tintype.raw.archives.limits import Meter, UnpackedStream
from tintype.raw.archives.members import CHUNK_BYTES, Member, clean_name, refused

_KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
}


def read_tar(stream: Any, meter: Meter) -> Iterator[Member]:
    """Yield the files of a tar archive, and what stands in the place of one; folders are left out.

    Parameters
    ----------
    stream
        Gives the archive's bytes, decompressed.
    meter
        Holds the limits.

    Raises
    ------
    ArchiveError
        When the archive is broken or cut off, holds more after its end, or reaches a limit.
    """
    unpacked: Any = UnpackedStream(stream, meter)  # all that tarfile wants is a read method
    meter.expect_member(0)
    with _tar_errors(meter.name):
        archive = tarfile.open(  # noqa: SIM115, the next block closes it
            fileobj=unpacked, mode="r|", bufsize=65_536, tarinfo=_CheckedInfo
        )
    with archive:
        while True:
            with _tar_errors(meter.name):
                info = archive.next()
            meter.expect_data()
            if info is None:
                break
            archive.members = []  # type: ignore[attr-defined]  # tarfile would keep every one of them
            meter.count_member()
            if info.size < 0 or archive.offset < archive.fileobj.tell():
                raise ArchiveError(f"{meter.name} is broken: a member of {info.size} bytes")
            member = _as_member(archive, info, meter)
            if member is not None:
                yield member
            meter.expect_member(archive.offset - archive.fileobj.tell())
        _refuse_rest(archive.fileobj, meter)


# What tarfile raises inside, which typeshed does not list.
_EndMark: type[HeaderError] = tarfile.EOFHeaderError  # type: ignore[attr-defined]
_CutOff: tuple[type[HeaderError], ...] = (
    tarfile.EmptyHeaderError,  # type: ignore[attr-defined]
    tarfile.TruncatedHeaderError,  # type: ignore[attr-defined]
)


class _CheckedInfo(tarfile.TarInfo):
    """A header whose faults end the archive with an error; tarfile takes most of them for the end of it."""

    @classmethod
    def fromtarfile(cls, tarfile: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tarfile)
        except _EndMark:
            raise
        except _CutOff as error:
            raise ArchiveError("it ends without the mark that stands at the end of a tar: it was cut off") from error
        except HeaderError as error:
            where = f"at byte {tarfile.offset:,} " if tarfile.offset else ""
            raise ArchiveError(f"it is no tar archive, or broken: {where}there is no valid header ({error})") from error


def _as_member(archive: tarfile.TarFile, info: tarfile.TarInfo, meter: Meter) -> Member | None:
    """Return a member as ours; None for a folder."""
    try:
        name = clean_name(info.name, is_folder=info.isdir())
        if info.isdir():
            return None
        if info.type in _KINDS:
            leads = f" to {info.linkname}" if info.linkname else ""
            problem = MemberError(f"{name} is {_KINDS[info.type]}{leads}: it is not followed")
            return refused(name, problem, is_special=True)
        if not info.isreg():
            return refused(name, MemberError(f"{name} is of the unknown kind {info.type!r}"), is_special=True)
        _apply_data_filter(info)
    except MemberError as error:
        return refused(info.name, error)
    return Member(name, info.size, partial(_read_chunks, archive, info, meter))


def _apply_data_filter(info: tarfile.TarInfo) -> None:
    """Apply the standard library's rules for data; ours are stricter, so this is a second lock on the door."""
    if not hasattr(tarfile, "data_filter"):  # Python 3.11.0 to 3.11.3
        return
    try:
        filtered = tarfile.data_filter(info, "/")
    except tarfile.FilterError as error:
        raise MemberError(f"{info.name}: {error}") from error
    if filtered.name != info.name:
        raise MemberError(f"{info.name} is not a name that data may have")


def _read_chunks(archive: tarfile.TarFile, info: tarfile.TarInfo, meter: Meter) -> Iterator[bytes]:
    is_sparse = info.issparse()
    with _tar_errors(meter.name, info.name):
        file = archive.extractfile(info)
        if file is None:
            return
        left = info.size
        while left:
            chunk = file.read(min(CHUNK_BYTES, left))
            if not chunk:
                raise ArchiveError(f"it was cut off inside {info.name}")
            if is_sparse:
                meter.count_unpacked(len(chunk))  # holes are in no stream
            left -= len(chunk)
            yield chunk


def _refuse_rest(stream: Any, meter: Meter) -> None:
    """Read to the end, so that a compressed stream's checksum is looked at; refuse more than zeros."""
    with _tar_errors(meter.name):
        while chunk := stream.read(CHUNK_BYTES):
            if chunk.count(0) != len(chunk):
                raise ArchiveError(
                    "there is more after the end of the tar archive, which readers would take differently: "
                    "unpack it yourself (tar --ignore-zeros), or pack it anew"
                )


@contextmanager
def _tar_errors(name: str, member: str | None = None) -> Iterator[None]:
    """Turn what tarfile and the decompressors raise over bad bytes into one sentence with the archive's name."""
    where = f" in {member}" if member else ""
    try:
        yield
    except ArchiveError as error:
        if str(error).startswith(name):
            raise
        raise ArchiveError(f"{name}: {error}") from error
    except TintypeError:
        raise
    except (EOFError, tarfile.ReadError) as error:
        raise ArchiveError(f"{name} was cut off or is broken{where} ({error})") from error
    except (tarfile.TarError, zlib.error, LZMAError, OSError, ValueError, ArithmeticError, RecursionError) as error:
        raise ArchiveError(f"{name} is broken{where} ({type(error).__name__}: {error})") from error
