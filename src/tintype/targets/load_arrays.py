"""Load the files of a published directory into one array."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tintype.errors import SettingsError
from tintype.executors.blocks import BlockRun
from tintype.executors.pools import open_executor
from tintype.load_funcs.image import load_at_least, load_image
from tintype.pipelines.run_progress import RunProgress
from tintype.sequences.view import to_index
from tintype.settings import DEFAULT_MAX_IMAGE_PIXELS, read_settings
from tintype.targets.array_stores import ArrayStore, open_store
from tintype.targets.files_view import FilesView

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import DTypeLike, NDArray


def fill_array(
    files: FilesView,
    shape: Sequence[int] | None,
    *,
    dtype: DTypeLike | None,
    n_jobs: int | None,
    out: NDArray[Any] | str | os.PathLike[str] | None,
    progress: bool | Callable[[int], object],
) -> NDArray[Any]:
    """Load files into one array; the parameters are those of :meth:`DirectoryTarget.load_arrays`."""
    first = None
    if shape is None and isinstance(out, np.ndarray):
        shape = out.shape[1:]
    elif shape is None:
        if not len(files):
            raise SettingsError(f"{files!r} have no shape to take: give shape=, such as (224, 224, 3)")
        first = np.asarray(files[0])
        shape = first.shape
    if dtype is None:
        dtype = out.dtype if isinstance(out, np.ndarray) else np.uint8
    kind = np.dtype(dtype)
    if kind.hasobject:
        raise SettingsError(f"dtype is {kind}, which holds Python objects: give one of numbers or text")
    whole = (len(files), *map(to_index, shape))
    with open_store(out, whole, kind) as store:
        filling = Filling(files, whole[1:], kind, store)
        if first is not None:
            filling.put(0, first)
        _run(filling, range(first is not None, len(files)), n_jobs, progress)
    return store.finished()


class Filling:
    """Loads files, one a call, and puts each in its place if it fits.

    Parameters
    ----------
    files
        What to load.
    shape, dtype
        Of the array that each file holds.
    store
        Where they go.
    """

    def __init__(self, files: FilesView, shape: tuple[int, ...], dtype: np.dtype[Any], store: ArrayStore) -> None:
        self._files = files
        self._shape = shape
        self._dtype = dtype
        self._store = store

    def __call__(self, index: int) -> None:
        """Load a file and put it in its place."""
        self.put(index, np.asarray(self._files[index]))

    def put(self, index: int, data: NDArray[Any]) -> None:
        """Put the array of a file in its place, or say why it does not fit."""
        if data.shape != self._shape:
            raise self._files.failed(
                index,
                f"it has shape {data.shape}, and the array is made for {self._shape}: make the files alike first "
                "(interim.ResizeImages), or give a load_func that does",
            )
        if data.dtype != self._dtype and not keeps_values(data.dtype, self._dtype):
            raise self._files.failed(
                index, f"it has dtype {data.dtype}, and {self._dtype} cannot hold its values: give dtype='{data.dtype}'"
            )
        self._store.put(index, data)


def keeps_values(from_dtype: np.dtype[Any], to_dtype: np.dtype[Any]) -> bool:
    """Return whether values can go from one dtype to another and lose precision of fractions at most.

    Examples
    --------
    >>> keeps_values(np.dtype("float64"), np.dtype("float32")), keeps_values(np.dtype("uint16"), np.dtype("uint8"))
    (True, False)
    """
    return np.can_cast(from_dtype, to_dtype, "same_kind" if to_dtype.kind in "fc" else "safe")


def choose_load_func(load_func: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """Return what loads the same for one who copies it at once: without new memory for each JPEG."""
    return load_borrowed_image if load_func is load_image else load_func


@functools.wraps(load_image)
def load_borrowed_image(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Return the image in a file, in memory that the thread uses again for the next."""
    return load_at_least(path, max_pixels=DEFAULT_MAX_IMAGE_PIXELS, in_scratch=True).pixels


def _run(
    work: Callable[[int], None], todo: range, n_jobs: int | None, progress: bool | Callable[[int], object]
) -> None:
    n_jobs = read_settings().n_jobs if n_jobs is None else n_jobs
    wanted, tell = (False, progress) if callable(progress) else (progress, _tell_nobody)
    with open_executor("threads", n_jobs) as executor, RunProgress(todo.stop, wanted=wanted) as bar:
        bar.advance(todo.start, n_failed=0)
        tell(todo.start)
        run = BlockRun(executor, work, todo, n_jobs=n_jobs)
        try:
            for done in run:
                bar.advance(len(done), n_failed=0)
                tell(len(done))
        except BaseException:
            run.stop()
            raise


def _tell_nobody(n_done: int) -> None:
    """Take the number of files that are loaded where no one asks for it."""
