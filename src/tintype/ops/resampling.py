"""How the pixels of a resized image are made from those of the image: Pillow's filters, for every dtype."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from tintype.errors import ImageError, MissingPackageError
from tintype.ops.geometry import Window, cut

if TYPE_CHECKING:
    from numpy.typing import NDArray

FILTERS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
"""Pillow's filters, the quickest first."""
AREA = "area"
"""OpenCV's average over areas: as near to lanczos as hamming, and quicker. Needs the extra."""

REDUCING_GAP = 3.0
"""A large reduction first averages whole blocks, down to this many times the wanted size: two to four times quicker,
and 53 dB PSNR or more from the filter alone. Not for box, which is such an average itself and would lose its place."""

FLOAT32_MAX = float(np.finfo(np.float32).max)


def resample(
    image: NDArray[Any], shape: tuple[int, int], *, window: Window, filter_name: str | None = None
) -> NDArray[Any]:
    """Resize an image, and return a part of the result.

    Parameters
    ----------
    image
        An image of one of the DTYPES. Not modified.
    shape
        The (rows, columns) that the whole image is resized to.
    window
        The part that is returned; the rest is not computed.
    filter_name
        One of FILTERS, or AREA; None takes hamming when no side grows, otherwise lanczos.

    Returns
    -------
    numpy.ndarray
        A new C-contiguous array of the window's rows and columns, with the dtype and the channels of `image`.

    Raises
    ------
    ImageError
        When the image holds floats that are not finite, unless the filter is nearest.
    MissingPackageError
        For AREA without OpenCV.

    Examples
    --------
    >>> resample(np.eye(2, dtype=bool), (2, 4), window=Window(0, 1, 1, 3), filter_name="nearest")
    array([[ True, False, False]])
    """
    rows, columns = image.shape[:2]
    if shape == (rows, columns):
        return cut(image, window)
    grows = shape[0] > rows or shape[1] > columns
    if filter_name is None or (filter_name == AREA and (grows or image.shape[2:] == (4,))):
        filter_name = "lanczos" if grows else "hamming"
    if filter_name == "nearest":
        return take_nearest(image, shape, window)
    if image.ndim == 3 and image.shape[2] == 1:
        return filter_pixels(image[..., 0], shape, window, filter_name)[..., np.newaxis]
    return filter_pixels(image, shape, window, filter_name)


def take_nearest(image: NDArray[Any], shape: tuple[int, int], window: Window) -> NDArray[Any]:
    """Resize an image by taking, for each new pixel, the one at its centre: exactly, whatever the dtype."""
    row_indices = (2 * np.arange(window.top, window.top + window.rows) + 1) * image.shape[0] // (2 * shape[0])
    column_indices = (2 * np.arange(window.left, window.left + window.columns) + 1) * image.shape[1] // (2 * shape[1])
    # One axis after the other: three times quicker than both at once, and Pillow has no uint16 or float64.
    return np.ascontiguousarray(image.take(row_indices, axis=0).take(column_indices, axis=1))


def filter_pixels(image: NDArray[Any], shape: tuple[int, int], window: Window, filter_name: str) -> NDArray[Any]:
    """Resize an image of shape (rows, columns), or with 3 or 4 channels, by a filter that averages."""
    if image.dtype == np.uint8:
        return filter_with(image, shape, window, filter_name)
    if image.dtype == np.bool_:
        mask: NDArray[np.bool_] = filter_planes(image.astype(np.float32), shape, window, filter_name) >= 0.5
        return mask
    if image.dtype == np.uint16:
        resized = filter_planes(image.astype(np.float32), shape, window, filter_name)
        return np.clip(np.rint(resized), 0, 65535).astype(np.uint16)
    low, high = image.min(), image.max()
    if not (low >= -FLOAT32_MAX and high <= FLOAT32_MAX):
        raise ImageError(
            f"cannot resize a {image.dtype} array of shape {image.shape} that holds NaN or infinity, or numbers "
            "beyond float32: replace them, or resize with resample='nearest'"
        )
    resized = filter_planes(image.astype(np.float32, copy=False), shape, window, filter_name)
    clipped: NDArray[Any] = np.clip(resized.astype(image.dtype, copy=False), low, high)
    return clipped


def filter_planes(
    image: NDArray[np.float32], shape: tuple[int, int], window: Window, filter_name: str
) -> NDArray[np.float32]:
    """Resize a float32 image one channel at a time: Pillow's float images have only one."""
    if image.ndim == 2:
        return filter_with(image, shape, window, filter_name)
    planes = [filter_with(image[..., n], shape, window, filter_name) for n in range(image.shape[2])]
    return np.stack(planes, axis=-1)


def filter_with(image: NDArray[Any], shape: tuple[int, int], window: Window, filter_name: str) -> NDArray[Any]:
    """Resize an image that Pillow has a mode for, with the library that has the filter."""
    if filter_name == AREA:
        return average_areas(image, shape, window)
    return filter_with_pillow(image, shape, window, filter_name)


def average_areas(image: NDArray[Any], shape: tuple[int, int], window: Window) -> NDArray[Any]:
    """Resize an image to fewer pixels with OpenCV."""
    try:
        cv2 = import_module("cv2")
    except ImportError as error:
        raise MissingPackageError(
            "resample='area' needs opencv-python-headless: pip install 'tintype[faces]', or leave resample out"
        ) from error
    resized: NDArray[Any] = cv2.resize(image, (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
    return cut(resized, window) if (window.rows, window.columns) != shape else resized


def filter_with_pillow(image: NDArray[Any], shape: tuple[int, int], window: Window, filter_name: str) -> NDArray[Any]:
    """Resize an image that Pillow has a mode for: uint8, or one channel of float32."""
    from PIL import Image

    # The window's place in the image as it is: Pillow also uses the pixels around it, as for the whole image.
    top, bottom = (edge * image.shape[0] / shape[0] for edge in (window.top, window.top + window.rows))
    left, right = (edge * image.shape[1] / shape[1] for edge in (window.left, window.left + window.columns))
    resized = Image.fromarray(image).resize(
        (window.columns, window.rows),
        Image.Resampling[filter_name.upper()],
        box=(left, top, right, bottom),
        reducing_gap=None if filter_name == "box" else REDUCING_GAP,
    )
    return np.array(resized)
