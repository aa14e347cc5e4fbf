"""Loading an image file as an array, whole or not at all."""

from __future__ import annotations

import io
import operator
import os
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, NamedTuple

from tintype.errors import SettingsError
from tintype.load_funcs.jpeg import NO_MARGINS, START, Margins, decode_jpeg, read_header
from tintype.load_funcs.pillow_formats import decode_with_pillow, refuse_to_pad, refuse_too_large
from tintype.load_funcs.scratch import read_whole
from tintype.ops.tone import to_grayscale
from tintype.settings import DEFAULT_MAX_IMAGE_PIXELS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


TargetSize = tuple[int, int] | Callable[[int, int], tuple[int, int]]
"""(width, height) in pixels, or a function that is given those of the whole image, upright, and returns such a pair."""

MAX_JPEG_BYTES = 2**28
"""Larger files are not read into memory as a whole, but left to Pillow."""


class DecodedImage(NamedTuple):
    """An image that may have been decoded at a reduced scale."""

    pixels: NDArray[np.uint8]
    """Shape (rows, columns), (rows, columns, 3) or (rows, columns, 4)."""
    full_size: tuple[int, int]
    """(width, height) in pixels of the whole image, upright."""


def load_image(
    path: str | os.PathLike[str],
    *,
    max_pixels: int = DEFAULT_MAX_IMAGE_PIXELS,
    target_size: TargetSize | None = None,
    gray: bool = False,
) -> NDArray[np.uint8]:
    """Return the image in a file.

    Reads every format that Pillow can, told by content and not by extension, except PostScript, which would have to
    be run. Animations and stacks give their first frame. An EXIF orientation is applied; colour profiles are not.

    Images without colour become gray, 1-bit ones with 0 and 255. 16-bit gray is scaled to 8 bits by dropping the low
    byte. Palette, CMYK, YCbCr, LAB and HSV images become RGB. Images with transparency become RGBA.

    Safe to call from many threads at once.

    Parameters
    ----------
    path
        The file.
    max_pixels
        Images with more pixels (rows times columns) are errors, found before anything is decoded. This limit holds
        in place of Pillow's own; only some of its decoders, such as those of WebP and TIFF, obey that one too.
    target_size
        A hint that a smaller image will do: its (width, height) in pixels, or a function that is called with the
        width and height of the upright image and returns them. A JPEG is then decoded at the smallest of 1/8, 1/4
        and 1/2 of its size at which neither side is below the one wanted, which is quicker. So the result may have
        any size between the wanted and the full one; images in other formats come in full. For an image of exactly
        that size, see :func:`load_resized_image`.
    gray
        Whether to make a coloured image gray, as :func:`tintype.ops.to_grayscale` does. Of a JPEG the luminance alone
        is decoded, in two thirds of the time; it differs by 1 or 2 from what is computed from the colours, and by a
        few more where those are clipped.

    Returns
    -------
    numpy.ndarray
        uint8, 0 to 255, C-contiguous; shape (rows, columns) for gray, (rows, columns, 3) for RGB or
        (rows, columns, 4) for RGBA.

    Raises
    ------
    FileNotFoundError
        When there is no such file; other OSErrors when the disk cannot read it.
    ImageTooLargeError
        When the image has more than `max_pixels` pixels. A ValueError.
    ImageError
        When the file is empty, damaged, no image, or truncated before its last pixel; or holds numbers that are no
        colours: floats, or integers beyond 16 bits. A ValueError.
    SettingsError
        When `target_size` is no size; or ``PIL.ImageFile.LOAD_TRUNCATED_IMAGES`` is set: then nobody can tell a
        truncated file from a whole one.

    Examples
    --------
    >>> from pathlib import Path
    >>> import skimage
    >>> from tintype.load_funcs import load_image
    >>> folder = Path(skimage.__file__).parent / "data"
    >>> image = load_image(folder / "astronaut.png")
    >>> image.shape, image.dtype
    ((512, 512, 3), dtype('uint8'))
    >>> load_image(folder / "retina.jpg", target_size=(300, 300)).shape  # of 1411 x 1411 pixels
    (353, 353, 3)
    """
    return load_at_least(path, max_pixels=max_pixels, target_size=target_size, gray=gray).pixels


def decode_image(
    data: bytes,
    name: str = "the image",
    *,
    max_pixels: int = DEFAULT_MAX_IMAGE_PIXELS,
    target_size: TargetSize | None = None,
    gray: bool = False,
) -> NDArray[np.uint8]:
    r"""Return the image in the bytes of a file, as :func:`load_image` does.

    Parameters
    ----------
    data
        The whole file.
    name
        What messages call it: its path or URL.
    max_pixels
        Images with more pixels (rows times columns) are errors.
    target_size
        A hint that a smaller image will do, as for :func:`load_image`.
    gray
        Whether to make a coloured image gray, as for :func:`load_image`.

    Returns
    -------
    numpy.ndarray
        uint8, 0 to 255, of shape (rows, columns), (rows, columns, 3) or (rows, columns, 4).

    Raises
    ------
    ImageError
        When the bytes are no whole image; ImageTooLargeError when it has too many pixels.
    SettingsError
        As for :func:`load_image`.

    Examples
    --------
    >>> from tintype.load_funcs import decode_image
    >>> decode_image(b"P5 2 1 255 \x00\xff")
    array([[  0, 255]], dtype=uint8)
    """
    return decode_at_least(data, name, max_pixels=max_pixels, target_size=target_size, gray=gray).pixels


def load_at_least(
    path: str | os.PathLike[str],
    *,
    max_pixels: int,
    target_size: TargetSize | None = None,
    margins: Margins = NO_MARGINS,
    in_scratch: bool = False,
    gray: bool = False,
) -> DecodedImage:
    """Return the image in a file, perhaps reduced, with its full size."""
    name = os.fspath(path)
    with open(path, "rb", buffering=0) as file:
        size_bytes = os.fstat(file.fileno()).st_size
        if size_bytes <= MAX_JPEG_BYTES and file.read(len(START)) == START:
            file.seek(0)
            return decode_at_least(
                read_whole(file, size_bytes),
                name,
                max_pixels=max_pixels,
                target_size=target_size,
                margins=margins,
                in_scratch=in_scratch,
                gray=gray,
            )
        file.seek(0)
        with io.BufferedReader(file) as buffered:
            return decode_in_full(buffered, name, max_pixels, size_bytes, target_size, gray=gray)


def decode_at_least(
    data: bytes | memoryview,
    name: str,
    *,
    max_pixels: int,
    target_size: TargetSize | None = None,
    margins: Margins = NO_MARGINS,
    in_scratch: bool = False,
    gray: bool = False,
) -> DecodedImage:
    """Return the image in the bytes of a file, perhaps reduced, with its full size."""
    header = read_header(data)
    if header is not None:
        refuse_to_pad(name)
        refuse_too_large(*header.stored_size, name, max_pixels)
        wanted = None if target_size is None else read_target_size(target_size, header.full_size)
        pixels = decode_jpeg(data, header, name, wanted, margins, in_scratch=in_scratch, gray=gray)
        if pixels is not None:
            return DecodedImage(pixels, header.full_size)
    return decode_in_full(io.BytesIO(data), name, max_pixels, len(data), target_size, gray=gray)


def decode_in_full(
    file: IO[bytes], name: str, max_pixels: int, size_bytes: int, target_size: TargetSize | None, *, gray: bool
) -> DecodedImage:
    """Return the whole image in an open file."""
    refuse_to_pad(name)
    pixels = decode_with_pillow(file, name, max_pixels, size_bytes)
    height, width = pixels.shape[:2]
    if target_size is not None:
        read_target_size(target_size, (width, height))
    return DecodedImage(to_grayscale(pixels) if gray and pixels.ndim == 3 else pixels, (width, height))


def read_target_size(target_size: TargetSize, full_size: tuple[int, int]) -> tuple[int, int]:
    """Return the wanted (width, height) of an image, or say why it is none."""
    wanted = target_size(*full_size) if callable(target_size) else target_size
    try:
        width, height = wanted
        width, height = operator.index(width), operator.index(height)
    except (TypeError, ValueError):
        width = height = 0
    if width < 1 or height < 1:
        raise SettingsError(
            f"target_size={target_size!r} makes {wanted!r} of an image of {full_size!r}: give (width, height), whole "
            "numbers of pixels, at least 1"
        )
    return width, height
