"""Loading a file as it is."""

from __future__ import annotations

import os


def load_bytes(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a file.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    OSError
        When the file cannot be read; FileNotFoundError when it is not there.

    Examples
    --------
    >>> from tintype.load_funcs import load_bytes
    >>> load_bytes("/dev/null")
    b''
    """
    with open(path, "rb", buffering=0) as file:
        return file.read()
