"""Made images for tests: the same for equal seeds on every machine, no two alike, smooth as photographs are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tintype.errors import SettingsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_OCTAVES = ((3, 110.0), (7, 70.0), (17, 45.0), (61, 45.0))
"""Points along each side of a grid of random values, and how far they go from the mean: large shapes are strong."""


def fake_images(n: int, seed: int = 0, *, shape: tuple[int, ...] = (96, 128, 3)) -> list[NDArray[np.uint8]]:
    """Return images with large smooth shapes and a little grain, as photographs have; no two are alike.

    Image `i` of a seed is the same however many are asked for, on every machine and every version of NumPy.

    Parameters
    ----------
    n
        How many, 0 or more.
    seed
        Another one gives other images.
    shape
        (rows, columns) or (rows, columns, channels).

    Returns
    -------
    list of numpy.ndarray
        uint8, 0 to 255, of that shape.

    Raises
    ------
    SettingsError
        When `n` or `seed` is less than 0, or `shape` is that of no image. A ValueError.

    Examples
    --------
    >>> first, second = fake_images(2)
    >>> first.shape, first.dtype, bool((first == second).all())
    ((96, 128, 3), dtype('uint8'), False)
    >>> bool((fake_images(9)[1] == second).all())
    True
    """
    if n < 0 or seed < 0:
        raise SettingsError(f"fake_images got n={n} and seed={seed}: give whole numbers, 0 or more")
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise SettingsError(f"fake_images got shape={shape}: give (rows, columns) or (rows, columns, channels)")
    return [_make_image(seed, number, shape) for number in range(n)]


def fake_files(
    n: int,
    seed: int = 0,
    *,
    extension: str = ".jpg",
    labels: Sequence[str] = (),
    shape: tuple[int, ...] = (96, 128, 3),
) -> dict[str, bytes]:
    r"""Return made images as the bytes of image files, by relative path.

    Parameters
    ----------
    n
        How many.
    seed
        Another one gives other images.
    extension
        .jpg, .png, .webp or .tif.
    labels
        Folders that the files lie in, in turn; none puts them at the top.
    shape
        Of the images: (rows, columns) or (rows, columns, channels).

    Examples
    --------
    >>> files = fake_files(3, extension=".png", labels=["cats", "dogs"])
    >>> list(files)
    ['cats/0.png', 'dogs/1.png', 'cats/2.png']
    >>> files["cats/0.png"][:4]
    b'\x89PNG'
    """
    files = {}
    for number, image in enumerate(fake_images(n, seed, shape=shape)):
        folder = f"{labels[number % len(labels)]}/" if labels else ""
        files[f"{folder}{number}{extension}"] = encode(image, extension)
    return files


def encode(data: Any, extension: str) -> bytes:
    """Return data as the bytes of a file with an extension: an image, an array, plain values, text or bytes."""
    from tintype.write_funcs.any_file import write_file

    if isinstance(data, os.PathLike):
        return Path(data).read_bytes()
    if isinstance(data, bytes):
        return data
    with TemporaryDirectory() as folder:
        path = Path(folder, f"file{extension}")
        write_file(data, path)
        return path.read_bytes()


def _make_image(seed: int, number: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    import numpy as np

    draw = np.random.default_rng([seed, number])
    n_channels = shape[2] if len(shape) == 3 else 1
    image = np.full((shape[0], shape[1], n_channels), 128.0)
    for side, reach in _OCTAVES:
        # What the channels have in common is stronger than what tells them apart: muted colours.
        grid = draw.random((side, side, 1)) + 0.5 * draw.random((side, side, n_channels)) - 0.75
        image += reach * _stretch(_stretch(grid, shape[0], axis=0), shape[1], axis=1)
    pixels: NDArray[np.uint8] = np.clip(image, 0, 255).round().astype(np.uint8).reshape(shape)
    return pixels


def _stretch(grid: NDArray[np.float64], length: int, *, axis: int) -> NDArray[np.float64]:
    """Return a grid with straight lines between its points, so many along one axis."""
    import numpy as np

    places = np.linspace(0, grid.shape[axis] - 1, length)
    left = np.minimum(places.astype(np.int64), grid.shape[axis] - 2)
    share = (places - left).reshape([-1 if number == axis else 1 for number in range(grid.ndim)])
    stretched: NDArray[np.float64] = grid.take(left, axis) * (1 - share) + grid.take(left + 1, axis) * share
    return stretched
