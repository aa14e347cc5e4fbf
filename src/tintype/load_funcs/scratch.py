"""Memory that a thread uses again for each image: fresh megabytes cost a page fault every 4 kB, a tenth of a resize."""

from __future__ import annotations

import threading
from typing import IO, TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_FILE_BYTES = 4 << 20
MAX_PIXEL_BYTES = 32 << 20
"""What a thread keeps at most; larger files and images have memory of their own."""


class _Scratch(threading.local):
    file: bytearray | None = None
    pixels: NDArray[np.uint8] | None = None


_scratch = _Scratch()


def read_whole(file: IO[bytes], size_bytes: int) -> bytes | memoryview:
    """Return what is left in a file. Good until this thread reads the next one.

    Parameters
    ----------
    file
        Open, and not buffered.
    size_bytes
        How much there should be.
    """
    # One byte more than there should be is asked for, so that a file that has grown is seen.
    room = room_for_file(size_bytes + 1)
    if room is None:
        return file.read()
    n_read = 0
    while n := file.readinto(room[n_read:]):  # type: ignore[attr-defined] # of a raw file
        n_read += n
        if n_read > size_bytes:
            return bytes(room[:n_read]) + file.read()
    return room[:n_read]


def room_for_file(size_bytes: int) -> memoryview | None:
    """Return memory for the bytes of a file, good until this thread asks again; None when it is too much to keep."""
    if size_bytes > MAX_FILE_BYTES:
        return None
    if _scratch.file is None or len(_scratch.file) < size_bytes:
        _scratch.file = bytearray(size_bytes + (size_bytes >> 2))
    return memoryview(_scratch.file)[:size_bytes]


def pixels_for(n_bytes: int) -> NDArray[np.uint8] | None:
    """Return memory for pixels, good until this thread asks again; None when it is too much to keep."""
    if n_bytes > MAX_PIXEL_BYTES:
        return None
    if _scratch.pixels is None or len(_scratch.pixels) < n_bytes:
        _scratch.pixels = np.empty(n_bytes, np.uint8)
    return _scratch.pixels
