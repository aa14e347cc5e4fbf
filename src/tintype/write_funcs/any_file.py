"""Writing data as the kind of file that its name says."""

from __future__ import annotations

import json
import os
from typing import Any

from tintype.errors import SettingsError
from tintype.write_funcs.arrays import write_array
from tintype.write_funcs.files import write_bytes
from tintype.write_funcs.image import FORMATS, write_image

UNSAFE = frozenset({".pkl", ".pickle", ".joblib", ".pt", ".pth"})
"""Extensions of files that run code when they are read."""


def write_file(data: Any, path: str | os.PathLike[str]) -> None:
    r"""Write data to a file, in the format that the extension of its name says; the counterpart of ``load_file``.

    Parameters
    ----------
    data
        Bytes are written as they are, text as UTF-8, whatever the extension. An image (uint8) goes to .jpg, .jpeg,
        .png, .tif, .tiff or .webp; any array of numbers or text to .npy; dicts, lists and other plain values to .json.
        Not modified.
    path
        Where to write. Missing parent folders are made; a file or link that has the name is replaced.

    Raises
    ------
    SettingsError
        When data of this type cannot be written under such a name. A ValueError.
    OSError
        When the disk refuses. Nothing is left at `path` then.

    Examples
    --------
    >>> import tempfile
    >>> from tintype.load_funcs.files import load_bytes
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_file({"boxes": [1, 2]}, f"{folder}/boxes.json")
    ...     load_bytes(f"{folder}/boxes.json")
    b'{"boxes": [1, 2]}\n'
    """
    name = os.fspath(path)
    extension = os.path.splitext(name)[1].lower()
    if isinstance(data, bytes | bytearray | memoryview):
        write_bytes(data, name)
    elif isinstance(data, str):
        write_bytes(data.encode(), name)
    elif extension in FORMATS:
        write_image(data, name)
    elif extension == ".npy":
        write_array(data, name)
    elif extension == ".json":
        write_bytes(f"{_to_json(data, name)}\n".encode(), name)
    else:
        raise SettingsError(f"cannot write {name} from {type(data).__name__}: {_cure(extension)}")


def _to_json(data: Any, name: str) -> str:
    try:
        return json.dumps(data, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"cannot write {name} from {type(data).__name__} ({error}): give plain values") from error


def _cure(extension: str) -> str:
    if extension in UNSAFE:
        return "such a file runs code when it is read; name it .npy for an array, .json for plain values"
    return "name it .npy for an array, .png or .jpg for an image, .json for plain values, or give bytes or text"
