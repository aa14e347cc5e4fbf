"""DirectoryTarget: a published directory as Luigi's target. It exists when its stamp says so."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import luigi

from tintype.errors import ManifestError, SettingsError
from tintype.load_funcs.any_file import load_file
from tintype.load_funcs.image import load_image
from tintype.manifest.file_paths import HAS_FILE
from tintype.manifest.reader import Manifest
from tintype.manifest.row_groups import CACHE_BYTES
from tintype.manifest.rows import ManifestView
from tintype.manifest.schema import MANIFEST_NAME
from tintype.targets.disk_errors import disk_errors
from tintype.targets.files_view import FilesView
from tintype.targets.relative_paths import remove_tree
from tintype.targets.siblings import new_trash
from tintype.targets.staging import refuse_stray
from tintype.targets.stamp import Stamp, read_stamp
from tintype.targets.verification import Verification, verify_files

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import DTypeLike, NDArray

Data = TypeVar("Data")


class DirectoryTarget(luigi.Target):
    """The directory that a stage publishes.

    Parameters
    ----------
    path
        Of the directory.

    Examples
    --------
    >>> DirectoryTarget("data/interim/Nothing").exists()
    False
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.folder = Path(path)

    @property
    def path(self) -> str:
        """The directory's path, as Luigi's tools read it."""
        return str(self.folder)

    def __str__(self) -> str:
        return self.path

    def __repr__(self) -> str:
        return f"DirectoryTarget({self.path!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DirectoryTarget) and other.folder == self.folder

    def __hash__(self) -> int:
        return hash((DirectoryTarget, self.folder))

    def exists(self) -> bool:
        """Return whether the directory is published: one small read.

        Raises
        ------
        StampError
            When there is a stamp that is corrupt or was written by a newer tintype.
        """
        return self.stamp() is not None

    def stamp(self) -> Stamp | None:
        """Return the directory's stamp; None when nothing is published.

        Raises
        ------
        StampError
            When there is a stamp that is corrupt or was written by a newer tintype.
        """
        return read_stamp(self.folder)

    def manifest(self) -> Manifest:
        """Return the directory's manifest.

        Raises
        ------
        ManifestError
            When nothing is published here.
        """
        if not self.exists():
            raise ManifestError(f"{self.folder} is not published: build its stage first")
        return Manifest(self.folder / MANIFEST_NAME)

    def files_folder(self) -> Path:
        """Return the folder that the manifest's paths are relative to: this one, but for a GivenFolder's."""
        stamp = self.stamp()
        if stamp is None or stamp.files_in is None:
            return self.folder
        return Path(os.path.realpath(self.folder / stamp.files_in))

    def files(self) -> Iterator[Path]:
        """Yield the path of each file the manifest names, in its order."""
        folder = self.files_folder()
        for batch in self.manifest().batches(["outpath"]):
            for outpath in batch.column(0).drop_null().to_pylist():
                yield folder / outpath

    def read(self, load_func: Callable[[Path], Data]) -> Iterator[tuple[Path, Data]]:
        """Yield (path, data) of each file, loading it when it is asked for; None from `load_func` skips a file.

        Parameters
        ----------
        load_func
            Called with the path of a file.
        """
        for path in self.files():
            data = load_func(path)
            if data is not None:
                yield path, data

    def sequence(
        self,
        load_func: Callable[[Path], Any] = load_file,
        *,
        columns: bool | Sequence[str] = False,
        where: str | ManifestView | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> FilesView:
        """Return the files as a sequence: item i is loaded when it is asked for.

        The length comes from the manifest's footer, and paths are read as they are needed, so that a directory of ten
        million files is as quick to open as one of ten. The directory is looked at once: when it is built again, make
        another sequence.

        Parameters
        ----------
        load_func
            Called with the path of a file. By default an image or array is loaded as such, and anything else as bytes.
        columns
            True gives items ``(row, data)``, where the row is a dict of the manifest's columns. Names, such as
            ``["label"]``, give these columns alone, for which more rows fit into memory at once: choose this where
            items are asked for in random order among millions.
        where
            Which files: a condition as ``"label == 'cat'"``, or rows of this directory's manifest, such as
            ``target.manifest().sample(100)``. By default all.
        cache_bytes
            Memory for the paths that were read last, and for the columns that are named. What is there by default holds
            those of one to three million files; ten million in random order want 500 MB, or half a millisecond an item.

        Returns
        -------
        FilesView
            Its slices are views. ``path(i)`` and ``row(i)`` tell of an item without loading it. It pickles when
            `load_func` does. What `load_func` raises is the cause of an EvaluationError that names the file.

        Raises
        ------
        ManifestError
            When nothing is published here, or the condition cannot be read.
        SettingsError
            When the rows are of another directory. A ValueError.
        """
        return FilesView(self._rows_of(where), self.files_folder(), load_func, columns=columns, cache_bytes=cache_bytes)

    @overload
    def load_arrays(
        self,
        shape: Sequence[int] | None = None,
        *,
        load_func: Callable[[Path], Any] = load_image,
        dtype: DTypeLike | None = None,
        where: str | ManifestView | None = None,
        columns: Literal[False] = False,
        n_jobs: int | None = None,
        out: NDArray[Any] | str | os.PathLike[str] | None = None,
        progress: bool | Callable[[int], object] = False,
    ) -> NDArray[Any]: ...
    @overload
    def load_arrays(
        self,
        shape: Sequence[int] | None = None,
        *,
        load_func: Callable[[Path], Any] = load_image,
        dtype: DTypeLike | None = None,
        where: str | ManifestView | None = None,
        columns: Literal[True] | Sequence[str],
        n_jobs: int | None = None,
        out: NDArray[Any] | str | os.PathLike[str] | None = None,
        progress: bool | Callable[[int], object] = False,
    ) -> tuple[NDArray[Any], pd.DataFrame]: ...
    def load_arrays(
        self,
        shape: Sequence[int] | None = None,
        *,
        load_func: Callable[[Path], Any] = load_image,
        dtype: DTypeLike | None = None,
        where: str | ManifestView | None = None,
        columns: bool | Sequence[str] = False,
        n_jobs: int | None = None,
        out: NDArray[Any] | str | os.PathLike[str] | None = None,
        progress: bool | Callable[[int], object] = False,
    ) -> NDArray[Any] | tuple[NDArray[Any], pd.DataFrame]:
        """Load the files into one array, in threads, in the manifest's order.

        Parameters
        ----------
        shape
            Of what each file holds, as ``(rows, columns, channels)``; None takes that of the first file, or of `out`.
        load_func
            Called with the path of a file, by threads.
        dtype
            Of the array. None takes that of `out` when that is an array, else uint8. Values that it cannot hold are
            errors; only fractions may be rounded.
        where
            Which files, as for :meth:`sequence`.
        columns
            Whether to return the files' rows of the manifest too: all columns, or those named, as ``["label"]``.
        n_jobs
            Number of threads; None takes ``n_jobs`` of the settings, by default the number of usable cores.
        out
            An array to fill, which holds anything after an error; or the path of an ``.npy`` file, which is there when
            it is whole, and never before. It may be larger than memory.
        progress
            Whether to show a bar on standard error; or a function, called in this thread with the number of files that
            were loaded since it was called last.

        Returns
        -------
        numpy.ndarray or (numpy.ndarray, pandas.DataFrame)
            Of the number of files, and then `shape`. With a path as `out` it is that file, mapped and read-only.
            Row i of the DataFrame is that of the file in row i of the array.

        Raises
        ------
        EvaluationError
            When a file cannot be loaded, or has another shape or dtype. Names the file. A RuntimeError.
        SettingsError
            When `out` does not fit; or there is no file to take the shape from. A ValueError.
        ManifestError
            When nothing is published here, or the condition cannot be read.
        OSError
            When the disk refuses the file `out`: it is full, for example.
        """
        from tintype.targets.load_arrays import choose_load_func, fill_array

        rows = self._rows_of(where)
        files = FilesView(rows, self.files_folder(), choose_load_func(load_func))
        array = fill_array(files, shape, dtype=dtype, n_jobs=n_jobs, out=out, progress=progress)
        if columns is False:
            return array
        return array, rows.where(HAS_FILE).to_pandas(None if columns is True else columns)

    def _rows_of(self, where: str | ManifestView | None) -> ManifestView:
        """Return the rows that a caller chose."""
        manifest = self.manifest()
        if isinstance(where, str):
            return manifest.where(where)
        if where is None:
            return manifest
        source = where.source
        if not isinstance(source, Manifest) or source.path != manifest.path:
            raise SettingsError(
                f"where={where!r} are rows of another directory than {self.folder}: choose from its own"
            )
        return where

    def verify(self, *, deep: bool = False, n_jobs: int = 4) -> Verification:
        """Compare what lies in the directory with its manifest. Changes nothing.

        Parameters
        ----------
        deep
            Compare the bytes of each file too, not only its size.
        n_jobs
            Files looked at at once.
        """
        return verify_files(self.folder, self.files_folder(), self.manifest(), deep=deep, n_jobs=n_jobs)

    def remove(self) -> None:
        """Remove the directory: at once for every reader, then file by file. Harmless when nothing is published.

        Raises
        ------
        StrayDirectoryError
            When something that tintype did not make stands there; it is left alone.
        """
        refuse_stray(self.folder)
        trash = new_trash(self.folder)
        with disk_errors(f"removing {self.folder}"):
            try:
                os.rename(self.folder, trash)
            except FileNotFoundError:
                return
            remove_tree(trash)

    def plot_contact_sheet(
        self,
        n: int = 24,
        *,
        seed: int = 0,
        where: str | ManifestView | None = None,
        side: int = 192,
        n_columns: int | None = None,
        ax: Axes | None = None,
    ) -> Axes:
        """Draw `n` files, chosen at random, with matplotlib: in a notebook the picture shows itself.

        Parameters
        ----------
        n
            How many; all when there are not more.
        seed
            Another one gives another choice.
        where
            From which files, as for :meth:`sequence`.
        side
            Longest side of a small picture in pixels.
        n_columns
            Pictures in a row; by default as many as fit into some 1,600 pixels.
        ax
            Where to draw; a new figure when None.

        Returns
        -------
        matplotlib.axes.Axes
            ``.figure.savefig("sheet.png")`` writes it to a file.

        Raises
        ------
        MissingPackageError
            Without matplotlib. An ImportError.
        ManifestError
            When nothing is published here, or the condition cannot be read.
        """
        from tintype.targets.plots import plot_contact_sheet

        folder, rows = self.files_folder(), self._rows_of(where)
        return plot_contact_sheet(rows, folder, n, seed=seed, side=side, n_columns=n_columns, ax=ax)

    def plot_histograms(
        self, columns: Sequence[str] | None = None, *, where: str | ManifestView | None = None
    ) -> NDArray[Any]:
        """Draw how the numbers of the manifest are spread, each row counted, one histogram a column.

        Parameters
        ----------
        columns
            Their names, as ``["size_bytes", "sharpness"]``; None for all that hold numbers.
        where
            Of which rows, as for :meth:`sequence`.

        Returns
        -------
        numpy.ndarray
            The matplotlib Axes, shape (number of columns,).

        Raises
        ------
        MissingPackageError
            Without matplotlib. An ImportError.
        ManifestError
            When nothing is published here, a column is not there or holds no numbers, or the condition cannot be read.
        """
        from tintype.targets.plots import plot_histograms

        return plot_histograms(self._rows_of(where), columns)
