"""Ops that describe an image by a few numbers."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from tintype.errors import SettingsError
from tintype.ops.checks import DTYPES, check_image, check_range, read_number

if TYPE_CHECKING:
    from numpy.typing import NDArray

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


def color_histogram(image: NDArray[Any], n_bins: int = 8) -> NDArray[np.float64]:
    """Return how often each colour value occurs: one histogram a channel.

    The bins are equally wide and cover the whole range of the dtype: 0 to 255 for uint8, 0 to 65535 for uint16,
    0.0 to 1.0 for floats, False and True for bool.

    Parameters
    ----------
    image
        Shape (rows, columns) or (rows, columns, channels) with 1, 3 or 4 channels; uint8, uint16, bool, or float32 or
        float64 from 0.0 to 1.0. A fourth channel, alpha, is ignored. Not modified.
    n_bins
        Number of bins, from 2 to 256.

    Returns
    -------
    numpy.ndarray
        float64, shape (1, n_bins) for gray images, (3, n_bins) for RGB and RGBA: the part of the pixels in each bin,
        from the darkest bin to the brightest. Each row adds up to 1.

    Raises
    ------
    ImageError
        When `image` is not such an array. A ValueError.
    SettingsError
        When `n_bins` is not a whole number from 2 to 256. A ValueError.

    Examples
    --------
    >>> import numpy as np
    >>> from tintype.ops import color_histogram
    >>> color_histogram(np.array([[0, 0], [100, 255]], np.uint8), n_bins=4)
    array([[0.5 , 0.25, 0.  , 0.25]])
    """
    try:
        wanted = operator.index(n_bins)
    except TypeError:
        wanted = 0
    if not 2 <= wanted <= 256:
        raise SettingsError(f"color_histogram got n_bins={n_bins!r}: give a whole number from 2 to 256")
    check_image(image, action="take the histogram of", dtypes=DTYPES)
    planes = split_channels(image)[:3]
    counts = [count_values(plane, action="take the histogram of") for plane in planes]
    n_values = len(counts[0])
    # With more bins than values, as for bool, the highest value still belongs into the highest bin.
    bins = np.arange(n_values) * wanted // n_values if n_values > 2 else np.array([0, wanted - 1])
    parts = [np.bincount(bins, weights=count, minlength=wanted) for count in counts]
    return np.array(parts) / planes[0].size


def is_blank(image: NDArray[Any], *, tolerance: float = 0.03, max_different: float = 0.001) -> bool:
    """Return whether an image shows nothing: one colour all over, up to noise and a few specks.

    An image is blank when in every channel all values are within `tolerance` of the channel's median, but for a part
    of at most `max_different`. Alpha counts as a channel here: a black shape cut out by its alpha is not blank.

    Parameters
    ----------
    image
        Shape (rows, columns) or (rows, columns, channels) with 1, 3 or 4 channels; uint8, uint16, bool, or float32 or
        float64 from 0.0 to 1.0. Not modified.
    tolerance
        Largest difference that counts as noise, as part of the whole range: 0.03 is 7 of 255, about what strong JPEG
        compression does. 0.0 to 1.0.
    max_different
        Largest part of the pixels that may differ more, such as dust. 0.0 to 1.0.

    Raises
    ------
    ImageError
        When `image` is not such an array. A ValueError.
    SettingsError
        When `tolerance` or `max_different` is not from 0.0 to 1.0. A ValueError.

    Examples
    --------
    >>> import numpy as np
    >>> from tintype.ops import is_blank
    >>> paper = np.full((100, 100, 3), 250, np.uint8)
    >>> is_blank(paper)
    True
    >>> paper[40:60, 40:60] = 0
    >>> is_blank(paper)
    False
    """
    for name, value in {"tolerance": tolerance, "max_different": max_different}.items():
        wanted = "a part of the whole, from 0.0 to 1.0"
        if not 0 <= read_number(value, action="is_blank", name=name, wanted=wanted) <= 1:
            raise SettingsError(f"is_blank got {name}={value!r}: give {wanted}")
    check_image(image, action="look for content in", dtypes=DTYPES)
    for plane in split_channels(image):
        counts = count_values(plane, action="look for content in")
        median = int(np.searchsorted(np.cumsum(counts), plane.size / 2))
        reach = int(tolerance * (len(counts) - 1))
        near = int(counts[max(0, median - reach) : median + reach + 1].sum())
        if plane.size - near > max_different * plane.size:
            return False
    return True


def split_channels(image: NDArray[Any]) -> list[NDArray[Any]]:
    """Return the channels of an image as views of shape (rows, columns)."""
    return [image] if image.ndim == 2 else [image[..., channel] for channel in range(image.shape[2])]


def count_values(plane: NDArray[Any], *, action: str) -> NDArray[np.int64]:
    """Return how often each value occurs in one channel: 2 counts for bool, 256 for uint8, else 65536."""
    if plane.dtype == np.uint8:
        from PIL import Image

        # Pillow counts uint8 five times quicker than np.bincount, which first makes 8 bytes of every one.
        return np.array(Image.fromarray(np.ascontiguousarray(plane)).histogram(), np.int64)
    if plane.dtype.kind == "f":
        check_range(plane, action=action)
        plane = np.rint(plane * 65535).astype(np.uint16)
    n_values = 2 if plane.dtype == np.bool_ else 65536
    return np.bincount(plane.ravel(), minlength=n_values)


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
