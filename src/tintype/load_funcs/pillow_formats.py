"""Decoding an image with Pillow: every format but the usual JPEGs, whole or not at all."""

from __future__ import annotations

import struct
from typing import IO, TYPE_CHECKING

import numpy as np
from PIL import Image, ImageCms, ImageFile

from tintype.errors import ImageError, ImageTooLargeError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

PROGRAMS = frozenset({"EPS"})
"""Formats that are not read, because to decode one is to run it: PostScript."""

KNOWN_MODES = ("L", "RGB", "RGBA")
"""Pillow's names for the three kinds of array that are returned."""

CONVERSIONS = {"1": "L", "P": "RGB", "CMYK": "RGB", "YCbCr": "RGB", "HSV": "RGB", "RGBX": "RGB"}
"""Pillow's other modes without transparency, and what each becomes."""

EXIF_ORIENTATION = 0x0112

UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What brings an image with this EXIF orientation upright."""


def refuse_to_pad(name: str) -> None:
    """Refuse to decode while Pillow is told to fill up truncated files with gray."""
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise SettingsError(
            f"PIL.ImageFile.LOAD_TRUNCATED_IMAGES is set, so that {name} would load as a whole image even if it is "
            "truncated: set it to False"
        )


def refuse_too_large(width: int, height: int, name: str, max_pixels: int) -> None:
    """Refuse an image with more pixels than the limit."""
    if width * height > max_pixels:
        raise ImageTooLargeError(
            f"{name} has {height:,} x {width:,} = {width * height:,} pixels, and the limit is {max_pixels:,}: "
            "leave it out, or raise max_pixels (for stages: max_image_pixels in [tintype])"
        )


def decode_with_pillow(file: IO[bytes], name: str, max_pixels: int, size_bytes: int) -> NDArray[np.uint8]:
    """Return the first frame in an open file, upright; whatever is wrong with its bytes is an ImageError."""
    try:
        return decode(file, name, max_pixels)
    except (ImageError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise ImageTooLargeError(
            f"{name} is larger than Pillow allows ({error}): leave it out, or raise PIL.Image.MAX_IMAGE_PIXELS "
            "and max_pixels"
        ) from error
    except Exception as error:  # decoders meet bad bytes with errors of every type
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk failed, not the decoder
        raise ImageError(
            f"{name} ({size_bytes:,} bytes) cannot be decoded: {str(error) or type(error).__name__}; "
            "fetch it again or leave it out"
        ) from error


def decode(file: IO[bytes], name: str, max_pixels: int) -> NDArray[np.uint8]:
    """Decode the first frame in an open file; `name` is for messages. Raises whatever the decoder raises."""
    image = open_image(file, name)
    refuse_too_large(*image.size, name, max_pixels)
    image.load()
    refuse_too_large(*image.size, name, max_pixels)  # some headers lie about their frames
    turn = UPRIGHT.get(read_orientation(image))
    image_read = to_known_mode(image, name)
    return np.array(image_read if turn is None else image_read.transpose(turn))


def open_image(file: IO[bytes], name: str) -> ImageFile.ImageFile:
    """Read the header of an image, like ``PIL.Image.open`` but without Pillow's own limits.

    Those are set for all threads at once. They would warn about images below our limit, and refuse them below a higher
    one.
    """
    prefix = file.read(16)
    if not prefix:
        raise ImageError(f"{name} is empty (0 bytes): fetch it again or leave it out")
    reasons = []
    for format_name in list_formats():
        factory, accept = Image.OPEN[format_name]
        accepted = accept is None or accept(prefix)
        if isinstance(accepted, str):
            reasons.append(accepted)
        elif accepted:
            file.seek(0)
            try:
                return factory(file, "")
            except (SyntaxError, IndexError, TypeError, struct.error) as error:
                # What Pillow takes for "not this format". One that asks for no prefix is tried on everything.
                if accept is not None:
                    reasons.append(f"{format_name}: {error}")
    because = "; ".join([f"it begins with {prefix!r}", *reasons])
    raise ImageError(f"{name} is no image that can be read ({because}): fetch it again or leave it out")


def list_formats() -> Iterator[str]:
    """Yield the names of Pillow's formats, common ones first; the others are imported when they are asked for."""
    seen = set(PROGRAMS)
    for import_plugins in (Image.preinit, Image.init):
        import_plugins()
        formats = [format_name for format_name in Image.ID if format_name not in seen]
        seen.update(formats)
        yield from formats


def read_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 when there is none or when it cannot be read: then the pixels still can."""
    try:
        return int(image.getexif().get(EXIF_ORIENTATION, 1))
    except (SyntaxError, ValueError, LookupError, TypeError, ArithmeticError, OSError, EOFError, struct.error):
        return 1


def to_known_mode(image: Image.Image, name: str) -> Image.Image:
    """Convert an image to gray, RGB or RGBA with 8 bits a channel."""
    if image.mode.startswith("I"):
        return drop_low_byte(image, name)
    if image.mode == "La":
        image = image.convert("LA")
    if image.has_transparency_data:
        return image if image.mode == "RGBA" else image.convert("RGBA")
    if image.mode in KNOWN_MODES:
        return image
    if image.mode == "LAB":
        return convert_lab(image)
    if image.mode not in CONVERSIONS:
        raise ImageError(
            f"{name} holds pixels of Pillow's mode {image.mode}, which are no colours from 0 to 255: write a load "
            "function that scales them"
        )
    return image.convert(CONVERSIONS[image.mode])


def drop_low_byte(image: Image.Image, name: str) -> Image.Image:
    """Scale gray of 16 bits, which may be stored in 32, to 8 bits."""
    values = np.asarray(image)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise ImageError(
            f"{name} holds integers from {low} to {high}, which are no 16-bit gray (0 to 65535): write a load function "
            "that scales them"
        )
    return Image.fromarray((values >> 8).astype(np.uint8))


def convert_lab(image: Image.Image) -> Image.Image:
    """Convert CIE L*a*b* to sRGB, which Pillow leaves to its colour management."""
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    assert converted is not None  # None is for conversions in place
    return converted
