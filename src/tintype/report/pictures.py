"""Small pictures of files, written beside the page, and what is measured on the way."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tintype.errors import TintypeError
from tintype.load_funcs.any_file import is_image_extension
from tintype.load_funcs.arrays import load_array
from tintype.load_funcs.image import load_at_least
from tintype.ops.contact_sheets import is_picture, to_small
from tintype.ops.hashes import hamming_distance, phash
from tintype.ops.statistics import mean_brightness, sharpness
from tintype.rebuilding.words import describe_error, describe_size

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tintype.report.tracing import Node

SIDE = 192
"""Longest side of a small picture in pixels."""
QUALITY = 80
MOST_ARRAY_BYTES = 1 << 28
"""Larger arrays are not loaded to be shown."""
NEAR = 4
"""Bits, of 64, in which the perceptual hashes of sampled files that are called alike differ at most."""


@dataclass(frozen=True)
class Wanted:
    """A file to be shown."""

    number: int
    path: str
    is_measured: bool


@dataclass(frozen=True)
class Picture:
    """A file as a page shows it."""

    note: str
    """What it is, or why it cannot be shown."""
    file: str | None = None
    """The small picture, relative to the page; None where there is none."""
    size: tuple[int, int] | None = None
    """(width, height) of the small picture."""
    measured: Mapping[str, float] = field(default_factory=dict)
    """Values by the names of measures; of an image alone."""
    phash: str | None = None
    """The perceptual hash of the small picture."""


class PictureBook:
    """The files that a page shows, each once, however often it is shown.

    Parameters
    ----------
    folder
        Of the page.
    max_pixels
        Images with more pixels are not decoded.
    """

    FOLDER = "pictures"

    def __init__(self, folder: Path, *, max_pixels: int) -> None:
        self._folder = folder
        self._max_pixels = max_pixels
        self._wanted: dict[tuple[int, str], Wanted] = {}
        self._pictures: dict[tuple[int, str], Picture] = {}

    def want(self, node: Node, outpath: str | None, *, is_measured: bool = False) -> None:
        """Ask for the picture of a file; before :meth:`draw`."""
        if outpath is None:
            return
        key = (node.number, outpath)
        known = self._wanted.get(key)
        number = len(self._wanted) if known is None else known.number
        is_measured = is_measured or (known is not None and known.is_measured)
        self._wanted[key] = Wanted(number, f"{node.files_folder}/{outpath}", is_measured)

    def draw(self, n_jobs: int) -> None:
        """Write the pictures, `n_jobs` at a time."""
        (self._folder / self.FOLDER).mkdir()
        with ThreadPoolExecutor(n_jobs) as executor:
            pictures = executor.map(partial(_draw, self._folder, self._max_pixels), self._wanted.values())
            self._pictures = dict(zip(self._wanted, pictures, strict=True))

    def find(self, node: Node, outpath: str | None) -> Picture | None:
        """Return the picture of a file; None when it was not asked for."""
        return None if outpath is None else self._pictures.get((node.number, outpath))

    def __len__(self) -> int:
        """Return the number of pictures that were written."""
        return sum(picture.file is not None for picture in self._pictures.values())


def find_near(pictures: Iterable[tuple[str, Picture]]) -> list[tuple[str, str, int]]:
    """Return the names of pictures that look alike, two by two, with the bits in which their hashes differ.

    Each is compared with each, so this is for a sample.

    Parameters
    ----------
    pictures
        Each with its name.
    """
    hashed = [(name, text) for name, picture in pictures if (text := picture.phash) is not None]
    pairs = [(one, other, hamming_distance(a, b)) for (one, a), (other, b) in combinations(hashed, 2)]
    return sorted((pair for pair in pairs if pair[2] <= NEAR), key=lambda pair: pair[2])


def _draw(folder: Path, max_pixels: int, wanted: Wanted) -> Picture:
    """Write the picture of a file, or say what stands in its place."""
    try:
        pixels, full_size = _load(wanted, max_pixels)
        if pixels is None:
            return Picture(describe_size(os.stat(wanted.path).st_size))
        return _write(folder, wanted, pixels, full_size)
    except FileNotFoundError:
        return Picture("the file is not there any more")
    except (TintypeError, OSError, ValueError, TypeError) as error:
        return Picture(f"cannot be shown: {describe_error(error).replace(wanted.path, os.path.basename(wanted.path))}")


def _load(wanted: Wanted, max_pixels: int) -> tuple[npt.NDArray[Any] | None, tuple[int, int]]:
    """Return an image, and the size that it has in full; None for what is none."""
    extension = os.path.splitext(wanted.path)[1].lower()
    if extension == ".npy" and os.stat(wanted.path).st_size <= MOST_ARRAY_BYTES:
        array: npt.NDArray[Any] = load_array(wanted.path)
        return (array, (array.shape[1], array.shape[0])) if is_picture(array) else (None, (0, 0))
    if not is_image_extension(extension):
        return None, (0, 0)
    target = None if wanted.is_measured else _reduce
    decoded = load_at_least(wanted.path, max_pixels=max_pixels, target_size=target)
    return decoded.pixels, decoded.full_size


def _reduce(width: int, height: int) -> tuple[int, int]:
    """Return a size at which there is enough left for a good small picture."""
    scale = min(1.0, 2 * SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _write(folder: Path, wanted: Wanted, pixels: npt.NDArray[Any], full_size: tuple[int, int]) -> Picture:
    import numpy as np

    small = to_small(pixels, SIDE)
    # JPEG has no transparency.
    extension, options = (".webp", {"method": 2}) if small.mode == "RGBA" else (".jpg", {"optimize": True})
    name = f"{PictureBook.FOLDER}/{wanted.number:05d}{extension}"
    small.save(folder / name, quality=QUALITY, **options)
    return Picture(
        note=f"{full_size[0]} x {full_size[1]}",
        file=name,
        size=small.size,
        measured=_measure(pixels, full_size) if wanted.is_measured else {},
        phash=phash(np.asarray(small)) if wanted.is_measured else None,
    )


def _measure(pixels: npt.NDArray[np.uint8], full_size: tuple[int, int]) -> dict[str, float]:
    width, height = full_size
    measured = {"width": float(width), "height": float(height), "aspect": width / height}
    if pixels.dtype.name == "uint8":  # the scale of the histograms
        measured |= {"mean_brightness": mean_brightness(pixels), "sharpness": sharpness(pixels)}
    return measured
