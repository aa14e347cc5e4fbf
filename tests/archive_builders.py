"""Archives for tests: good, broken and hostile ones, made on the spot."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterable

FILES = {"cats/1.txt": b"one", "cats/2.txt": b"two" * 1000, "dogs/deep/3.txt": b"three", "top.txt": b""}

Entry = tuple[str, bytes]


def tar_header(name: str | bytes, size: int = 0, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    """Return one old-style header, with any bytes for a name and any size."""
    raw_name = name if isinstance(name, bytes) else name.encode()
    header = bytearray(512)
    header[: len(raw_name)] = raw_name
    header[100:108] = b"0000644\0"
    header[108:116] = header[116:124] = b"0000000\0"
    header[124:136] = b"%011o\0" % size
    header[136:148] = b"%011o\0" % 0
    header[148:156] = b" " * 8
    header[156:157] = kind
    header[157 : 157 + len(link)] = link.encode()
    header[257:265] = b"ustar\x0000"
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def tar_entry(name: str | bytes, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    """Return a header with its data, padded."""
    return tar_header(name, len(data), kind, link) + data + bytes(-len(data) % 512)


TAR_END = bytes(1024)


def make_tar(files: Iterable[Entry] | None = None, extra: bytes = b"") -> bytes:
    """Return a tar of files, then raw entries, then the end mark."""
    entries = FILES.items() if files is None else files
    return b"".join(tar_entry(name, data) for name, data in entries) + extra + TAR_END


def pax_tar(path: str, data: bytes = b"data") -> bytes:
    """Return a tar whose one member has its name in an extended header, where it may be anything."""
    record = f" path={path}\n".encode("utf-8", "surrogateescape")
    length = len(record) + 1
    while len(str(length)) + len(record) != length:
        length += 1
    return tar_entry("pax", str(length).encode() + record, tarfile.XHDTYPE) + tar_entry("short", data) + TAR_END


def compress(data: bytes, kind: str) -> bytes:
    """Return data as gz, bz2, xz, zst, or as it is."""
    if kind == "zst":
        import zstandard

        return zstandard.ZstdCompressor(write_content_size=False).compress(data)
    packers: dict[str, Callable[[bytes], bytes]] = {
        "plain": bytes,
        "gz": gzip.compress,
        "bz2": bz2.compress,
        "xz": lzma.compress,
    }
    return packers[kind](data)


def make_zip(entries: Iterable[tuple[str | zipfile.ZipInfo, bytes]] | None = None) -> bytes:
    """Return a zip, each member deflated."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for info, data in FILES.items() if entries is None else entries:
            archive.writestr(info, data)
    return file.getvalue()


def zip_special(name: str, mode: int, data: bytes = b"/etc/passwd") -> tuple[zipfile.ZipInfo, bytes]:
    """Return a zip entry that is a link or a device, made on Unix."""
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (mode | 0o644) << 16
    return info, data


def zip_link(name: str) -> tuple[zipfile.ZipInfo, bytes]:
    return zip_special(name, stat.S_IFLNK)


def rename_in_zip(data: bytes, old: bytes, new: bytes, flags: int | None = None) -> bytes:
    """Return a zip whose member has another name of the same length, which zipfile would not write."""
    assert len(old) == len(new)
    data = data.replace(old, new)
    if flags is not None:
        for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            place = data.find(signature)
            data = data[: place + offset] + struct.pack("<H", flags) + data[place + offset + 2 :]
    return data
