"""Decoding the usual JPEGs with libjpeg-turbo, at a reduced scale where that is enough."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from tintype.errors import ImageError
from tintype.load_funcs.exif import find_orientation
from tintype.load_funcs.scratch import pixels_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

START = b"\xff\xd8\xff"
START_OF_SCAN = 0xDA
APP1 = 0xE1
FRAMES = frozenset({0xC0, 0xC1, 0xC2})
"""Baseline, extended and progressive, with Huffman coding."""
PASSED_OVER = frozenset({0xC4, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0)})
"""Tables, comments and application data, which need not be looked at."""
FRAME = struct.Struct(">BHHB")
"""Bits of a sample, rows, columns, channels."""

Margins = Mapping[int, float]
NO_MARGINS: Margins = {1: 1.0, 2: 1.0, 4: 1.0}
"""Reduced scales that pay, in eighths, smallest first. 5/8, 6/8 and 7/8 cost more than the full one; 3/8 costs little
less than 1/2, and is 1 to 2 dB PSNR worse once it is resized."""

PADDED = "premature end of data segment"
"""What libjpeg says of a scan that ended early, before it fills up the image."""

UPRIGHT: dict[int, Callable[[NDArray[np.void]], NDArray[np.void]]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.T,
    6: lambda pixels: pixels[::-1].T,
    7: lambda pixels: pixels[::-1, ::-1].T,
    8: lambda pixels: pixels.T[::-1],
}
"""What brings an array of whole pixels with this EXIF orientation upright."""


class JpegHeader(NamedTuple):
    """What the segments before the first scan say."""

    stored_size: tuple[int, int]
    """(width, height) in pixels, as stored."""
    colour: Literal["GRAY", "RGB"]
    orientation: int
    """EXIF's, 1 to 8."""

    @property
    def full_size(self) -> tuple[int, int]:
        """(width, height) in pixels of the whole image, upright."""
        width, height = self.stored_size
        return (height, width) if self.orientation >= 5 else (width, height)


def read_header(data: bytes | memoryview) -> JpegHeader | None:
    """Return the header of a JPEG with 8 bits a channel that is gray, YCbCr or RGB.

    Parameters
    ----------
    data
        A whole file.

    Returns
    -------
    JpegHeader or None
        None when it is another file, a JPEG of another kind or a damaged one: all those are Pillow's.

    Examples
    --------
    >>> read_header(b"GIF89a") is None
    True
    """
    if data[: len(START)] != START:
        return None
    try:
        return walk_segments(data)
    except (IndexError, struct.error):  # it ends too early
        return None


def walk_segments(data: bytes | memoryview) -> JpegHeader | None:
    """Read the segments up to the first scan. Raises IndexError or struct.error beyond the end."""
    frame, app1 = None, []
    position = 2
    while data[position] == 0xFF:
        marker = data[position + 1]
        size_bytes = data[position + 2] << 8 | data[position + 3]
        if marker == START_OF_SCAN:
            break
        if marker in FRAMES and frame is None:
            frame = FRAME.unpack_from(data, position + 4)
        elif marker == APP1:
            app1.append(bytes(data[position + 4 : position + 2 + size_bytes]))
        elif marker not in PASSED_OVER or size_bytes < 2:
            return None
        position += 2 + size_bytes
    else:
        return None
    if frame is None:
        return None
    n_bits, height, width, n_channels = frame
    orientation = find_orientation(app1) if app1 else 1
    if n_bits != 8 or n_channels not in (1, 3) or not width or not height or orientation is None:
        return None
    return JpegHeader((width, height), "GRAY" if n_channels == 1 else "RGB", orientation)


def decode_jpeg(
    data: bytes | memoryview,
    header: JpegHeader,
    name: str,
    wanted: tuple[int, int] | None,
    margins: Margins = NO_MARGINS,
    *,
    in_scratch: bool = False,
    gray: bool = False,
) -> NDArray[np.uint8] | None:
    """Return the pixels of a JPEG, upright, at the smallest scale that is not below the wanted size.

    Parameters
    ----------
    data
        The whole file.
    header
        What :func:`read_header` said of it.
    name
        What messages call it.
    wanted
        (width, height) of the upright image, in pixels, which the result must not be below; None for the full size.
    margins
        How many times the wanted size each reduced scale has to leave, by its eighths.
    in_scratch
        Whether the pixels may lie in memory that this thread uses again for the next image.
    gray
        Whether to decode the luminance alone, of a coloured one too.

    Returns
    -------
    numpy.ndarray or None
        uint8, shape (rows, columns) or (rows, columns, 3), C-contiguous. None when libjpeg-turbo is not content with
        the file: then Pillow decides, which also takes what is only odd.

    Raises
    ------
    ImageError
        When the image is truncated: pixels would be made up.
    """
    import simplejpeg

    eighths = 8 if wanted is None else choose_eighths(header.full_size, wanted, margins)
    width, height = header.stored_size
    columns, rows = scale(width, eighths), scale(height, eighths)
    colour = "GRAY" if gray else header.colour
    try:
        buffer = pixels_for(rows * columns * (1 if colour == "GRAY" else 3)) if in_scratch else None
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
            data, colour, min_height=rows, min_width=columns, buffer=buffer
        )
    except (ValueError, RuntimeError) as error:
        if PADDED not in str(error):
            return None
        raise ImageError(
            f"{name} ({len(data):,} bytes) cannot be decoded: image file is truncated ({error}); "
            "fetch it again or leave it out"
        ) from error
    if header.orientation != 1:
        pixels = bring_upright(pixels, header.orientation)
    return pixels[..., 0] if colour == "GRAY" else pixels


def choose_eighths(full_size: tuple[int, int], wanted: tuple[int, int], margins: Margins = NO_MARGINS) -> int:
    """Return the smallest scale, in eighths, at which neither side is below the wanted one with its margin.

    Examples
    --------
    >>> choose_eighths((1024, 768), (224, 224)), choose_eighths((1024, 768), (600, 10))
    (4, 8)
    >>> choose_eighths((1024, 768), (224, 224), {1: 1.5, 2: 1.5, 4: 2.0})
    8
    """
    width, height = full_size
    least_width, least_height = wanted
    for eighths, margin in margins.items():
        if scale(width, eighths) >= margin * least_width and scale(height, eighths) >= margin * least_height:
            return eighths
    return 8


def scale(side: int, eighths: int) -> int:
    """Return the length in pixels that libjpeg gives a side at a scale: rounded up."""
    return (side * eighths + 7) // 8


def bring_upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Return a copy of an image of shape (rows, columns, channels) that is turned or mirrored as EXIF says."""
    n_channels = pixels.shape[2]
    whole = pixels.view(np.dtype((np.void, n_channels)))[..., 0]  # twice as quick as channel by channel
    turned = np.ascontiguousarray(UPRIGHT[orientation](whole))
    return turned.view(np.uint8).reshape(*turned.shape, n_channels)
