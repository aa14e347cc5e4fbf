"""Ops that change the values of an image's pixels, each by itself: gray and colour, contrast, range."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tintype.errors import ImageError, SettingsError
from tintype.ops.checks import DTYPES, WHITE, check_image, check_range, read_fill, read_number
from tintype.ops.statistics import to_gray

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

TONE_DTYPES = ("uint8", "uint16", "float32", "float64")
"""What has tones to change: no masks."""


def to_grayscale(image: NDArray[Any]) -> NDArray[Any]:
    """Return a gray copy of an image: the luma of ITU-R BT.601, 0.299 red + 0.587 green + 0.114 blue.

    Parameters
    ----------
    image
        Shape (rows, columns) or (rows, columns, channels) with 1, 3 or 4 channels; uint8, uint16, bool, float32 or
        float64. A fourth channel, alpha, is ignored: to see transparency, use :func:`to_rgb` first. Not modified.

    Returns
    -------
    numpy.ndarray
        A new C-contiguous array of shape (rows, columns) with the dtype of `image`; rounded for integers, and for
        bool True from one half. Gray images are copied.

    Raises
    ------
    ImageError
        When `image` is not such an array. A ValueError.

    Examples
    --------
    >>> import numpy as np
    >>> from tintype.ops import to_grayscale
    >>> to_grayscale(np.array([[[255, 0, 0], [255, 255, 255]]], np.uint8))
    array([[ 76, 255]], dtype=uint8)
    """
    check_image(image, action="to_grayscale", dtypes=DTYPES)
    if image.dtype.kind == "f" and image.ndim == 3 and image.shape[2] > 1:
        red, green, blue = (image[..., channel] for channel in range(3))
        # Written so, equal channels come out exactly as they are: white stays white.
        return np.ascontiguousarray(blue + 0.299 * (red - blue) + 0.587 * (green - blue))
    gray = to_gray(image)
    if image.dtype == np.bool_ and gray.dtype != np.bool_:
        gray = gray >= 0.5
    elif image.dtype.kind == "u" and gray.dtype.kind == "f":
        gray = np.rint(gray)
    return np.array(gray, dtype=image.dtype, order="C")


def to_rgb(image: NDArray[Any], *, background: float | tuple[float, float, float] | None = None) -> NDArray[Any]:
    """Return a copy of an image with three channels: red, green and blue.

    Parameters
    ----------
    image
        Shape (rows, columns) or (rows, columns, channels) with 1, 3 or 4 channels; uint8, uint16, bool, float32 or
        float64. Alpha of floats is 0 to 1. Not modified.
    background
        What shows through transparent pixels of RGBA images: one number, or three, in the image's own range, such as
        255 for white. None drops alpha, as Pillow does, so that transparent pixels show whatever colour they hide.

    Returns
    -------
    numpy.ndarray
        A new C-contiguous array of shape (rows, columns, 3) with the dtype of `image`. Gray is repeated, RGB copied.

    Raises
    ------
    ImageError
        When `image` is not such an array, or cannot hold `background`. A ValueError.

    Examples
    --------
    >>> import numpy as np
    >>> from tintype.ops import to_rgb
    >>> to_rgb(np.array([[7, 8]], np.uint8))
    array([[[7, 7, 7],
            [8, 8, 8]]], dtype=uint8)
    >>> clear_red = np.array([[[255, 0, 0, 0]]], np.uint8)
    >>> to_rgb(clear_red).tolist(), to_rgb(clear_red, background=255).tolist()
    ([[[255, 0, 0]]], [[[255, 255, 255]]])
    """
    check_image(image, action="to_rgb", dtypes=DTYPES)
    planes = np.atleast_3d(image)
    rgb = np.empty((*image.shape[:2], 3), image.dtype)
    for channel in range(3):  # four times quicker than to copy or repeat all three at once
        rgb[..., channel] = planes[..., channel % planes.shape[2]]
    if background is None:
        return rgb
    colour = read_fill(background, rgb, action="to_rgb", name="background")
    return rgb if planes.shape[2] < 4 else compose(rgb, planes[..., 3], colour)


def autocontrast(image: NDArray[Any], cutoff: float = 0) -> NDArray[Any]:
    """Return a copy of an image with each channel stretched from black to white.

    uint8 images come out exactly as from ``PIL.ImageOps.autocontrast``, which works with a table and is many times
    quicker than arithmetic.

    Parameters
    ----------
    image
        Shape (rows, columns) or (rows, columns, channels) with 1, 3 or 4 channels; uint8, uint16, or finite float32
        or float64. Alpha stays as it is. Not modified.
    cutoff
        How many percent of the darkest, and of the brightest, values of each channel may be lost: 0 to less than 50.

    Returns
    -------
    numpy.ndarray
        A new C-contiguous array with the shape and the dtype of `image`, from 0 to 255, to 65535, or for floats to
        1. A channel of one value stays as it is.

    Raises
    ------
    ImageError
        When `image` is not such an array. A ValueError.
    SettingsError
        When `cutoff` is out of range. A ValueError.

    Examples
    --------
    >>> import numpy as np
    >>> from tintype.ops import autocontrast
    >>> autocontrast(np.array([[100, 110, 120]], np.uint8))
    array([[  0, 127, 255]], dtype=uint8)
    """
    check_image(image, action="autocontrast", dtypes=TONE_DTYPES)
    wanted = "percent, from 0 to less than 50"
    percent = read_number(cutoff, action="autocontrast", name="cutoff", wanted=wanted)
    if not 0 <= percent < 50:
        raise SettingsError(f"autocontrast got cutoff={cutoff!r}: give {wanted}")
    if image.dtype == np.uint8:
        from PIL import Image, ImageOps

        return change_colours(image, lambda colours: np.array(ImageOps.autocontrast(Image.fromarray(colours), percent)))
    return change_channels(image, lambda channel: stretch(channel, percent))


def equalize(image: NDArray[Any]) -> NDArray[Any]:
    """Return a copy of an image with the histogram of each channel made as even as can be.

    A value becomes the share of pixels that are darker. uint8 images come out exactly as from
    ``PIL.ImageOps.equalize``, the others alike, floats with 65,536 levels; ``skimage.exposure.equalize_hist``, which
    also counts the pixels of the value itself, takes many times as long and leaves no black.

    Parameters
    ----------
    image
        Shape (rows, columns) or (rows, columns, channels) with 1, 3 or 4 channels; uint8, uint16, or finite float32
        or float64. Alpha stays as it is. Not modified.

    Returns
    -------
    numpy.ndarray
        A new C-contiguous array with the shape and the dtype of `image`, within 0 to 255, to 65535, or for floats to
        1. A channel of one value stays as it is.

    Raises
    ------
    ImageError
        When `image` is not such an array. A ValueError.

    Examples
    --------
    >>> import numpy as np
    >>> from tintype.ops import equalize
    >>> dark = np.arange(64, dtype=np.uint8).repeat(16).reshape(32, 32)
    >>> dark.max(), equalize(dark).max()
    (np.uint8(63), np.uint8(255))
    """
    check_image(image, action="equalize", dtypes=TONE_DTYPES)
    if image.dtype == np.uint8:
        from PIL import Image, ImageOps

        return change_colours(image, lambda colours: np.array(ImageOps.equalize(Image.fromarray(colours))))
    return change_channels(image, equalize_channel)


def normalize(
    image: NDArray[Any], *, mean: float | Sequence[float] = 0.0, std: float | Sequence[float] = 1.0
) -> NDArray[np.float32]:
    """Return an image as float32, 0 to 1 by what its dtype can hold, less a mean and over a standard deviation.

    What white is follows from the dtype and never from the brightest pixel, so dark images stay dark. The result is
    for models and for arrays on disk; image files cannot hold it.

    Parameters
    ----------
    image
        Shape (rows, columns) or (rows, columns, channels) with 1, 3 or 4 channels; uint8, uint16, bool, or float32
        or float64 from 0 to 1. Not modified.
    mean
        What to subtract after the scaling to 0 to 1: one number, or one for each channel but alpha.
    std
        What to divide by after that, above 0: one number, or one for each channel but alpha.

    Returns
    -------
    numpy.ndarray
        A new C-contiguous float32 array with the shape of `image`. Alpha is 0 to 1 whatever `mean` and `std`.

    Raises
    ------
    ImageError
        When `image` is not such an array, or has another number of channels than `mean` or `std`. A ValueError.
    SettingsError
        When `mean` or `std` cannot be used with any image. A ValueError.

    Examples
    --------
    >>> import numpy as np
    >>> from tintype.ops import normalize
    >>> normalize(np.array([[0, 51, 255]], np.uint8))
    array([[0. , 0.2, 1. ]], dtype=float32)
    >>> photo = np.zeros((224, 224, 3), np.uint8)
    >>> normalize(photo, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)).shape
    (224, 224, 3)
    """
    check_image(image, action="normalize", dtypes=DTYPES)
    check_range(image, action="normalize")
    n_channels = image.shape[2] if image.ndim == 3 else 1
    shifts = read_channels(mean, n_channels, name="mean", alpha=0)
    divisors = read_channels(std, n_channels, name="std", alpha=1)
    if not (divisors > 0).all():
        raise SettingsError(f"normalize got std={std!r}: give numbers above 0")
    scaled: NDArray[np.float32] = np.divide(image, WHITE[image.dtype.name], order="C", dtype=np.float32)
    # Whole rows at a time: ten times quicker than three channels at a time.
    rows = scaled.reshape(image.shape[0], -1)
    if shifts.any():
        rows -= np.tile(shifts, image.shape[1])
    if (divisors != 1).any():
        rows /= np.tile(divisors, image.shape[1])
    return scaled


def adjust_gamma(image: NDArray[Any], gamma: float) -> NDArray[Any]:
    """Return a copy of an image with every value raised to a power, on a scale from black 0 to white 1.

    Parameters
    ----------
    image
        Shape (rows, columns) or (rows, columns, channels) with 1, 3 or 4 channels; uint8, uint16, or float32 or
        float64 from 0 to 1. Alpha stays as it is. Not modified.
    gamma
        The power, above 0: below 1 brightens, above 1 darkens.

    Returns
    -------
    numpy.ndarray
        A new C-contiguous array with the shape and the dtype of `image`; integers are rounded to the nearest, where
        ``skimage.exposure.adjust_gamma`` cuts.

    Raises
    ------
    ImageError
        When `image` is not such an array. A ValueError.
    SettingsError
        When `gamma` is no number above 0. A ValueError.

    Examples
    --------
    >>> import numpy as np
    >>> from tintype.ops import adjust_gamma
    >>> adjust_gamma(np.array([[0, 64, 255]], np.uint8), 0.5)
    array([[  0, 128, 255]], dtype=uint8)
    """
    check_image(image, action="adjust_gamma", dtypes=TONE_DTYPES)
    check_range(image, action="adjust_gamma")
    power = read_number(gamma, action="adjust_gamma", name="gamma", wanted="a number above 0")
    if power <= 0:
        raise SettingsError(f"adjust_gamma got gamma={gamma!r}: give a number above 0")
    if image.dtype.kind == "f":
        return change_colours(image, lambda colours: np.power(colours, power, order="C"))
    # A table of all values: forty times quicker than a power for every pixel.
    white = WHITE[image.dtype.name]
    table = np.rint((np.arange(white + 1) / white) ** power * white).astype(image.dtype)
    return change_colours(image, table.take)


def compose(rgb: NDArray[Any], alpha: NDArray[Any], colour: NDArray[Any]) -> NDArray[Any]:
    """Return an image laid over one colour, by its alpha."""
    if rgb.dtype == np.bool_:
        return np.where(alpha[..., np.newaxis], rgb, colour)
    if rgb.dtype == np.uint8:
        from PIL import Image

        red, green, blue = np.broadcast_to(colour, 3).tolist()
        ground = Image.new("RGB", (rgb.shape[1], rgb.shape[0]), (red, green, blue))
        ground.paste(Image.fromarray(rgb), mask=Image.fromarray(alpha))
        return np.array(ground)
    weight = alpha[..., np.newaxis] / np.float64(WHITE[rgb.dtype.name])
    composed = rgb * weight + colour * (1 - weight)
    return (np.rint(composed) if rgb.dtype == np.uint16 else composed).astype(rgb.dtype)


def change_colours(image: NDArray[Any], change: Callable[[NDArray[Any]], NDArray[Any]]) -> NDArray[Any]:
    """Return an image whose gray, of shape (rows, columns), or RGB went through `change`, and alpha did not."""
    if image.ndim == 2 or image.shape[2] == 3:
        return change(image)
    if image.shape[2] == 1:
        return change(image[..., 0])[..., np.newaxis]
    changed = np.empty(image.shape, image.dtype)
    changed[..., :3] = change(image[..., :3])
    changed[..., 3] = image[..., 3]
    return changed


def change_channels(image: NDArray[Any], change: Callable[[NDArray[Any]], NDArray[Any]]) -> NDArray[Any]:
    """Return an image whose channels but alpha went through `change`, which gives floats from 0 to 1.

    Channels of one value stay as they are.
    """
    changed = np.array(image, order="C")
    planes = np.atleast_3d(changed)
    white = WHITE[image.dtype.name]
    for channel in range(min(planes.shape[2], 3)):
        plane = planes[..., channel]
        low, high = plane.min(), plane.max()
        if not (np.isfinite(low) and np.isfinite(high)):
            raise ImageError(f"cannot change the tones of a {image.dtype} array that holds NaN or infinity")
        if low < high:
            tones = change(plane)
            plane[...] = tones if image.dtype.kind == "f" else np.rint(tones * white)
    return changed


def stretch(channel: NDArray[Any], percent: float) -> NDArray[np.float64]:
    """Return a channel scaled to 0 to 1, the darkest and the brightest values lost."""
    low, high = np.percentile(channel, (percent, 100 - percent)) if percent else (channel.min(), channel.max())
    if low == high:  # nearly all of it is one value
        low, high = channel.min(), channel.max()
    low, high = float(low), float(high)
    scaled: NDArray[np.float64] = np.clip((channel - low) / (high - low), 0, 1)
    return scaled


def equalize_channel(channel: NDArray[Any]) -> NDArray[np.float64]:
    """Return, for each pixel of a channel, the share of darker ones among all that are not of the brightest value."""
    levels = channel if channel.dtype == np.uint16 else np.rint(stretch(channel, 0) * 65535).astype(np.uint16)
    counts = np.bincount(levels.ravel())
    darker = np.cumsum(counts) - counts
    shares: NDArray[np.float64] = (darker / darker[-1]).take(levels)
    return shares


def read_channels(numbers: Any, n_channels: int, *, name: str, alpha: float) -> NDArray[np.float32]:
    """Return one number for each channel of an image, of which a fourth one is `alpha`."""
    n_colours = min(n_channels, 3)
    try:
        values = np.asarray(numbers, dtype=np.float32)
    except (TypeError, ValueError):
        values = np.full(1, np.nan, np.float32)
    if values.ndim > 1 or not np.isfinite(values).all():
        raise SettingsError(f"normalize got {name}={numbers!r}: give one number, or one for each channel")
    if values.ndim and len(values) != n_colours:
        raise ImageError(
            f"cannot normalize an image with {n_colours} channels by {name}={numbers!r}: give one number, or one for "
            "each channel"
        )
    channels = np.full(n_channels, alpha, np.float32)
    channels[:n_colours] = values
    return channels
