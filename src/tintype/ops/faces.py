"""Ops that find faces and take them out of images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tintype.errors import ImageError, SettingsError
from tintype.ops.checks import DTYPES, WHITE, check_image, check_range, read_fill, read_number, read_pixels
from tintype.ops.face_detectors import Box, CascadeDetector, FaceDetector

if TYPE_CHECKING:
    from numpy.typing import NDArray

MODES = ("crop", "blur", "pixelate", "mask")


def find_faces(image: NDArray[Any], detector: FaceDetector | None = None) -> list[Box]:
    """Return where the faces of an image are.

    Parameters
    ----------
    image
        Shape (rows, columns) or (rows, columns, channels) with 1, 3 or 4 channels, red first; uint8, uint16, bool, or
        float32 or float64 from 0.0 to 1.0. A fourth channel, alpha, is ignored. Not modified.
    detector
        What finds them: `CascadeDetector` (the default, offline, nothing to install), `HaarDetector`, `YuNetDetector`,
        `SsdDetector`, or any function from a uint8 RGB image to boxes (top, left, height, width).

    Returns
    -------
    list of Box
        In pixels, each with at least one, all within the image; the largest first, then from the top, from the left.

    Raises
    ------
    ImageError
        When `image` is not such an array. A ValueError.
    SettingsError
        When `detector` is no function or does not return boxes, or its model cannot be used. A ValueError.
    MissingPackageError
        When `detector` needs a package that is not installed. An ImportError.

    Examples
    --------
    >>> import skimage.data
    >>> from tintype.ops import find_faces
    >>> photo = skimage.data.astronaut()
    >>> [face] = find_faces(photo)
    >>> face.top < 120 < face.bottom and face.left < 220 < face.right
    True
    >>> find_faces(photo[250:])
    []
    """
    detect = CascadeDetector() if detector is None else detector
    if not callable(detect):
        raise SettingsError(f"find_faces got detector={detect!r}: give a function from an image to boxes")
    rgb = to_uint8_rgb(image)
    found = detect(rgb)
    try:
        boxes = [clip_box(box, rgb.shape[0], rgb.shape[1]) for box in found]
    except (TypeError, ValueError, OverflowError) as error:
        raise SettingsError(
            f"the detector {detect!r} returned {found!r}: give boxes of four numbers, (top, left, height, width)"
        ) from error
    kept = [box for box in boxes if box.height > 0 and box.width > 0]
    return sorted(kept, key=lambda box: (-box.height * box.width, box))


def remove_faces(
    image: NDArray[Any],
    mode: str = "crop",
    *,
    pad: int = 15,
    detector: FaceDetector | None = None,
    min_left: float = 0.1,
    n_blocks: int = 6,
    fill: float | Sequence[float] = 0,
) -> NDArray[Any]:
    """Return a copy of an image without its faces.

    Parameters
    ----------
    image
        Shape (rows, columns) or (rows, columns, channels) with 1, 3 or 4 channels, red first; uint8, uint16, bool, or
        float32 or float64 from 0.0 to 1.0. Not modified.
    mode
        ``"crop"`` cuts off everything above the lower edge of the lowest face, which leaves the clothes of a person
        who stands. The others change the pixels of the faces and nothing else: ``"blur"`` and ``"pixelate"`` to
        averages over `n_blocks` blocks a side, with soft or hard edges, ``"mask"`` to one colour.
    pad
        Number of pixels around each face (for ``"crop"``: below it) that go as well, at least 0.
    detector
        What finds the faces, as in `find_faces`.
    min_left
        For ``"crop"``: least part of the rows that must be left, above 0.0, at most 1.0. One row must be left always.
    n_blocks
        For ``"blur"`` and ``"pixelate"``: number of blocks along the longer side of a face with its pad, at least 1.
    fill
        For ``"mask"``: the colour, in the range of `image`; one number, or one for each channel.

    Returns
    -------
    numpy.ndarray
        A new C-contiguous array with the dtype and channels of `image`, never empty; the whole image when it shows no
        face.

    Raises
    ------
    ImageError
        When `image` is not such an array or cannot hold `fill`, or when ``"crop"`` would leave less than `min_left`.
        A ValueError.
    SettingsError
        When another argument holds what cannot be used. A ValueError.
    MissingPackageError
        When `detector` needs a package that is not installed. An ImportError.

    Examples
    --------
    >>> import skimage.data
    >>> from tintype.ops import find_faces, remove_faces
    >>> photo = skimage.data.astronaut()
    >>> remove_faces(photo).shape[0] == 512 - find_faces(photo)[0].bottom - 15
    True
    >>> find_faces(remove_faces(photo, "pixelate"))
    []
    """
    check_options(mode, pad=pad, min_left=min_left, n_blocks=n_blocks)
    check_image(image, action="remove faces from", dtypes=DTYPES)
    colour = read_fill(fill, image, action="remove faces from") if mode == "mask" else None
    faces = find_faces(image, detector)
    if mode == "crop":
        return crop_below(image, faces, pad=pad, min_left=min_left)
    result = np.array(image, order="C")
    for face in faces:
        region = result[max(0, face.top - pad) : face.bottom + pad, max(0, face.left - pad) : face.right + pad]
        region[...] = colour if colour is not None else average_blocks(region, n_blocks, smooth=mode == "blur")
    return result


def to_uint8_rgb(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Return an image as C-contiguous uint8 of shape (rows, columns, 3); perhaps itself."""
    check_image(image, action="find faces in", dtypes=DTYPES)
    check_range(image, action="find faces in")
    white = WHITE[image.dtype.name]
    values = image if image.dtype == np.uint8 else np.rint(image * (255 / white)).astype(np.uint8)
    if values.ndim == 2:
        values = values[..., np.newaxis]
    if values.shape[2] == 1:
        values = np.broadcast_to(values, (*values.shape[:2], 3))
    return np.ascontiguousarray(values[..., :3])


def clip_box(box: Sequence[float], rows: int, columns: int) -> Box:
    """Return a box as whole pixels within an image: all those that it touches."""
    top, left, height, width = box
    first_row, first_column = max(0, math.floor(top)), max(0, math.floor(left))
    last_row, last_column = min(rows, math.ceil(top + height)), min(columns, math.ceil(left + width))
    return Box(first_row, first_column, last_row - first_row, last_column - first_column)


def crop_below(image: NDArray[Any], faces: list[Box], *, pad: int, min_left: float) -> NDArray[Any]:
    """Return a copy of the rows below the lowest face and its pad."""
    rows = image.shape[0]
    if not faces:
        return np.array(image, order="C")
    bottom = max(face.bottom for face in faces)
    n_left = rows - bottom - pad
    if n_left < max(1, min_left * rows):
        raise ImageError(
            f"cannot crop an image of {rows} rows below its lowest face, which ends at row {bottom}: with pad={pad} "
            f"that leaves {max(0, n_left)} rows, less than min_left={min_left} of all; blur, pixelate or mask instead"
        )
    return np.array(image[bottom + pad :], order="C")


def average_blocks(region: NDArray[Any], n_blocks: int, *, smooth: bool) -> NDArray[Any]:
    """Return a rectangle of an image averaged over square blocks, as these or, smooth, with slopes between them."""
    planes = np.atleast_3d(region).astype(np.float64)
    rows, columns = planes.shape[:2]
    side = max(rows, columns) / n_blocks
    means_down, spread_down = make_weights(rows, round(rows / side), smooth=smooth)
    means_across, spread_across = make_weights(columns, round(columns / side), smooth=smooth)
    blocks = np.einsum("br,rsc,ds->bdc", means_down, planes, means_across, optimize=True)
    result = np.einsum("rb,bdc,sd->rsc", spread_down, blocks, spread_across, optimize=True).reshape(region.shape)
    if region.dtype.kind != "f":
        result = np.rint(result)  # for bool: True where more than half was
    # Rounding errors may lead out of the range by the last digit.
    averaged: NDArray[Any] = np.clip(result, region.min(), region.max()).astype(region.dtype)
    return averaged


def make_weights(n_pixels: int, n_blocks: int, *, smooth: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the matrices that average pixels to blocks (n_blocks, n_pixels), and that spread these out again."""
    n_blocks = min(max(1, n_blocks), n_pixels)
    block_of = np.arange(n_pixels) * n_blocks // n_pixels
    member = (block_of == np.arange(n_blocks)[:, np.newaxis]).astype(np.float64)
    means = member / member.sum(axis=1, keepdims=True)
    if not smooth:
        return means, member.T
    places = np.clip((np.arange(n_pixels) + 0.5) * n_blocks / n_pixels - 0.5, 0, n_blocks - 1)
    return means, np.maximum(0, 1 - np.abs(places[:, np.newaxis] - np.arange(n_blocks)))


def check_options(mode: object, *, pad: object, min_left: object, n_blocks: object) -> None:
    """Refuse options that cannot be used."""
    if mode not in MODES:
        raise SettingsError(f"remove_faces got mode={mode!r}: give one of {', '.join(MODES)}")
    read_pixels(pad, action="remove_faces", name="pad", least=0)
    read_pixels(n_blocks, action="remove_faces", name="n_blocks", least=1)
    wanted = "a part of the rows, above 0.0, at most 1.0"
    if not 0 < read_number(min_left, action="remove_faces", name="min_left", wanted=wanted) <= 1:
        raise SettingsError(f"remove_faces got min_left={min_left!r}: give {wanted}")
