"""Ops that describe an image by one number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tintype.ops.checks import check_image

if TYPE_CHECKING:
    from numpy.typing import NDArray

DTYPES = ("uint8", "bool", "uint16", "float32", "float64")

LUMA_WEIGHTS = (299, 587, 114)
"""Thousandths of red, green and blue in the luma of Recommendation ITU-R BT.601-7 (2011), section 2.5.1."""


def mean_brightness(image: NDArray[Any]) -> float:
    """Return how bright an image is: the mean of its grayscale version.

    Red, green and blue count 0.299, 0.587 and 0.114, the luma of ITU-R BT.601. Nothing is rounded on the way.

    Parameters
    ----------
    image
        Shape (rows, columns) or (rows, columns, channels) with 1, 3 or 4 channels; uint8, uint16, bool, float32 or
        float64. A fourth channel, alpha, is ignored. Not modified.

    Returns
    -------
    float
        In the image's own range: 0.0 (black) to 255.0 (white) for uint8, to 65535.0 for uint16, to 1.0 for bool.

    Raises
    ------
    ImageError
        When `image` is not such an array. A ValueError.

    Examples
    --------
    >>> import numpy as np
    >>> from tintype.ops import mean_brightness
    >>> mean_brightness(np.array([[0, 0], [255, 255]], np.uint8))
    127.5
    >>> red = np.zeros((8, 8, 3), np.uint8)
    >>> red[..., 0] = 255
    >>> mean_brightness(red)
    76.245
    """
    check_image(image, action="take the brightness of", dtypes=DTYPES)
    n_pixels = image.shape[0] * image.shape[1]
    exact = np.float64 if image.dtype.kind == "f" else np.uint64
    # Adding up whole rows is over ten times quicker than adding up both axes at once.
    totals = np.atleast_1d(image.sum(axis=0, dtype=exact).sum(axis=0)).tolist()
    if len(totals) == 1:
        return float(totals[0] / n_pixels)
    red, green, blue = (weight * total for weight, total in zip(LUMA_WEIGHTS, totals, strict=False))
    return float((red + green + blue) / (1000 * n_pixels))


def sharpness(image: NDArray[Any]) -> float:
    """Return how sharp an image is: the variance of the Laplacian of its grayscale version.

    Low for blurred, out of focus or empty images. It depends on size and content, so compare only images of one kind
    and size. Source: Pech-Pacheco, Cristobal, Chamorro-Martinez and Fernandez-Valdivia, "Diatom autofocusing in
    brightfield microscopy: a comparative study", ICPR 2000.

    The Laplacian is the sum of the four neighbours less four times the pixel. Beyond its border the image goes on as
    in a mirror that stands on the last row or column, as in OpenCV's ``cv2.Laplacian``. The grayscale is the luma of
    ITU-R BT.601, for uint8 rounded to whole numbers.

    Parameters
    ----------
    image
        Shape (rows, columns) or (rows, columns, channels) with 1, 3 or 4 channels; uint8, uint16, bool, float32 or
        float64. A fourth channel, alpha, is ignored. Not modified.

    Returns
    -------
    float
        At least 0.0, in squared units of the image's own range: for uint8 a few hundred is common for a sharp
        photograph.

    Raises
    ------
    ImageError
        When `image` is not such an array. A ValueError.

    Examples
    --------
    >>> import numpy as np
    >>> from tintype.ops import sharpness
    >>> sharpness(np.full((32, 32), 7, np.uint8))
    0.0
    >>> checkers = np.indices((32, 32)).sum(axis=0) % 2 * 255
    >>> sharpness(checkers.astype(np.uint8))
    1040400.0
    """
    check_image(image, action="take the sharpness of", dtypes=DTYPES)
    gray = to_gray(image)
    # Whole numbers from -1020 to 1020 for uint8, so int16 holds them, several times quicker than floats.
    exact = np.int16 if gray.dtype.name in {"uint8", "bool"} else np.float64
    padded: NDArray[Any] = np.pad(gray, 1, mode="reflect").astype(exact)
    centre = padded[1:-1, 1:-1]
    laplacian = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:] - 4 * centre
    return float(laplacian.var(dtype=np.float64))


def to_gray(image: NDArray[Any]) -> NDArray[Any]:
    """Return an image as shape (rows, columns): rounded uint8 for uint8, otherwise unrounded; perhaps a view."""
    if image.ndim == 2:
        return image
    if image.shape[2] == 1:
        return image[..., 0]
    if image.dtype == np.uint8:
        from PIL import Image

        return np.asarray(Image.fromarray(image).convert("L"))
    luma: NDArray[np.float64] = image[..., :3] @ (np.array(LUMA_WEIGHTS) / 1000)
    return luma
