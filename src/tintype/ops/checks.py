"""The one check of what is called an image, for ops and for write functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tintype.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHANNELS = (1, 3, 4)
"""Lengths that the third side of an image may have: gray, RGB, RGBA."""


def check_image(image: object, *, action: str, dtypes: tuple[str, ...]) -> NDArray[Any]:
    """Return the image, after a look at its type, shape and dtype.

    Parameters
    ----------
    image
        What should be an array of shape (rows, columns) or (rows, columns, channels). Not modified.
    action
        What was to be done, for the message: ``"resize"``.
    dtypes
        The dtypes that will do, the usual one first.

    Raises
    ------
    ImageError
        When it is not an array, has no pixels, or has another shape or dtype.

    Examples
    --------
    >>> check_image(np.zeros((4, 0)), action="resize", dtypes=("uint8",))
    Traceback (most recent call last):
    tintype.errors.ImageError: cannot resize a float64 array of shape (4, 0): it has no pixels
    """
    if not isinstance(image, np.ndarray):
        raise ImageError(f"cannot {action} {type(image).__name__}: give a NumPy array, such as np.asarray(image)")
    subject = f"cannot {action} a {image.dtype} array of shape {image.shape}"
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in CHANNELS):
        raise ImageError(f"{subject}: give (rows, columns), or (rows, columns, channels) with 1, 3 or 4 channels")
    if image.size == 0:
        raise ImageError(f"{subject}: it has no pixels")
    if image.dtype.name not in dtypes:
        raise ImageError(f"{subject}: give {' or '.join(dtypes)}, for example with skimage.util.img_as_ubyte(image)")
    return image
