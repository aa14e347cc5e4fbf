"""Where the arrays of many files go: into one array in memory, or one .npy file."""

from __future__ import annotations

import errno
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from tintype.errors import SettingsError
from tintype.load_funcs.arrays import load_array
from tintype.write_funcs.files import new_file

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ArrayStore(ABC):
    """One array, filled row by row."""

    @abstractmethod
    def put(self, index: int, data: NDArray[Any]) -> None:
        """Put an array in its place; any number of threads at once."""

    @abstractmethod
    def finished(self) -> NDArray[Any]:
        """Return the whole array."""


@contextmanager
def open_store(
    out: NDArray[Any] | str | os.PathLike[str] | None, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> Iterator[ArrayStore]:
    """Give what is to be filled. A file has its name when the block ends well, and is gone when it does not.

    Parameters
    ----------
    out
        An array, the path of a file, or None for a new array.
    shape, dtype
        Of the whole array.

    Raises
    ------
    SettingsError
        When `out` is an array of another shape or dtype, or a folder.
    """
    if out is None:
        yield MemoryStore(np.empty(shape, dtype))
    elif isinstance(out, np.ndarray):
        if out.shape != shape or out.dtype != dtype:
            raise SettingsError(
                f"out has shape {out.shape} and dtype {out.dtype}, and the files need {shape} and {dtype}: "
                f"give numpy.empty({shape}, {str(dtype)!r})"
            )
        yield MemoryStore(out)
    else:
        path = Path(out)
        if path.is_dir():
            raise SettingsError(f"out={str(path)!r} is a folder: give the path of an .npy file")
        draft = path.with_name(f".{uuid4().hex}.npy")
        with new_file(str(draft)) as descriptor:
            yield FileStore(descriptor, path, shape, dtype)
            os.fsync(descriptor)
            os.rename(draft, path)


class MemoryStore(ArrayStore):
    """An array in memory."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array

    def put(self, index: int, data: NDArray[Any]) -> None:
        """Copy an array into its place."""
        self._array[index] = data

    def finished(self) -> NDArray[Any]:
        """Return the array."""
        return self._array


class FileStore(ArrayStore):
    """An .npy file. It is written to, not mapped: so a full disk is an error and no crash, and memory stays free.

    Parameters
    ----------
    descriptor
        Of an empty file.
    path
        Where it will be in the end.
    shape, dtype
        Of the whole array.
    """

    def __init__(self, descriptor: int, path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._descriptor = descriptor
        self._path = path
        self._dtype = dtype
        with open(descriptor, "wb", closefd=False) as file:
            header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            self._start = file.tell()
        self._row_bytes = dtype.itemsize * int(np.prod(shape[1:], dtype=np.int64))
        with naming(path):
            reserve(descriptor, self._start + shape[0] * self._row_bytes)

    def put(self, index: int, data: NDArray[Any]) -> None:
        """Write an array to its place."""
        view = np.ascontiguousarray(data, self._dtype).reshape(-1).view(np.uint8).data
        offset = self._start + index * self._row_bytes
        with naming(self._path):
            while view:
                n_bytes = os.pwrite(self._descriptor, view, offset)
                view, offset = view[n_bytes:], offset + n_bytes

    def finished(self) -> NDArray[Any]:
        """Return the array, mapped and read-only."""
        return load_array(self._path, memory_map=True)


def reserve(descriptor: int, n_bytes: int) -> None:
    """Make a file as large as it will be: so a disk that is too small says so now, and not after hours."""
    try:
        os.posix_fallocate(descriptor, 0, n_bytes)
    except OSError as error:
        if error.errno not in {errno.EOPNOTSUPP, errno.EINVAL}:  # what file systems say that cannot reserve
            raise
        os.ftruncate(descriptor, n_bytes)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let the disk's errors name the file."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
