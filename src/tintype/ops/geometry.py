"""Ops that cut, pad and turn an image: every pixel that is kept stays as it is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tintype.errors import ImageError, SettingsError
from tintype.ops.checks import DTYPES, check_image, read_fill, read_number, read_pixels, read_shape

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

PAD_MODES = ("fill", "edge", "reflect")
"""What the new pixels around a padded image are; see :func:`pad`."""


class Window(NamedTuple):
    """A rectangle in an image, in pixels."""

    top: int
    left: int
    rows: int
    columns: int


def crop(
    image: NDArray[Any], *, top: int = 0, left: int = 0, height: int | None = None, width: int | None = None
) -> NDArray[Any]:
    """Return a copy of a rectangle of an image.

    Parameters
    ----------
    image
        Shape (rows, columns) or (rows, columns, channels) with 1, 3 or 4 channels; uint8, uint16, bool, float32 or
        float64. Not modified.
    top, left
        The rectangle's first row and column, counted from 0.
    height, width
        Its rows and columns, at least 1; None goes on to the last one.

    Returns
    -------
    numpy.ndarray
        A new C-contiguous array of shape (height, width) or (height, width, channels), with the dtype of `image`.

    Raises
    ------
    ImageError
        When `image` is not such an array, or the rectangle is not wholly within it. A ValueError.
    SettingsError
        When a number is no whole number, or below 0 (for sizes: 1). A ValueError.

    Examples
    --------
    >>> import numpy as np
    >>> from tintype.ops import crop
    >>> crop(np.arange(12, dtype=np.uint8).reshape(3, 4), top=1, left=2, height=2, width=1)
    array([[ 6],
           [10]], dtype=uint8)
    """
    check_image(image, action="crop", dtypes=DTYPES)
    rows, columns = image.shape[:2]
    top = read_pixels(top, action="crop", name="top", least=0)
    left = read_pixels(left, action="crop", name="left", least=0)
    height = rows - top if height is None else read_pixels(height, action="crop", name="height")
    width = columns - left if width is None else read_pixels(width, action="crop", name="width")
    if height < 1 or width < 1 or top + height > rows or left + width > columns:
        raise ImageError(
            f"cannot crop an image of {rows} rows and {columns} columns to {height} rows from row {top} and {width} "
            f"columns from column {left}: give a rectangle within it"
        )
    return cut(image, Window(top, left, height, width))


def crop_center(
    image: NDArray[Any],
    *,
    shape: tuple[int, int] | None = None,
    side: int | None = None,
    fraction: float | None = None,
) -> NDArray[Any]:
    """Return a copy of the middle of an image. Takes exactly one of `shape`, `side` and `fraction`.

    Parameters
    ----------
    image
        Shape (rows, columns) or (rows, columns, channels) with 1, 3 or 4 channels; uint8, uint16, bool, float32 or
        float64. Not modified.
    shape
        The wanted (rows, columns) in pixels, each at least 1. Where an odd pixel is cut off, it is at the bottom or
        the right.
    side
        The wanted length of a square's sides in pixels, at least 1.
    fraction
        How much of each side to keep, above 0 and at most 1, as in creevey's ``centercrop``: from pixel
        ``floor(n * (1 - fraction) / 2)`` up to, without it, pixel ``floor(n * (1 + fraction) / 2)`` of `n`; at least
        one.

    Returns
    -------
    numpy.ndarray
        A new C-contiguous array with the dtype and the channels of `image`.

    Raises
    ------
    ImageError
        When `image` is not such an array, or smaller than `shape` or `side`. A ValueError.
    SettingsError
        When not exactly one size is given, or one that no image has. A ValueError.

    Examples
    --------
    >>> import numpy as np
    >>> from tintype.ops import crop_center
    >>> photo = np.zeros((34, 25, 3), np.uint8)
    >>> crop_center(photo, side=20).shape
    (20, 20, 3)
    >>> crop_center(photo, fraction=0.5).shape
    (17, 12, 3)
    """
    check_image(image, action="crop_center", dtypes=DTYPES)
    given = {
        name: value for name, value in {"shape": shape, "side": side, "fraction": fraction}.items() if value is not None
    }
    if len(given) != 1:
        got = ", ".join(f"{name}={value!r}" for name, value in given.items()) or "none of them"
        raise SettingsError(f"crop_center takes exactly one of shape, side and fraction, and got {got}")
    rows, columns = image.shape[:2]
    if fraction is not None:
        (top, height), (left, width) = cut_fraction(rows, fraction), cut_fraction(columns, fraction)
        return cut(image, Window(top, left, height, width))
    if shape is not None:
        height, width = read_shape(shape, action="crop_center")
    else:
        height = width = read_pixels(side, action="crop_center", name="side")
    if height > rows or width > columns:
        raise ImageError(
            f"cannot crop_center an image of {rows} rows and {columns} columns to {height} rows and {width} columns: "
            "resize or pad it first"
        )
    return cut(image, centre(height, width, rows, columns))


def trim_edges(image: NDArray[Any], *, top: int = 0, bottom: int = 0, left: int = 0, right: int = 0) -> NDArray[Any]:
    """Return a copy of an image without so many pixels at each edge: the opposite of :func:`pad`.

    Parameters
    ----------
    image
        Shape (rows, columns) or (rows, columns, channels) with 1, 3 or 4 channels; uint8, uint16, bool, float32 or
        float64. Not modified.
    top, bottom
        How many rows to cut off, at least 0.
    left, right
        How many columns to cut off, at least 0.

    Returns
    -------
    numpy.ndarray
        A new C-contiguous array with the dtype and the channels of `image`.

    Raises
    ------
    ImageError
        When `image` is not such an array, or nothing would be left of it. A ValueError.
    SettingsError
        When a number is no whole number, or below 0. A ValueError.

    Examples
    --------
    >>> import numpy as np
    >>> from tintype.ops import trim_edges
    >>> trim_edges(np.zeros((600, 400, 3), np.uint8), bottom=100).shape
    (500, 400, 3)
    """
    check_image(image, action="trim_edges", dtypes=DTYPES)
    edges = read_edges(top, bottom, left, right, action="trim_edges")
    rows, columns = image.shape[:2]
    window = Window(edges[0], edges[2], rows - edges[0] - edges[1], columns - edges[2] - edges[3])
    if window.rows < 1 or window.columns < 1:
        raise ImageError(
            f"cannot trim_edges of an image of {rows} rows and {columns} columns by top={top}, bottom={bottom}, "
            f"left={left}, right={right}: nothing would be left"
        )
    return cut(image, window)


def pad(
    image: NDArray[Any],
    *,
    top: int = 0,
    bottom: int = 0,
    left: int = 0,
    right: int = 0,
    mode: str = "fill",
    fill: float | tuple[float, ...] = 0,
) -> NDArray[Any]:
    """Return a copy of an image with so many more pixels at each edge.

    Parameters
    ----------
    image
        Shape (rows, columns) or (rows, columns, channels) with 1, 3 or 4 channels; uint8, uint16, bool, float32 or
        float64. Not modified.
    top, bottom
        How many rows to add, at least 0.
    left, right
        How many columns to add, at least 0.
    mode
        What the new pixels are: ``fill`` gives them one colour; ``edge`` repeats the nearest pixel; ``reflect`` goes
        on as in a mirror that stands on the first or last pixel, without repeating that.
    fill
        The colour for ``mode="fill"``, in the image's own range: one number for all channels, also alpha, or one for
        each.

    Returns
    -------
    numpy.ndarray
        A new C-contiguous array with the dtype and the channels of `image`.

    Raises
    ------
    ImageError
        When `image` is not such an array, or `fill` does not suit it. A ValueError.
    SettingsError
        When a number is no whole number, or below 0, or there is no such mode. A ValueError.

    Examples
    --------
    >>> import numpy as np
    >>> from tintype.ops import pad
    >>> gray = np.array([[1, 2, 3]], np.uint8)
    >>> pad(gray, left=2, fill=255)
    array([[255, 255,   1,   2,   3]], dtype=uint8)
    >>> pad(gray, left=2, mode="reflect")
    array([[3, 2, 1, 2, 3]], dtype=uint8)
    """
    check_image(image, action="pad", dtypes=DTYPES)
    top, bottom, left, right = read_edges(top, bottom, left, right, action="pad")
    if mode not in PAD_MODES:
        raise SettingsError(f"pad got mode={mode!r}: give one of {', '.join(PAD_MODES)}")
    if mode == "fill":
        rows, columns = image.shape[:2]
        shape = (top + rows + bottom, left + columns + right)
        return place(image, Window(top, left, rows, columns), shape, read_fill(fill, image, action="pad"))
    widths = ((top, bottom), (left, right), (0, 0))
    padded: NDArray[Any] = np.pad(image, widths[: image.ndim], mode=mode)  # type: ignore[call-overload]
    return np.ascontiguousarray(padded)


def flip_horizontal(image: NDArray[Any]) -> NDArray[Any]:
    """Return a copy of an image with left and right swapped, as in a mirror.

    Parameters
    ----------
    image
        Shape (rows, columns) or (rows, columns, channels) with 1, 3 or 4 channels; uint8, uint16, bool, float32 or
        float64. Not modified.

    Returns
    -------
    numpy.ndarray
        A new C-contiguous array with the shape and the dtype of `image`; equal to ``np.fliplr(image)``.

    Raises
    ------
    ImageError
        When `image` is not such an array. A ValueError.

    Examples
    --------
    >>> import numpy as np
    >>> from tintype.ops import flip_horizontal
    >>> flip_horizontal(np.array([[1, 2], [3, 4]], np.uint8))
    array([[2, 1],
           [4, 3]], dtype=uint8)
    """
    return move_pixels(image, np.fliplr, action="flip")


def flip_vertical(image: NDArray[Any]) -> NDArray[Any]:
    """Return a copy of an image with top and bottom swapped; otherwise as :func:`flip_horizontal`.

    Examples
    --------
    >>> import numpy as np
    >>> from tintype.ops import flip_vertical
    >>> flip_vertical(np.array([[1, 2], [3, 4]], np.uint8))
    array([[3, 4],
           [1, 2]], dtype=uint8)
    """
    check_image(image, action="flip", dtypes=DTYPES)
    return np.array(image[::-1], order="C")


def rotate_90(image: NDArray[Any]) -> NDArray[Any]:
    """Return a copy of an image turned by a quarter, counter-clockwise, as ``np.rot90`` does.

    Parameters
    ----------
    image
        Shape (rows, columns) or (rows, columns, channels) with 1, 3 or 4 channels; uint8, uint16, bool, float32 or
        float64. Not modified.

    Returns
    -------
    numpy.ndarray
        A new C-contiguous array of shape (columns, rows) or (columns, rows, channels), with the dtype of `image`.

    Raises
    ------
    ImageError
        When `image` is not such an array. A ValueError.

    Examples
    --------
    >>> import numpy as np
    >>> from tintype.ops import rotate_90
    >>> rotate_90(np.array([[1, 2, 3], [4, 5, 6]], np.uint8))
    array([[3, 6],
           [2, 5],
           [1, 4]], dtype=uint8)
    """
    return move_pixels(image, np.rot90, action="rotate")


def rotate_180(image: NDArray[Any]) -> NDArray[Any]:
    """Return a copy of an image turned upside down; otherwise as :func:`rotate_90`, but of the image's own shape.

    Examples
    --------
    >>> import numpy as np
    >>> from tintype.ops import rotate_180
    >>> rotate_180(np.array([[1, 2, 3], [4, 5, 6]], np.uint8))
    array([[6, 5, 4],
           [3, 2, 1]], dtype=uint8)
    """
    return move_pixels(image, lambda pixels: pixels[::-1, ::-1], action="rotate")


def rotate_270(image: NDArray[Any]) -> NDArray[Any]:
    """Return a copy of an image turned by three quarters counter-clockwise, one clockwise; as :func:`rotate_90`.

    Examples
    --------
    >>> import numpy as np
    >>> from tintype.ops import rotate_270
    >>> rotate_270(np.array([[1, 2, 3], [4, 5, 6]], np.uint8))
    array([[4, 1],
           [5, 2],
           [6, 3]], dtype=uint8)
    """
    return move_pixels(image, lambda pixels: np.rot90(pixels, 3), action="rotate")


def cut(image: NDArray[Any], window: Window) -> NDArray[Any]:
    """Return a copy of what is in a window, which must lie within the image."""
    top, left, rows, columns = window
    return np.array(image[top : top + rows, left : left + columns], order="C")


def centre(rows: int, columns: int, outer_rows: int, outer_columns: int) -> Window:
    """Return the place of so many rows and columns amid others; an odd pixel is left below, or to the right."""
    return Window((outer_rows - rows) // 2, (outer_columns - columns) // 2, rows, columns)


def cut_fraction(pixels: int, fraction: Any) -> tuple[int, int]:
    """Return where the middle of a side starts, and how long it is."""
    wanted = "a number above 0 and at most 1"
    share = read_number(fraction, action="crop_center", name="fraction", wanted=wanted)
    if not 0 < share <= 1:
        raise SettingsError(f"crop_center got fraction={fraction!r}: give {wanted}")
    start = math.floor((pixels - pixels * share) / 2)
    return start, max(1, math.floor((pixels + pixels * share) / 2) - start)


def read_edges(top: int, bottom: int, left: int, right: int, *, action: str) -> tuple[int, int, int, int]:
    """Return four numbers of pixels, each at least 0, as ints, or raise a SettingsError."""
    return (
        read_pixels(top, action=action, name="top", least=0),
        read_pixels(bottom, action=action, name="bottom", least=0),
        read_pixels(left, action=action, name="left", least=0),
        read_pixels(right, action=action, name="right", least=0),
    )


def place(image: NDArray[Any], window: Window, shape: tuple[int, int], colour: NDArray[Any]) -> NDArray[Any]:
    """Return an array of that (rows, columns) with `image` in the window, and the colour around it."""
    top, left, rows, columns = window
    placed = np.empty((*shape, *image.shape[2:]), image.dtype)
    for border in (placed[:top], placed[top + rows :], placed[:, :left], placed[:, left + columns :]):
        border[...] = colour
    placed[top : top + rows, left : left + columns] = image
    return placed


def move_pixels(image: NDArray[Any], move: Callable[[NDArray[Any]], NDArray[Any]], *, action: str) -> NDArray[Any]:
    """Return a copy of the view of an image that `move` returns."""
    check_image(image, action=action, dtypes=DTYPES)
    if image.ndim == 2:
        return np.array(move(image), order="C")
    # NumPy copies a pixel as one item twice as fast as channel by channel.
    item = np.dtype((np.void, image.itemsize * image.shape[2]))
    moved = np.array(move(np.ascontiguousarray(image).view(item)[..., 0]), order="C")
    return moved.view(image.dtype).reshape(*moved.shape, image.shape[2])
