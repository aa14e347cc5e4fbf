"""Loading a file by what its name says that it is."""

from __future__ import annotations

import os
from typing import Any

from tintype.load_funcs.arrays import load_array
from tintype.load_funcs.files import load_bytes
from tintype.load_funcs.image import load_image
from tintype.load_funcs.pillow_formats import PROGRAMS

NOT_DECODED = frozenset({*PROGRAMS, "MPEG"})
"""Formats whose files Pillow tells from others, and that cannot be loaded as an image."""


def load_file(path: str | os.PathLike[str]) -> Any:
    """Return what is in a file, as the extension of its name says: an image, an array, or bytes.

    Parameters
    ----------
    path
        The file. Upper and lower case of the extension are one.

    Returns
    -------
    numpy.ndarray or bytes
        Of an image in any format that Pillow decodes, what :func:`load_image` returns; of an ``.npy`` file, what
        :func:`load_array` returns; of any other file its bytes.

    Raises
    ------
    OSError
        When the file cannot be read; FileNotFoundError when it is not there.
    ImageError
        When a file with the extension of an image or array is none that is whole. A ValueError.

    Examples
    --------
    >>> from pathlib import Path
    >>> import skimage
    >>> from tintype.load_funcs import load_file
    >>> folder = Path(skimage.__file__).parent / "data"
    >>> load_file(folder / "astronaut.png").shape
    (512, 512, 3)
    >>> load_file(folder / "README.txt")[:12]
    b'This directo'
    """
    extension = os.path.splitext(os.fspath(path))[1].lower()
    if extension == ".npy":
        return load_array(path)
    return load_image(path) if is_image_extension(extension) else load_bytes(path)


def is_image_extension(extension: str) -> bool:
    """Return whether Pillow, with what was added to it, decodes files with an extension such as ``.jpg``."""
    from PIL import Image, ImageFile

    Image.preinit()
    # To know the rarer extensions, dozens of modules have to be imported.
    name = Image.EXTENSION.get(extension) or Image.registered_extensions().get(extension)
    if name == "MPO":  # known by its extension, and opened as the JPEG that it begins with
        return True
    if name is None or name in NOT_DECODED or name not in Image.OPEN:
        return False
    factory = Image.OPEN[name][0]
    return not (isinstance(factory, type) and issubclass(factory, ImageFile.StubImageFile))
