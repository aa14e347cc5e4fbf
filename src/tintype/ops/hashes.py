"""Ops that tell whether two images look the same: short hashes, near each other for images that look alike."""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from tintype.errors import ImageError, SettingsError
from tintype.ops.checks import DTYPES, check_image
from tintype.ops.statistics import to_gray

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_HASH_SIZE = 64
"""Side of the largest hash: 4096 bits, far beyond what tells photographs apart."""

OVERSAMPLING = 4
"""phash looks at an image of this many times its own side: its cosines are then the slow ones."""

NOISE = 1e-9
"""Part of the largest coefficient that rounding errors stay below."""


def dhash(image: NDArray[Any], hash_size: int = 8) -> str:
    """Return the difference hash of an image: whether it gets brighter from left to right, place by place.

    The gray image is averaged down to `hash_size` rows and `hash_size` + 1 columns. Each bit says whether a pixel is
    brighter than its left neighbour. Two images with a `hamming_distance` below about 10 (of 64 bits) usually show
    the same, resized, encoded again or slightly brighter. Source: Neal Krawetz, "Kind of Like That" (2013).

    Parameters
    ----------
    image
        Shape (rows, columns) or (rows, columns, channels) with 1, 3 or 4 channels; uint8, uint16, bool, or finite
        float32 or float64 of any range. A fourth channel, alpha, is ignored. Not modified.
    hash_size
        Side of the square of bits, from 2 to 64.

    Returns
    -------
    str
        The `hash_size`**2 bits as lower-case hexadecimal digits of fixed length, 16 for `hash_size` 8: row by row,
        each row from the left, the first bit the highest; zeros in front where the last digit would not be full. Text,
        as 64 unsigned bits do not fit the integers of every table.

    Raises
    ------
    ImageError
        When `image` is not such an array. A ValueError.
    SettingsError
        When `hash_size` is not a whole number from 2 to 64. A ValueError.

    Examples
    --------
    >>> import numpy as np
    >>> from tintype.ops import dhash
    >>> ramp = np.tile(np.arange(256, dtype=np.uint8), (100, 1))
    >>> dhash(ramp)
    'ffffffffffffffff'
    >>> dhash(ramp[:, ::-1])
    '0000000000000000'
    """
    side = read_hash_size(hash_size, "dhash")
    pixels = average_gray(image, rows=side, columns=side + 1, action="take the dhash of")
    return write_bits(pixels[:, 1:] > pixels[:, :-1])


def phash(image: NDArray[Any], hash_size: int = 8) -> str:
    """Return the perceptual hash of an image: which of its slow waves are stronger than most.

    The gray image is averaged down to a square of 4 * `hash_size` pixels, whose discrete cosine transform (DCT-II)
    is taken. Each bit says whether one of the `hash_size` by `hash_size` lowest frequencies is above their median.
    Costs as much as `dhash` and stands changes of contrast and of single places better. Source: Christoph Zauner,
    "Implementation and Benchmarking of Perceptual Image Hash Functions" (2010), section 3.2.1.

    Parameters
    ----------
    image
        Shape (rows, columns) or (rows, columns, channels) with 1, 3 or 4 channels; uint8, uint16, bool, or finite
        float32 or float64 of any range. A fourth channel, alpha, is ignored. Not modified.
    hash_size
        Side of the square of bits, from 2 to 64.

    Returns
    -------
    str
        The `hash_size`**2 bits as lower-case hexadecimal digits of fixed length, 16 for `hash_size` 8: row by row,
        frequencies down the image by row and across it by column, the first bit (the mean) the highest.

    Raises
    ------
    ImageError
        When `image` is not such an array. A ValueError.
    SettingsError
        When `hash_size` is not a whole number from 2 to 64. A ValueError.

    Examples
    --------
    >>> import numpy as np
    >>> from tintype.ops import hamming_distance, phash
    >>> ramp = np.tile(np.arange(256, dtype=np.uint8), (100, 1))
    >>> phash(ramp)
    '8000000000000000'
    >>> hamming_distance(phash(ramp), phash(ramp[:50, ::2]))
    0
    """
    side = read_hash_size(hash_size, "phash")
    n_pixels = OVERSAMPLING * side
    pixels = average_gray(image, rows=n_pixels, columns=n_pixels, action="take the phash of")
    cosines = make_cosines(side, n_pixels)
    strengths = cosines @ pixels @ cosines.T
    # Without the margin, rounding errors would decide about the many zeros of flat and symmetric images.
    return write_bits(strengths > np.median(strengths) + NOISE * np.abs(strengths).max())


def hamming_distance(a: str | int, b: str | int) -> int:
    """Return in how many bits two hashes differ: 0 for images that look the same, about half of them for others.

    Parameters
    ----------
    a, b
        Two results of `dhash`, or two of `phash`, of one `hash_size`; or whole numbers of at least 0.

    Raises
    ------
    SettingsError
        When one is neither, or when two texts differ in length. A ValueError.

    Examples
    --------
    >>> from tintype.ops import hamming_distance
    >>> hamming_distance("00ff", "01fe")
    2
    >>> hamming_distance(0b100, 0b111)
    2
    """
    if isinstance(a, str) and isinstance(b, str) and len(a) != len(b):
        raise SettingsError(
            f"cannot compare hashes of {len(a)} and {len(b)} digits, {a!r} and {b!r}: make both with one hash_size"
        )
    return (read_bits(a) ^ read_bits(b)).bit_count()


def average_gray(image: NDArray[Any], *, rows: int, columns: int, action: str) -> NDArray[np.float64]:
    """Return the grayscale version of an image, averaged down to so many rows and columns."""
    from PIL import Image

    check_image(image, action=action, dtypes=DTYPES)
    gray = to_gray(image)
    if gray.dtype == np.bool_:
        gray = gray.astype(np.uint8) * np.uint8(255)
    if gray.dtype != np.uint8:
        gray = gray.astype(np.float32)
        if not np.isfinite(gray).all():
            raise ImageError(f"cannot {action} a {image.dtype} array of shape {image.shape} that holds NaN or infinity")
    # BOX takes every pixel once: nothing aliases, at a fifth of the cost of Lanczos, and finer filters are no better
    # at this size.
    return np.asarray(Image.fromarray(gray).resize((columns, rows), Image.Resampling.BOX), np.float64)


def make_cosines(n_frequencies: int, n_pixels: int) -> NDArray[np.float64]:
    """Return the lowest rows of the DCT-II matrix: shape (n_frequencies, n_pixels), each row one cosine."""
    places = np.arange(n_pixels) + 0.5
    return np.cos(np.pi / n_pixels * np.outer(np.arange(n_frequencies), places))


def write_bits(bits: NDArray[np.bool_]) -> str:
    """Return bits as hexadecimal digits, the first bit the highest."""
    number = int("".join("1" if bit else "0" for bit in bits.ravel().tolist()), 2)
    return f"{number:0{-(-bits.size // 4)}x}"


def read_bits(value: object) -> int:
    """Return a hash as a number, or say why it is none."""
    try:
        if isinstance(value, str) and re.fullmatch("[0-9a-fA-F]+", value):  # int() takes "0x1f", " 1" and "1_0" too
            return int(value, 16)
        number = -1 if isinstance(value, bool | str) else operator.index(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = -1
    if number < 0:
        raise SettingsError(f"{value!r} is no hash: give hexadecimal digits as of dhash, or a whole number from 0")
    return number


def read_hash_size(hash_size: object, name: str) -> int:
    """Return `hash_size` as an int, or say why it cannot be used."""
    try:
        side = operator.index(hash_size)  # type: ignore[arg-type]
    except TypeError:
        side = 0
    if not 2 <= side <= MAX_HASH_SIZE:
        raise SettingsError(f"{name} got hash_size={hash_size!r}: give a whole number from 2 to {MAX_HASH_SIZE}")
    return side
