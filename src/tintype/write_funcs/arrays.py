"""Writing an array as a file of NumPy's own format."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

from tintype.errors import SettingsError
from tintype.records import report_written
from tintype.write_funcs.files import new_file, write_all

if TYPE_CHECKING:
    from numpy.typing import NDArray

VERSIONS = ((1, 0), (2, 0), (3, 0))
"""Of the format: the oldest that can hold an array is what most programs can read."""


def write_array(array: NDArray[Any], path: str | os.PathLike[str]) -> None:
    """Write an array to an .npy file.

    Parameters
    ----------
    array
        Of any shape, and any dtype but Python objects. Not modified. An array in Fortran's order stays in it; one that
        is in neither order, such as every other row of another, is written in C's.
    path
        Where to write. Missing parent folders are made; a file or link that has the name is replaced.

    Raises
    ------
    SettingsError
        When it is no array, a masked one, or one of Python objects, which cannot be read back without running code.
        A ValueError.
    OSError
        When the disk refuses. Nothing is left at `path` then.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from tintype.load_funcs import load_array
    >>> from tintype.write_funcs import write_array
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_array(np.array([True, False]), f"{folder}/new/mask.npy")
    ...     load_array(f"{folder}/new/mask.npy")
    array([ True, False])
    """
    name = os.fspath(path)
    check_array(array, name)
    with new_file(name) as descriptor:
        file = _HashedFile(descriptor, name)
        write_format(array, file)
    report_written(name, file.digest.hexdigest(), file.size_bytes)


def check_array(array: object, name: str) -> None:
    """Refuse what cannot be written, or not in full."""
    import numpy as np

    if not isinstance(array, np.ndarray):
        raise SettingsError(
            f"cannot write {name} from {type(array).__name__}: give a NumPy array, such as numpy.asarray(data)"
        )
    if isinstance(array, np.ma.MaskedArray):
        raise SettingsError(f"cannot write {name} from a masked array, whose mask would be lost: give array.filled()")
    if array.dtype.hasobject:
        raise SettingsError(
            f"cannot write {name} from an array of dtype {array.dtype}, which holds Python objects: give one of "
            "numbers, or of text with array.astype(str)"
        )


def write_format(array: NDArray[Any], file: _HashedFile) -> None:
    """Write an array in the oldest version of the format that can hold it."""
    import numpy as np

    for version in VERSIONS:
        try:
            np.lib.format.write_array(file, array, version=version, allow_pickle=False)
            return
        except ValueError:  # the header is too long for it, or has other letters
            if file.size_bytes or version == VERSIONS[-1]:
                raise


class _HashedFile:
    """What NumPy writes to, some megabytes at a time."""

    def __init__(self, descriptor: int, name: str) -> None:
        self.digest = hashlib.sha256()
        self.size_bytes = 0
        self._descriptor = descriptor
        self._name = name

    def write(self, data: bytes) -> int:
        view = memoryview(data).cast("B")
        self.digest.update(view)
        write_all(self._descriptor, view, self._name)
        self.size_bytes += len(view)
        return len(view)
