"""Which way up a JPEG is: its EXIF orientation, read without decoding anything else."""

from __future__ import annotations

import struct

EXIF = b"Exif\0\0"
XMP = b"http://ns.adobe.com/xap/1.0/\0"
XMP_ORIENTATION = b"tiff:Orientation"

ORIENTATION = 0x0112
SHORT = 3
BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
"""How a block of EXIF data begins, and its byte order for struct."""
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
"""Bytes of one value of each type."""
ENTRIES = {order: struct.Struct(f"{order}HHII") for order in "<>"}
"""An entry: tag, type, number of values, and the values or where they are."""


def find_orientation(segments: list[bytes]) -> int | None:
    r"""Return the orientation that the APP1 segments of a JPEG give.

    Parameters
    ----------
    segments
        What follows the length of each APP1 segment.

    Returns
    -------
    int or None
        1, upright, when none is given; None for the cases in which readers differ, damaged and unusual ones, where
        Pillow decides.

    Examples
    --------
    >>> find_orientation([b"Exif\0\0" + b"II*\0\x08\0\0\0" + b"\x01\0" + b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"])
    6
    """
    blocks = [segment[len(EXIF) :] for segment in segments if segment.startswith(EXIF)]
    if len(blocks) > 1:
        return None
    orientation = read_exif(blocks[0]) if blocks else 0
    if orientation != 0:
        return orientation
    # Pillow looks into XMP only where EXIF says nothing.
    packets = [segment for segment in segments if segment.startswith(XMP)]
    return None if any(XMP_ORIENTATION in packet for packet in packets) else 1


def read_exif(block: bytes) -> int | None:
    """Return the orientation in a block of EXIF data; 0 when there is none, None when that is for Pillow to say."""
    order = BYTE_ORDERS.get(block[:4])
    if order is None:
        return None
    try:
        return read_directory(block, order)
    except struct.error:  # it ends too early
        return None


def read_directory(block: bytes, order: str) -> int | None:
    """Return the orientation in the first directory of EXIF data. Raises struct.error beyond the end."""
    (start,) = struct.unpack_from(f"{order}I", block, 4)
    (n_entries,) = struct.unpack_from(f"{order}H", block, start)
    entry, size_bytes = ENTRIES[order], 0
    for position in range(start + 2, start + 2 + 12 * n_entries, 12):
        tag, kind, count, value = entry.unpack_from(block, position)
        if tag == ORIENTATION:
            if kind != SHORT or count != 1:
                return None
            (orientation,) = struct.unpack_from(f"{order}H", block, position + 8)
            return orientation if 1 <= orientation <= 8 else 1
        size = count * SIZES.get(kind, 0)
        if size > 4:
            size_bytes += size
            if value + size > len(block) or size_bytes > len(block):
                return None  # Pillow reads no further than a value that is not there
    return 0
