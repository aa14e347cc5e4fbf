"""Ops that change the shape of an image."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from tintype.errors import ImageError, SettingsError
from tintype.ops.checks import check_image

if TYPE_CHECKING:
    from numpy.typing import NDArray

DTYPES = ("uint8", "bool", "uint16", "float32", "float64")

REDUCING_GAP = 3.0
"""A large reduction first averages whole blocks, down to this many times the wanted size: two to three times quicker,
and by Pillow's documentation hardly to be told from the filter alone."""


def resize(
    image: NDArray[Any],
    *,
    shape: tuple[int, int] | None = None,
    min_dim: int | None = None,
    max_side: int | None = None,
    only_if_bigger: bool = False,
) -> NDArray[Any]:
    """Return a copy of an image with another number of rows and columns.

    Takes exactly one of `shape`, `min_dim` and `max_side`. The last two keep the proportions: the other side is
    rounded to the nearest pixel, and is never below 1.

    Resamples with Pillow's Lanczos filter, which averages over all source pixels when it reduces, so that nothing
    aliases. The colours of uint8 RGBA images are weighted by their alpha, so that transparent pixels do not bleed.
    bool images, such as masks, become True where at least half of the new pixel was. float64 images are computed in
    single precision.

    Parameters
    ----------
    image
        Shape (rows, columns) or (rows, columns, channels) with 1, 3 or 4 channels; uint8, uint16, bool, or finite
        float32 or float64 of any range. Not modified.
    shape
        The wanted (rows, columns), each at least 1; stretches the image if need be.
    min_dim
        The wanted length of the shorter side in pixels, at least 1.
    max_side
        The wanted length of the longer side in pixels, at least 1.
    only_if_bigger
        Return a plain copy when the image is within the size already: no side above `shape`, the shorter side at
        most `min_dim`, or the longer side at most `max_side`.

    Returns
    -------
    numpy.ndarray
        A new C-contiguous array with the dtype and the channels of `image`. Values never leave the range of the
        dtype or, for floats, that of `image`.

    Raises
    ------
    SettingsError
        When not exactly one size is given, or one below 1. A ValueError.
    ImageError
        When `image` is not such an array. A ValueError.

    Examples
    --------
    >>> import numpy as np
    >>> from tintype.ops import resize
    >>> photo = np.zeros((400, 600, 3), np.uint8)
    >>> resize(photo, max_side=300).shape
    (200, 300, 3)
    >>> resize(photo, min_dim=200).shape
    (200, 300, 3)
    >>> resize(photo, shape=(224, 224)).shape
    (224, 224, 3)
    >>> resize(photo, max_side=1000, only_if_bigger=True).shape
    (400, 600, 3)
    """
    check_image(image, action="resize", dtypes=DTYPES)
    rows, columns = image.shape[:2]
    wanted, fits = plan_shape(rows, columns, shape=shape, min_dim=min_dim, max_side=max_side)
    if wanted == (rows, columns) or (only_if_bigger and fits):
        return np.array(image, order="C")
    if image.ndim == 3 and image.shape[2] == 1:
        return resample(image[..., 0], wanted)[..., np.newaxis]
    return resample(image, wanted)


def plan_shape(
    rows: int, columns: int, *, shape: tuple[int, int] | None, min_dim: int | None, max_side: int | None
) -> tuple[tuple[int, int], bool]:
    """Return the (rows, columns) that are asked for, and whether the image is within the size already."""
    sizes = {"shape": shape, "min_dim": min_dim, "max_side": max_side}
    given = {name: value for name, value in sizes.items() if value is not None}
    if len(given) != 1:
        got = ", ".join(f"{name}={value!r}" for name, value in given.items()) or "none of them"
        raise SettingsError(f"resize takes exactly one of shape, min_dim and max_side, and got {got}")
    [(name, value)] = given.items()
    if name == "shape":
        height, width = read_shape(value)
        return (height, width), rows <= height and columns <= width
    length = read_length(name, value, value)
    side = min(rows, columns) if name == "min_dim" else max(rows, columns)
    return (scale_side(rows, length, side), scale_side(columns, length, side)), side <= length


def read_shape(shape: object) -> tuple[int, int]:
    """Return `shape` as two ints, or say why it is no shape."""
    if not isinstance(shape, tuple | list | np.ndarray) or len(shape) != 2:
        raise SettingsError(f"resize got shape={shape!r}: give (rows, columns)")
    return read_length("shape", shape[0], shape), read_length("shape", shape[1], shape)


def read_length(name: str, length: Any, given: object) -> int:
    """Return `length` as an int of at least 1, or say what was `given`."""
    try:
        pixels = operator.index(length)
    except TypeError:
        pixels = 0
    if pixels < 1 or isinstance(length, bool):
        raise SettingsError(f"resize got {name}={given!r}: give whole numbers of pixels, at least 1")
    return pixels


def scale_side(pixels: int, wanted: int, side: int) -> int:
    """Return pixels * wanted / side to the nearest whole number, halves up, at least 1."""
    return max(1, (2 * pixels * wanted + side) // (2 * side))


def resample(image: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """Resize an image of shape (rows, columns), or with 3 or 4 channels, whatever its dtype."""
    if image.dtype == np.uint8:
        return resample_with_pillow(image, shape)
    if image.dtype == np.bool_:
        return resample_planes(image.astype(np.float32), shape) >= 0.5
    low, high = image.min(), image.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ImageError(f"cannot resize a {image.dtype} array of shape {image.shape} that holds NaN or infinity")
    resized = resample_planes(image.astype(np.float32, copy=False), shape)
    if image.dtype == np.uint16:
        resized, low, high = np.rint(resized), 0, 65535
    return np.clip(resized, low, high).astype(image.dtype, copy=False)


def resample_planes(image: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Resize a float32 image one channel at a time: Pillow's float images have only one."""
    if image.ndim == 2:
        return resample_with_pillow(image, shape)
    channels = [resample_with_pillow(image[..., channel], shape) for channel in range(image.shape[2])]
    return np.stack(channels, axis=-1)


def resample_with_pillow(image: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """Resize an image that Pillow has a mode for: uint8, or one channel of float32."""
    from PIL import Image

    size = (shape[1], shape[0])
    resized = Image.fromarray(image).resize(size, Image.Resampling.LANCZOS, reducing_gap=REDUCING_GAP)
    return np.array(resized)
