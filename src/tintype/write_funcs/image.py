"""Writing an image as a file, in the format that its extension names."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from tintype.errors import ImageError, SettingsError
from tintype.ops.checks import check_image
from tintype.write_funcs.files import write_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP"}
"""Pillow's name of the format for each extension."""

PILLOW_MODES = ("L", "RGB", "RGBA")

ZLIB_RLE = 3
"""zlib's strategy that looks for repeated bytes only."""
FLAT = 2 / 3
"""From here on an image is a drawing: this part of its values are those of the pixel to the left. Photographs stay
below, up to 0.5; the two strategies of zlib are alike between."""
N_ROWS_LOOKED_AT = 32

LZW_WITH_DIFFERENCES = {"compression": "tiff_lzw", "tiffinfo": {317: 2}}
"""Every reader of TIFF knows it. On photographs of 224 x 224, LZW without differences is 1.4 times as large, and
deflate with them 0.9 times, which takes three times as long."""


def write_image(
    image: NDArray[np.uint8] | Image.Image,
    path: str | os.PathLike[str],
    *,
    quality: int = 95,
    compress_level: int | None = None,
) -> None:
    """Write an image to a file, in the format that the extension of the path names.

    PNG and TIFF (compressed by LZW, with differences) are exact. JPEG (with 4:2:0 chroma subsampling, and below quality
    96 with libjpeg's quick transform, which at 95 costs 0.2 dB PSNR, of gray images 0.8) and WebP (lossy) are not, and
    WebP has no gray: it reads back as RGB. The image is encoded in memory first, then written as
    :func:`tintype.write_funcs.write_bytes` does.

    Parameters
    ----------
    image
        uint8 array of shape (rows, columns) or (rows, columns, channels), with 1 channel for gray, 3 for RGB or 4 for
        RGBA; or a Pillow image of mode L, RGB or RGBA. Not modified.
    path
        Where to write: .jpg, .jpeg, .png, .tif, .tiff or .webp, in either case. Missing parent folders are made; a file
        or link that has the name is replaced.
    quality
        Of JPEG and WebP: 1 (small) to 100 (good).
    compress_level
        Of PNG: 0 (none) to 9 (slow), as zlib counts. None takes what suits the image: photographs are written four
        times as quickly as by Pillow's own default, and at most a tenth larger; drawings and screenshots, with large
        areas of one colour, as by that default.

    Raises
    ------
    ImageError
        When the extension is unknown, or the image has no pixels, or another shape, dtype or mode, or does not fit the
        format: JPEG has no alpha channel, and JPEG and WebP have sides of at most 65,500 and 16,383 pixels.
        A ValueError.
    SettingsError
        When `quality` or `compress_level` is out of range. A ValueError.
    OSError
        When the disk refuses. Nothing is left at `path` then.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from tintype.load_funcs import load_image
    >>> from tintype.write_funcs import write_image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_image(np.zeros((40, 60, 3), np.uint8), f"{folder}/new/black.png")
    ...     load_image(f"{folder}/new/black.png").shape
    (40, 60, 3)
    """
    name = os.fspath(path)
    extension = os.path.splitext(name)[1]
    if extension.lower() not in FORMATS:
        raise ImageError(f"cannot write {name}: {extension!r} is none of the extensions {', '.join(FORMATS)}")
    check_options(quality, compress_level)
    array = to_array(image, name)
    format_name = FORMATS[extension.lower()]
    if format_name == "JPEG" and array.ndim == 3:
        data: bytes | memoryview = encode_jpeg(array, name, quality)
    else:
        data = encode_with_pillow(array, name, format_name, choose_options(format_name, array, quality, compress_level))
    write_bytes(data, path)


def check_options(quality: int, compress_level: int | None) -> None:
    """Refuse numbers out of range, whichever of them the format uses."""
    if quality not in range(1, 101):
        raise SettingsError(f"write_image got quality={quality!r}: give a whole number from 1 to 100")
    if compress_level is not None and compress_level not in range(10):
        raise SettingsError(
            f"write_image got compress_level={compress_level!r}: give a whole number from 0 to 9, or None"
        )


def to_array(image: object, name: str) -> NDArray[np.uint8]:
    """Return an image as a C-contiguous array of shape (rows, columns) or with 3 or 4 channels."""
    if not isinstance(image, np.ndarray):
        image = read_pillow(image, name)
    array = check_image(image, action=f"write {name} from", dtypes=("uint8",))
    return np.ascontiguousarray(array[..., 0] if array.shape[2:] == (1,) else array)


def read_pillow(image: object, name: str) -> object:
    """Return a Pillow image as an array; what is none comes back as it is."""
    from PIL import Image

    if not isinstance(image, Image.Image):
        return image
    if image.mode not in PILLOW_MODES:
        raise ImageError(
            f"cannot write {name} from a Pillow image of mode {image.mode}: give one of {', '.join(PILLOW_MODES)}, for "
            "example with image.convert('RGB')"
        )
    if 0 in image.size:
        raise ImageError(f"cannot write {name} from a Pillow image of size {image.size}: it has no pixels")
    return np.asarray(image)


def encode_jpeg(image: NDArray[np.uint8], name: str, quality: int) -> bytes:
    """Return the bytes of a JPEG file in colour; gray is Pillow's, which at a quality of 95 is 0.8 dB nearer."""
    import simplejpeg

    if image.shape[2:] == (4,):
        raise ImageError(f"cannot write {name}: JPEG has no alpha channel, so write .png or .webp, or drop it")
    try:
        data: bytes = simplejpeg.encode_jpeg(image, quality, "RGB", "420")
    except ValueError as error:
        raise cannot_encode(image, name, "JPEG", error) from error
    return data


def choose_options(
    format_name: str, image: NDArray[np.uint8], quality: int, compress_level: int | None
) -> dict[str, Any]:
    """Return Pillow's options for a format."""
    if format_name == "TIFF":
        return LZW_WITH_DIFFERENCES
    if format_name in {"WEBP", "JPEG"}:
        return {"quality": quality}
    if compress_level is not None:
        return {"compress_level": compress_level}
    return {} if is_flat(image) else {"compress_type": ZLIB_RLE}


def is_flat(image: NDArray[np.uint8]) -> bool:
    """Tell whether an image is a drawing and no photograph, by some of its rows."""
    rows = image[:: -(-len(image) // N_ROWS_LOOKED_AT)]
    return rows.shape[1] > 1 and bool((rows[:, 1:] == rows[:, :-1]).mean() > FLAT)


def encode_with_pillow(image: NDArray[np.uint8], name: str, format_name: str, options: dict[str, Any]) -> memoryview:
    """Return the bytes of an image file."""
    from PIL import Image

    buffer = io.BytesIO()
    try:
        Image.fromarray(image).save(buffer, format_name, **options)
    except (OSError, ValueError, OverflowError) as error:
        raise cannot_encode(image, name, format_name, error) from error
    return buffer.getbuffer()


def cannot_encode(image: NDArray[np.uint8], name: str, format_name: str, error: Exception) -> ImageError:
    """Return the error that an encoder's own becomes."""
    rows, columns = image.shape[:2]
    return ImageError(f"cannot write {name} as {format_name} from {rows} x {columns} pixels: {error}")
