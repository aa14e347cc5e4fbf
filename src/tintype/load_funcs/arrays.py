"""Loading an array from a file of NumPy's own format."""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, Any

from tintype.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAGIC = b"\x93NUMPY"


def load_array(path: str | os.PathLike[str], *, memory_map: bool = False) -> NDArray[Any]:
    """Return the array in an .npy file.

    Never unpickles: a file of Python objects is an error.

    Parameters
    ----------
    path
        The file, whatever its extension. Several arrays in one .npz file are not read.
    memory_map
        Return a read-only array whose values are read from the file when they are used. The file must not be written
        to meanwhile; to replace it by another is safe.

    Returns
    -------
    numpy.ndarray
        With the shape, dtype and memory order that were written.

    Raises
    ------
    FileNotFoundError
        When there is no such file; other OSErrors when the disk cannot read it.
    ImageError
        When the file is no whole .npy file, or holds Python objects. A ValueError.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from tintype.load_funcs import load_array
    >>> from tintype.write_funcs import write_array
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_array(np.array([[0.5, 1.0]]), f"{folder}/a.npy")
    ...     load_array(f"{folder}/a.npy")
    array([[0.5, 1. ]])
    """
    name = os.fspath(path)
    with open(path, "rb") as file:
        size_bytes = os.fstat(file.fileno()).st_size
        if file.peek(len(MAGIC))[: len(MAGIC)] != MAGIC:
            raise ImageError(
                f"{name} ({size_bytes:,} bytes) is no .npy file: write it with tintype.write_funcs.write_array or "
                "numpy.save"
            )
        try:
            return read_array(file, name, memory_map)
        except (ValueError, EOFError, TypeError, SyntaxError) as error:
            if "allow_pickle" in str(error) or "object" in str(error):
                sentence = "holds Python objects, which are code: write numbers or text with a dtype of their own"
            else:
                sentence = f"is no whole .npy file ({str(error).strip()}): make it again or leave it out"
            raise ImageError(f"{name} ({size_bytes:,} bytes) {sentence}") from error


def read_array(file: IO[bytes], name: str, memory_map: bool) -> NDArray[Any]:
    """Read an open file, or map it. Raises what NumPy raises."""
    import numpy as np

    if memory_map:
        return np.lib.format.open_memmap(name, mode="r")
    array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array
