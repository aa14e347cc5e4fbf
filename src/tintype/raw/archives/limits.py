"""What an archive may grow to, and the meter that stops it there."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, BinaryIO

from tintype.errors import ArchiveError

ByteSource = BinaryIO | io.RawIOBase
"""What an archive's bytes are read from, in order and once."""

RATIO_FROM_BYTES = 64 * 2**20
"""Unpacked bytes from which on the ratio counts: a small archive may be one long run of zeros."""
MAX_HEADER_BYTES = 4 * 2**20
"""Bytes that the headers of one member may take: tarfile holds them in memory."""


@dataclass(frozen=True)
class ArchiveLimits:
    """What an archive may grow to."""

    max_members: int = 10_000_000
    max_total_bytes: int = 2**40
    """Unpacked, all members together; 1 TiB."""
    max_ratio: float = 1000.0
    """Unpacked bytes for each byte of the archive; counts from 64 MiB unpacked on."""


class Meter:
    """Count what comes out of an archive, and stop it at the limits; ArchiveError.

    Parameters
    ----------
    name
        Of the archive, as a message names it.
    limits
        What it may grow to.
    """

    def __init__(self, name: str, limits: ArchiveLimits) -> None:
        self.name = name
        self.limits = limits
        self.n_members = 0
        self.n_packed = 0
        """Bytes of the archive that were read."""
        self.n_unpacked = 0
        self._max_before_member: int | None = None

    def count_member(self) -> None:
        """Count one member, of any kind."""
        self.n_members += 1
        if self.n_members > self.limits.max_members:
            raise ArchiveError(
                f"{self.name} has more than max_members={self.limits.max_members:,} members: "
                "raise the limit if that is right"
            )

    def count_unpacked(self, n_bytes: int) -> None:
        """Count bytes that came out."""
        self.n_unpacked += n_bytes
        if self._max_before_member is not None and self.n_unpacked > self._max_before_member:
            raise ArchiveError(
                f"{self.name} is broken or made to do harm: the headers of member {self.n_members + 1:,} take more "
                f"than {MAX_HEADER_BYTES:,} bytes"
            )
        if self.n_unpacked > self.limits.max_total_bytes:
            raise ArchiveError(
                f"{self.name} unpacks to more than max_total_bytes={self.limits.max_total_bytes:,}: "
                "raise the limit if that is right"
            )
        if self.n_unpacked > max(RATIO_FROM_BYTES, self.limits.max_ratio * self.n_packed):
            raise ArchiveError(
                f"{self.name} is like a bomb: {self.n_packed:,} bytes of it unpacked to {self.n_unpacked:,}, more than "
                f"max_ratio={self.limits.max_ratio:g} times as many: raise the limit if that is right"
            )

    def expect_member(self, n_rest: int) -> None:
        """Note that headers come next, after `n_rest` bytes of the member before."""
        self._max_before_member = self.n_unpacked + n_rest + MAX_HEADER_BYTES

    def expect_data(self) -> None:
        """Note that the headers of a member have been read."""
        self._max_before_member = None


class PackedStream(io.RawIOBase):
    """The bytes of an archive on their way in, counted."""

    def __init__(self, stream: ByteSource, meter: Meter) -> None:
        self._stream = stream
        self._meter = meter

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes; 0 at the end."""
        data = self._stream.read(len(buffer)) or b""
        buffer[: len(data)] = data
        self._meter.n_packed += len(data)
        return len(data)


class UnpackedStream:
    """The bytes that come out of a decompressor, counted; what tarfile reads from."""

    def __init__(self, stream: Any, meter: Meter) -> None:
        self._stream = stream
        self._meter = meter

    def read(self, n_bytes: int) -> bytes:
        """Return up to `n_bytes` bytes; none at the end."""
        data = bytes(self._stream.read(n_bytes))
        self._meter.count_unpacked(len(data))
        return data
