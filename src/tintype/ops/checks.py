"""The checks that ops share: what is called an image, a number of pixels, a colour to fill with."""

from __future__ import annotations

import math
import operator
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from tintype.errors import ImageError, SettingsError

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHANNELS = (1, 3, 4)
"""Lengths that the third side of an image may have: gray, RGB, RGBA."""

DTYPES = ("uint8", "bool", "uint16", "float32", "float64")
"""What an image may hold for most ops."""

WHITE = {"uint8": 255, "bool": 1, "uint16": 65535, "float32": 1, "float64": 1}
"""What white is in each dtype; black is 0."""


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


def check_range(image: NDArray[Any], *, action: str) -> None:
    """Raise an ImageError when an image of floats holds others than 0 to 1; NaN is one of them.

    Examples
    --------
    >>> check_range(np.full((2, 2), 255.0), action="normalize")
    Traceback (most recent call last):
    tintype.errors.ImageError: cannot normalize a float64 array with values from 255.0 to 255.0: give floats from 0 to 1
    """
    if image.dtype.kind != "f":
        return
    low, high = image.min(), image.max()
    if not (low >= 0 and high <= 1):
        raise ImageError(
            f"cannot {action} a {image.dtype} array with values from {low} to {high}: give floats from 0 to 1"
        )


def read_pixels(pixels: Any, *, action: str, name: str, least: int = 1, given: object = None) -> int:
    """Return a number of pixels as an int, or say what was given.

    Parameters
    ----------
    pixels
        What should be a whole number; NumPy's are too, and bools and floats are not.
    action
        What was to be done, for the message: ``"resize"``.
    name
        The argument, for the message.
    least
        The smallest number that will do.
    given
        The whole argument, where `pixels` is one of several.

    Raises
    ------
    SettingsError
        When it is no whole number, or below `least`.

    Examples
    --------
    >>> read_pixels(0, action="resize", name="max_side")
    Traceback (most recent call last):
    tintype.errors.SettingsError: resize got max_side=0: give whole numbers of pixels, at least 1
    """
    try:
        whole = operator.index(pixels)
    except TypeError:
        whole = least - 1
    if whole < least or isinstance(pixels, bool):
        shown = pixels if given is None else given
        raise SettingsError(f"{action} got {name}={shown!r}: give whole numbers of pixels, at least {least}")
    return whole


def read_shape(shape: object, *, action: str) -> tuple[int, int]:
    """Return `shape` as two ints of at least 1, (rows, columns), or say why it is none: a SettingsError."""
    if not isinstance(shape, tuple | list | np.ndarray) or len(shape) != 2:
        raise SettingsError(f"{action} got shape={shape!r}: give (rows, columns)")
    rows, columns = (read_pixels(side, action=action, name="shape", given=shape) for side in shape)
    return rows, columns


def read_number(number: Any, *, action: str, name: str, wanted: str) -> float:
    """Return a finite number as a float, or raise a SettingsError that asks for what is `wanted`.

    Examples
    --------
    >>> read_number("2", action="resize", name="scale", wanted="a factor above 0")
    Traceback (most recent call last):
    tintype.errors.SettingsError: resize got scale='2': give a factor above 0
    """
    if isinstance(number, bool) or not isinstance(number, Real) or not math.isfinite(number):
        raise SettingsError(f"{action} got {name}={number!r}: give {wanted}")
    return float(number)


def read_fill(fill: Any, image: NDArray[Any], *, action: str, name: str = "fill") -> NDArray[Any]:
    """Return a colour to fill a part of an image with: an array of its dtype, of shape () or (channels,).

    Parameters
    ----------
    fill
        One number for all channels, or one for each channel.
    image
        The image that will have it. Not modified.
    action
        What was to be done, for the message.
    name
        The argument, for the message.

    Raises
    ------
    ImageError
        When the image has another number of channels, or its dtype cannot hold the numbers exactly (floats are
        rounded to what their dtype can).

    Examples
    --------
    >>> read_fill((255, 0, 0), np.zeros((4, 4, 3), np.uint8), action="pad")
    array([255,   0,   0], dtype=uint8)
    """
    subject = f"cannot {action} a {image.dtype} array of shape {image.shape} with {name}={fill!r}"
    n_channels = image.shape[2] if image.ndim == 3 else 1
    numbers = np.asarray(fill)
    if numbers.shape not in {(), (n_channels,)} or numbers.dtype.kind not in "buif":
        raise ImageError(f"{subject}: give one number, or {n_channels}, one for each channel")
    with np.errstate(invalid="ignore", over="ignore"):
        colour: NDArray[Any] = numbers.astype(image.dtype)
    fits = np.isfinite(colour) if image.dtype.kind == "f" else colour == numbers
    if not fits.all():
        raise ImageError(f"{subject}: {image.dtype} cannot hold that")
    return colour[0] if image.ndim == 2 and colour.ndim else colour
