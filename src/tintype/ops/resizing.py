"""Resizing: from what is asked for to a plan, from a plan and an image to a new image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tintype.errors import ImageError, SettingsError
from tintype.ops.checks import DTYPES, check_image, read_fill, read_number, read_pixels, read_shape
from tintype.ops.geometry import Window, centre, place
from tintype.ops.resampling import AREA, FILTERS, resample

if TYPE_CHECKING:
    from numpy.typing import NDArray

MODES = ("stretch", "keep_ratio", "border", "center_crop")
"""How an image of other proportions comes to a shape; see :func:`resize`."""


def resize(
    image: NDArray[Any],
    *,
    shape: tuple[int, int] | None = None,
    min_dim: int | None = None,
    max_side: int | None = None,
    scale: float | None = None,
    mode: str = "stretch",
    only_if_bigger: bool = False,
    resample: str | None = None,
    fill: float | tuple[float, ...] = 0,
) -> NDArray[Any]:
    """Return a copy of an image with another number of rows and columns.

    Takes exactly one of `shape`, `min_dim`, `max_side` and `scale`. All but `shape` keep the proportions. Sides are
    rounded to the nearest pixel, halves up, and are never below 1. To resize many images alike, make a
    :class:`ResizePlan` once.

    Every filter but nearest averages over all source pixels when it reduces, so that nothing aliases; lanczos,
    bicubic, hamming and bilinear first average whole blocks when they reduce more than sixfold. The colours of uint8
    RGBA images are then weighted by their alpha, so that transparent pixels do not bleed; bool images, such as masks,
    become True where at least half of the new pixel was; float64 images are computed in single precision.

    Parameters
    ----------
    image
        Shape (rows, columns) or (rows, columns, channels) with 1, 3 or 4 channels; uint8, uint16, bool, or finite
        float32 or float64 of any range. Not modified.
    shape
        The wanted (rows, columns) in pixels, each at least 1.
    min_dim
        The wanted length of the shorter side in pixels, at least 1.
    max_side
        The wanted length of the longer side in pixels, at least 1.
    scale
        The factor for both sides, above 0: 0.5 halves them.
    mode
        How an image of other proportions comes to `shape`: ``stretch`` changes the proportions; ``keep_ratio`` gives
        the largest image that fits within it, so that one side may be shorter; ``border`` pads that one to exactly
        `shape`, the image in the centre; ``center_crop`` gives the smallest image that covers it, and cuts that one
        to `shape` around the centre. An odd pixel of border or cut is at the bottom or the right.
    only_if_bigger
        Do not resample an image where that would enlarge it or leave its size. stretch still does when only one side
        grows. border still pads the image, to exactly `shape`; center_crop still cuts it, to at most `shape`.
    resample
        One of Pillow's filters: ``nearest``, ``box``, ``bilinear``, ``hamming``, ``bicubic``, ``lanczos``. None takes
        hamming when no side grows, and otherwise lanczos: on photographs reduced from 1024 x 768 to 224 x 224,
        hamming has 41.7 dB PSNR against lanczos, as much as averaging over areas (41.6), at 0.4 of lanczos' cost.
        ``nearest`` is for label masks: it makes no new values, whatever the dtype. ``area`` is OpenCV's average, which
        needs ``pip install 'tintype[faces]'``: like hamming, a tenth to a quarter less for the whole of decoding,
        resizing and encoding; images that grow or have alpha are resized as for None.
    fill
        The colour of the border: one number for all channels, or one for each. Only for ``mode="border"``.

    Returns
    -------
    numpy.ndarray
        A new C-contiguous array with the dtype and the channels of `image`. Values never leave the range of the
        dtype or, for floats, that of `image` and `fill`.

    Raises
    ------
    SettingsError
        When not exactly one size is given, or an argument cannot be used with any image. A ValueError.
    ImageError
        When `image` is not such an array, or `fill` does not suit it. A ValueError.

    Examples
    --------
    >>> import numpy as np
    >>> from tintype.ops import resize
    >>> photo = np.zeros((400, 600, 3), np.uint8)
    >>> resize(photo, max_side=300).shape
    (200, 300, 3)
    >>> resize(photo, min_dim=224).shape
    (224, 336, 3)
    >>> resize(photo, shape=(224, 224), mode="center_crop").shape
    (224, 224, 3)
    >>> resize(photo, shape=(224, 224), mode="keep_ratio").shape
    (149, 224, 3)
    >>> resize(photo, max_side=1000, only_if_bigger=True).shape
    (400, 600, 3)
    """
    plan = ResizePlan(
        shape=shape,
        min_dim=min_dim,
        max_side=max_side,
        scale=scale,
        mode=mode,
        only_if_bigger=only_if_bigger,
        resample=resample,
        fill=fill,
    )
    return plan(image)


@dataclass(frozen=True, kw_only=True, slots=True)
class ResizePlan:
    """What :func:`resize` is asked for, checked once: call it with an image, as often as there are images.

    Can be pickled, compared and hashed, and used by many threads at once.

    Raises
    ------
    SettingsError
        When not exactly one size is given, or a field cannot be used with any image. A ValueError.

    Examples
    --------
    >>> import numpy as np
    >>> from tintype.ops import ResizePlan
    >>> thumbnail = ResizePlan(shape=(100, 100), mode="center_crop")
    >>> thumbnail(np.zeros((768, 1024, 3), np.uint8)).shape
    (100, 100, 3)
    >>> thumbnail.target_size(1024, 768)
    (133, 100)
    """

    shape: tuple[int, int] | None = None
    """The wanted (rows, columns) in pixels."""
    min_dim: int | None = None
    """The wanted length of the shorter side in pixels."""
    max_side: int | None = None
    """The wanted length of the longer side in pixels."""
    scale: float | None = None
    """The factor for both sides."""
    mode: str = "stretch"
    """How an image of other proportions comes to `shape`: one of MODES."""
    only_if_bigger: bool = False
    """Whether images that would grow are left at their size."""
    resample: str | None = None
    """One of Pillow's filters; None takes hamming when no side grows, and otherwise lanczos."""
    fill: float | tuple[float, ...] = 0
    """The colour of the border: one number for all channels, or one for each."""

    def __post_init__(self) -> None:
        """Check the fields, and make plain numbers and tuples of NumPy's numbers, lists and arrays."""
        sizes = {"shape": self.shape, "min_dim": self.min_dim, "max_side": self.max_side, "scale": self.scale}
        given = {name: value for name, value in sizes.items() if value is not None}
        if len(given) != 1:
            got = ", ".join(f"{name}={value!r}" for name, value in given.items()) or "none of them"
            raise SettingsError(
                f"resize takes exactly one of shape, min_dim and max_side, or scale in their place, and got {got}"
            )
        [(name, value)] = given.items()
        object.__setattr__(self, name, read_size(name, value))
        object.__setattr__(self, "fill", read_colour(self.fill))
        if self.mode not in MODES:
            raise SettingsError(f"resize got mode={self.mode!r}: give one of {', '.join(MODES)}")
        if self.mode != "stretch" and self.shape is None:
            raise SettingsError(f"resize got mode={self.mode!r} with {name}={value!r}: a mode goes with shape only")
        known = (*FILTERS, AREA)
        if self.resample is not None and self.resample not in known:
            raise SettingsError(f"resize got resample={self.resample!r}: give one of {', '.join(known)}, or None")

    def __call__(self, image: NDArray[Any]) -> NDArray[Any]:
        """Return a resized copy of an image, as :func:`resize` does."""
        return self.apply(image)

    def apply(self, image: NDArray[Any], *, full_size: tuple[int, int] | None = None) -> NDArray[Any]:
        """Return a resized copy of an image that may stand for a larger one.

        JPEG files can be decoded at half, a quarter or an eighth of their size, which is much quicker. The result's
        shape, and what `only_if_bigger` decides, are then still those of the whole image.

        Parameters
        ----------
        image
            The pixels, as for :func:`resize`: of the whole image, or of a reduced one, which should be at least of
            the :meth:`target_size` of the whole. Not modified.
        full_size
            (width, height) of the whole image in pixels; None when `image` is the whole.

        Raises
        ------
        ImageError
            When `image` cannot be a reduced form of an image of that size: it is larger, or its proportions are
            others by more than the rounding of a pixel, such as those of an image on its side.

        Examples
        --------
        >>> import numpy as np
        >>> half = np.zeros((192, 257), np.uint8)  # of 513 x 383 pixels
        >>> ResizePlan(scale=0.2).apply(half, full_size=(513, 383)).shape
        (77, 103)
        """
        check_image(image, action="resize", dtypes=DTYPES)
        rows, columns = image.shape[:2] if full_size is None else read_full_shape(full_size, image)
        content = plan_content(self, rows, columns)
        window = Window(0, 0, *content)
        if self.mode == "center_crop":
            window = centre(*self.shape_of(rows, columns), *content)
        resized = resample(image, content, window=window, filter_name=self.resample)
        if self.mode == "border":
            shape = self.shape_of(rows, columns)
            return place(resized, centre(*content, *shape), shape, read_fill(self.fill, image, action="resize"))
        return resized

    def target_size(self, width: int, height: int) -> tuple[int, int]:
        """Return the (width, height) that an image is resampled to, before a border is added or an edge is cut.

        An image that is decoded at a reduced scale loses nothing by it as long as it is at least of this size.

        Examples
        --------
        >>> ResizePlan(max_side=256).target_size(1024, 768)
        (256, 192)
        """
        rows, columns = plan_content(self, height, width)
        return columns, rows

    def shape_of(self, rows: int, columns: int) -> tuple[int, int]:
        """Return the (rows, columns) that an image with so many rows and columns comes to.

        Examples
        --------
        >>> ResizePlan(max_side=256).shape_of(768, 1024)
        (192, 256)
        """
        content = plan_content(self, rows, columns)
        if self.shape is not None and self.mode == "border":
            return self.shape
        if self.shape is not None and self.mode == "center_crop":
            return min(content[0], self.shape[0]), min(content[1], self.shape[1])
        return content


def read_size(name: str, value: Any) -> tuple[int, int] | int | float:
    """Return the one size that is given as plain numbers, or say why it is none."""
    if name == "shape":
        return read_shape(value, action="resize")
    if name != "scale":
        return read_pixels(value, action="resize", name=name)
    scale = read_number(value, action="resize", name="scale", wanted="a factor above 0")
    if scale <= 0:
        raise SettingsError(f"resize got scale={value!r}: give a factor above 0")
    return scale


def read_colour(fill: Any) -> float | tuple[float, ...]:
    """Return a fill as a number or a tuple of numbers; whether it suits an image is seen with the image."""
    numbers = np.asarray(fill)
    if numbers.ndim > 1 or numbers.size == 0 or numbers.dtype.kind not in "buif" or not np.isfinite(numbers).all():
        raise SettingsError(f"resize got fill={fill!r}: give one number, or one for each channel")
    return tuple(numbers.tolist()) if numbers.ndim else numbers.item()


def read_full_shape(full_size: tuple[int, int], image: NDArray[Any]) -> tuple[int, int]:
    """Return the (rows, columns) of the whole image, after a look at whether `image` can be a reduced form of it."""
    width, height = full_size
    rows, columns = image.shape[:2]
    # A side of n reduced pixels was n - 1 to n + 1 of them before it was rounded.
    alike = (rows - 1) * width < (columns + 1) * height and (columns - 1) * height < (rows + 1) * width
    if rows > height or columns > width or not alike:
        raise ImageError(
            f"cannot resize an array of shape {image.shape} as a reduced form of an image with {height} rows and "
            f"{width} columns: give full_size as the (width, height) of the whole image, turned as the array is"
        )
    return height, width


def plan_content(plan: ResizePlan, rows: int, columns: int) -> tuple[int, int]:
    """Return the (rows, columns) that a whole image is resampled to, before a border or a cut."""
    wanted = scale_shape(plan, rows, columns)
    if plan.only_if_bigger and wanted[0] >= rows and wanted[1] >= columns:
        return rows, columns
    return wanted


def scale_shape(plan: ResizePlan, rows: int, columns: int) -> tuple[int, int]:
    """Return the (rows, columns) that are asked for, whether they are more or fewer."""
    if plan.scale is not None:
        return max(1, int(rows * plan.scale + 0.5)), max(1, int(columns * plan.scale + 0.5))
    if plan.min_dim is not None:
        wanted, side = plan.min_dim, min(rows, columns)
    elif plan.max_side is not None:
        wanted, side = plan.max_side, max(rows, columns)
    else:
        assert plan.shape is not None
        if plan.mode == "stretch":
            return plan.shape
        height, width = plan.shape
        rows_decide = (height * columns < width * rows) != (plan.mode == "center_crop")
        wanted, side = (height, rows) if rows_decide else (width, columns)
    return scale_side(rows, wanted, side), scale_side(columns, wanted, side)


def scale_side(pixels: int, wanted: int, side: int) -> int:
    """Return pixels * wanted / side to the nearest whole number, halves up, at least 1."""
    return max(1, (2 * pixels * wanted + side) // (2 * side))
