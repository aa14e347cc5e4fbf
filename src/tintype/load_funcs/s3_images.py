"""Loading an image from S3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tintype.load_funcs.image import decode_image
from tintype.load_funcs.s3 import load_bytes_from_s3
from tintype.settings import DEFAULT_MAX_IMAGE_PIXELS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tintype.load_funcs.image import TargetSize


def load_image_from_s3(
    url: str, *, max_pixels: int = DEFAULT_MAX_IMAGE_PIXELS, target_size: TargetSize | None = None
) -> NDArray[np.uint8]:
    """Fetch an image from S3, and return it as :func:`load_image` returns one that is in a file.

    Where S3 is and who asks stands in the ``s3_*`` settings of the ``[tintype]`` section. For pipelines: any number
    of threads share the connections of their process.

    Parameters
    ----------
    url
        ``s3://bucket/key``.
    max_pixels
        Images with more pixels (rows times columns) are errors.
    target_size
        A hint that a smaller image will do, as for :func:`load_image`.

    Returns
    -------
    numpy.ndarray
        uint8, 0 to 255, of shape (rows, columns), (rows, columns, 3) or (rows, columns, 4).

    Raises
    ------
    SourceError
        SourceNotFoundError, a FileNotFoundError, when there is no such bucket or object; SourceUnreachableError, a
        ConnectionError, when S3 cannot be asked or the connection breaks again and again.
    ImageError
        When the object is no whole image; ImageTooLargeError when it has too many pixels. Names the URL. A ValueError.
    SettingsError
        When `url` is no such URL. A ValueError.

    Examples
    --------
    >>> from tintype.load_funcs import load_image_from_s3
    >>> load_image_from_s3("photos/cat.jpg")
    Traceback (most recent call last):
        ...
    tintype.errors.SettingsError: 'photos/cat.jpg' names no S3 object: give s3://bucket/key
    """
    return decode_image(load_bytes_from_s3(url), url, max_pixels=max_pixels, target_size=target_size)
