"""Writing an image as a file, in the format that its extension names."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

from tintype.errors import ImageError, SettingsError
from tintype.ops.checks import check_image
from tintype.write_funcs.files import write_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}
"""Pillow's name of the format for each extension."""

PILLOW_MODES = ("L", "RGB", "RGBA")


def write_image(
    image: NDArray[np.uint8] | Image.Image,
    path: str | os.PathLike[str],
    *,
    quality: int = 95,
    compress_level: int = 1,
) -> None:
    """Write an image to a file, in the format that the extension of the path names.

    PNG is exact. JPEG (with 4:2:0 chroma subsampling) and WebP (lossy) are not, and WebP has no gray: it reads back as
    RGB. The image is encoded in memory first, then written as :func:`tintype.write_funcs.write_bytes` does.

    Parameters
    ----------
    image
        uint8 array of shape (rows, columns) or (rows, columns, channels), with 1 channel for gray, 3 for RGB or 4 for
        RGBA; or a Pillow image of mode L, RGB or RGBA. Not modified.
    path
        Where to write: .jpg, .jpeg, .png or .webp, in either case. Missing parent folders are made; a file or link that
        has the name is replaced.
    quality
        Of JPEG and WebP: 1 (small) to 100 (good).
    compress_level
        Of PNG: 0 (none) to 9 (slow). On photographs 1 is three times quicker than 6, Pillow's own default, and writes
        files that are a tenth larger.

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
    options = read_options(FORMATS[extension.lower()], quality, compress_level)
    write_bytes(encode(to_pillow(image, name), name, options), path)


def read_options(format_name: str, quality: int, compress_level: int) -> dict[str, Any]:
    """Return Pillow's options for a format, and check both numbers whichever of them it uses."""
    if quality not in range(1, 101):
        raise SettingsError(f"write_image got quality={quality!r}: give a whole number from 1 to 100")
    if compress_level not in range(10):
        raise SettingsError(f"write_image got compress_level={compress_level!r}: give a whole number from 0 to 9")
    if format_name == "JPEG":
        return {"format": format_name, "quality": quality, "subsampling": "4:2:0"}
    if format_name == "PNG":
        return {"format": format_name, "compress_level": compress_level}
    return {"format": format_name, "quality": quality}


def to_pillow(image: object, name: str) -> Image.Image:
    """Return an image that Pillow can encode, after a look at what it is."""
    from PIL import Image

    if not isinstance(image, Image.Image):
        array = check_image(image, action=f"write {name} from", dtypes=("uint8",))
        return Image.fromarray(array[..., 0] if array.shape[2:] == (1,) else array)
    if image.mode not in PILLOW_MODES:
        raise ImageError(
            f"cannot write {name} from a Pillow image of mode {image.mode}: give one of {', '.join(PILLOW_MODES)}, for "
            "example with image.convert('RGB')"
        )
    if 0 in image.size:
        raise ImageError(f"cannot write {name} from a Pillow image of size {image.size}: it has no pixels")
    return image


def encode(image: Image.Image, name: str, options: dict[str, Any]) -> memoryview:
    """Return the bytes of an image file."""
    if options["format"] == "JPEG" and image.mode == "RGBA":
        raise ImageError(f"cannot write {name}: JPEG has no alpha channel, so write .png or .webp, or drop it")
    buffer = io.BytesIO()
    try:
        image.save(buffer, **options)
    except (OSError, ValueError, OverflowError) as error:
        columns, rows = image.size
        raise ImageError(
            f"cannot write {name} as {options['format']} from {rows} x {columns} pixels: {error}"
        ) from error
    return buffer.getbuffer()
