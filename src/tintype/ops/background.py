"""Ops that cut off what is around the subject of an image."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from tintype.errors import ImageError, SettingsError
from tintype.ops.checks import DTYPES, WHITE, check_image, check_range, read_number
from tintype.ops.geometry import Window, cut
from tintype.ops.tone import to_grayscale, to_rgb

if TYPE_CHECKING:
    from numpy.typing import NDArray

COMPARISONS: dict[str, Callable[..., Any]] = {
    "<": np.less,
    "<=": np.less_equal,
    "==": np.equal,
    ">=": np.greater_equal,
    ">": np.greater,
}
"""How the gray of a pixel of padding compares to a threshold."""

OPENCV_9X9_SIGMA = 1.7
"""The standard deviation of the Gaussian in OpenCV's 9 x 9 kernel: 0.3 * ((9 - 1) / 2 - 1) + 0.8."""

MOST_STEPS = 10_000
"""How often the threshold of trim_background may fall."""


def trim_padding(image: NDArray[Any], *, comparison: str, threshold: float) -> NDArray[Any]:
    """Return a copy of an image without the padding around it.

    Rows and columns at the edges are cut off as long as all of their pixels are padding; those further in stay.

    Parameters
    ----------
    image
        Shape (rows, columns) or (rows, columns, channels) with 1, 3 or 4 channels; uint8, uint16, bool, or float32 or
        float64 from 0 to 1. Alpha is ignored. Not modified.
    comparison
        How the gray of a pixel of padding (see :func:`to_grayscale`) compares to `threshold`: one of ``<``, ``<=``,
        ``==``, ``>=``, ``>``.
    threshold
        From 0 for black to 1 for white, whatever the dtype.

    Returns
    -------
    numpy.ndarray
        A new C-contiguous array with the dtype and the channels of `image`.

    Raises
    ------
    ImageError
        When `image` is not such an array, or all of it is padding. A ValueError.
    SettingsError
        When there is no such comparison, or `threshold` is no number from 0 to 1. A ValueError.

    Examples
    --------
    >>> import numpy as np
    >>> from tintype.ops import pad, trim_padding
    >>> photo = np.full((40, 60, 3), 128, np.uint8)
    >>> trim_padding(pad(photo, top=7, left=9, fill=255), comparison=">=", threshold=0.95).shape
    (40, 60, 3)
    """
    check_image(image, action="trim_padding", dtypes=DTYPES)
    check_range(image, action="trim_padding")
    if comparison not in COMPARISONS:
        raise SettingsError(f"trim_padding got comparison={comparison!r}: give one of {' '.join(COMPARISONS)}")
    level = read_share(threshold, action="trim_padding", name="threshold")
    is_padding = COMPARISONS[comparison](to_grayscale(image), level * WHITE[image.dtype.name])
    window = find_window(~is_padding.all(axis=1), ~is_padding.all(axis=0))
    if window is None:
        raise ImageError(
            f"cannot trim_padding of an array of shape {image.shape}: the gray of all its pixels is {comparison} "
            f"{threshold}, so that nothing would be left"
        )
    return cut(image, window)


def trim_background(
    image: NDArray[Any],
    *,
    initial_variance: float = 250,
    delta_variance: float = 25,
    min_area_fraction: float = 0.25,
    blur_sigma: float = OPENCV_9X9_SIGMA,
) -> NDArray[Any]:
    """Return a copy of an image without the plain background around its subject.

    The gray image is smoothed, so that noise and grain do not count. Then rows and columns are cut off at the edges
    as long as their variance is below a threshold. When less than `min_area_fraction` of the image's area would be
    left, that was too much: the threshold falls by `delta_variance`, and in the end to 0, at which nothing is cut
    off. So the result is never empty, and a blank image stays as it is.

    The variance is that of a whole row or column of the image, which makes it one number for each, whatever else is
    cut off; a small subject in a wide image counts for less than in a narrow one. Transparent pixels count as black,
    and a row's alpha varies as its gray does, so that the subject of a cut-out is found whatever its colour.

    Parameters
    ----------
    image
        Shape (rows, columns) or (rows, columns, channels) with 1, 3 or 4 channels; uint8, uint16, bool, or float32 or
        float64 from 0 to 1. Not modified.
    initial_variance
        The first threshold, at least 0, for gray values on a scale of 0 to 255 whatever the dtype.
    delta_variance
        By how much the threshold falls each time, above 0.
    min_area_fraction
        How much of the image's area must be left, from 0 to 1.
    blur_sigma
        Standard deviation of the Gaussian that smooths, in pixels; 0 does not smooth. The default is that of OpenCV's
        9 x 9 kernel.

    Returns
    -------
    numpy.ndarray
        A new C-contiguous array with the dtype and the channels of `image`.

    Raises
    ------
    ImageError
        When `image` is not such an array. A ValueError.
    SettingsError
        When a number is out of its range, or it would take more than 10,000 steps to 0. A ValueError.

    Examples
    --------
    >>> import numpy as np
    >>> from tintype.ops import trim_background
    >>> shelf = np.full((200, 300, 3), 255, np.uint8)
    >>> shelf[40:180, 50:210] = (200, 30, 30)
    >>> trim_background(shelf).shape  # an edge is smoothed over a pixel or two
    (144, 162, 3)
    """
    check_image(image, action="trim_background", dtypes=DTYPES)
    check_range(image, action="trim_background")
    thresholds = list_thresholds(initial_variance, delta_variance)
    least_area = read_share(min_area_fraction, action="trim_background", name="min_area_fraction")
    least_area *= image.shape[0] * image.shape[1]
    sigma = read_number(blur_sigma, action="trim_background", name="blur_sigma", wanted="pixels, at least 0")
    if sigma < 0:
        raise SettingsError(f"trim_background got blur_sigma={blur_sigma!r}: give pixels, at least 0")
    row_variances, column_variances = measure_variances(image, sigma)
    windows = (find_window(row_variances >= level, column_variances >= level) for level in thresholds)
    # There is always one: at the last threshold, 0, the window is the whole image.
    return cut(image, next(window for window in windows if window and window.rows * window.columns >= least_area))


def list_thresholds(initial: Any, delta: Any) -> Iterator[float]:
    """Return the thresholds, from the first one down to 0, which is always the last."""
    first = read_number(initial, action="trim_background", name="initial_variance", wanted="a number, at least 0")
    step = read_number(delta, action="trim_background", name="delta_variance", wanted="a number above 0")
    if first < 0 or step <= 0 or first / step > MOST_STEPS:
        raise SettingsError(
            f"trim_background got initial_variance={initial!r} and delta_variance={delta!r}: give one of at least 0, "
            f"one above 0, and at most {MOST_STEPS:,} steps from the first to 0"
        )
    return itertools.chain((first - n * step for n in range(math.ceil(first / step))), [0.0])


def measure_variances(image: NDArray[Any], sigma: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the variance of each row and of each column of an image, smoothed, on a scale of 0 to 255."""
    planes = [to_grayscale(image)]
    if image.ndim == 3 and image.shape[2] == 4:
        planes = [to_grayscale(to_rgb(image, background=0)), image[..., 3]]
    smooth = [smooth_plane(plane, sigma) for plane in planes]
    rows = [plane.var(axis=1) for plane in smooth]
    columns = [plane.var(axis=0) for plane in smooth]
    return np.maximum.reduce(rows), np.maximum.reduce(columns)


def smooth_plane(plane: NDArray[Any], sigma: float) -> NDArray[np.uint8]:
    """Return one channel as uint8, smoothed."""
    if plane.dtype != np.uint8:
        plane = np.rint(plane * (255 / WHITE[plane.dtype.name])).astype(np.uint8)
    if sigma == 0:
        return plane
    from PIL import Image, ImageFilter

    # Pillow's three box filters take as long as scipy's 9 x 9 Gaussian, whatever the sigma.
    return np.asarray(Image.fromarray(plane).filter(ImageFilter.GaussianBlur(sigma)))


def find_window(rows: NDArray[np.bool_], columns: NDArray[np.bool_]) -> Window | None:
    """Return the smallest window that holds every row and column to keep; None when there is none."""
    kept_rows, kept_columns = np.flatnonzero(rows), np.flatnonzero(columns)
    if not kept_rows.size or not kept_columns.size:
        return None
    top, bottom = int(kept_rows[0]), int(kept_rows[-1])
    left, right = int(kept_columns[0]), int(kept_columns[-1])
    return Window(top, left, bottom - top + 1, right - left + 1)


def read_share(share: Any, *, action: str, name: str) -> float:
    """Return a number from 0 to 1 as a float, or raise a SettingsError."""
    wanted = "a number from 0 to 1"
    number = read_number(share, action=action, name=name, wanted=wanted)
    if not 0 <= number <= 1:
        raise SettingsError(f"{action} got {name}={share!r}: give {wanted}")
    return number
