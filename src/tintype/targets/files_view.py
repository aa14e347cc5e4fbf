"""The files of a published directory as a sequence, loaded when they are asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, SupportsIndex

from tintype.errors import EvaluationError
from tintype.manifest.file_paths import FilePaths
from tintype.manifest.once import once
from tintype.manifest.row_groups import CACHE_BYTES
from tintype.manifest.rows import ManifestView, Row
from tintype.sequences.mapping import find_place, show_function
from tintype.sequences.view import View


class FilesView(View[Any]):
    """The files that a directory's manifest names, each loaded when it is asked for.

    Any number of threads may share one, and processes that fork off. It pickles when its load function does.

    Parameters
    ----------
    rows
        The manifest, or rows chosen from it. Those without a file are left out.
    folder
        What their paths are relative to.
    load_func
        Called with the path of a file.
    columns
        Whether an item is ``(row, data)``, with all columns of the row or those named; see
        :meth:`DirectoryTarget.sequence`.
    cache_bytes
        Memory for paths, and for the columns that are named.
    """

    def __init__(
        self,
        rows: ManifestView,
        folder: Path,
        load_func: Callable[[Path], Any],
        *,
        columns: bool | Sequence[str] = False,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        names = () if isinstance(columns, bool) else tuple(columns)
        self.paths = FilePaths(rows, columns=names, cache_bytes=cache_bytes)
        self.load_func = load_func
        self._folder = folder
        self._has_rows = not isinstance(columns, bool) or columns
        self._find_values = self.paths.manifest.__getitem__ if columns is True else self.paths.values
        self._place_of_call = find_place()

    def path(self, index: SupportsIndex) -> Path:
        """Return where the file of an item lies; it is not looked at."""
        return self._folder / self.paths.find(self._place(index))[1]

    def row(self, index: SupportsIndex) -> Row:
        """Return the whole row of an item in the manifest."""
        return self.paths.manifest[self.paths.find(self._place(index))[0]]

    def failed(self, index: int, reason: str) -> EvaluationError:
        """Return the error that names an item that cannot be had, its file, and where this sequence was made."""
        path = str(self._folder / self.paths.find(index)[1])
        return EvaluationError(index, show_function(self.load_func), self._place_of_call, path, reason)

    def explain(self, index: int, error: Exception) -> EvaluationError:
        """Return what the load function's error becomes."""
        reason = f"{type(error).__name__}: {error}".removesuffix(": ")
        if isinstance(error, FileNotFoundError) and not os.path.lexists(self._folder / self.paths.find(index)[1]):
            reason += f". {self._explain_absence()}"
        return self.failed(index, reason)

    @once
    def _length(self) -> int:
        return len(self.paths)

    def _item(self, index: int, /) -> Any:
        number, outpath = self.paths.find(index)
        try:
            data = self.load_func(self._folder / outpath)
        except Exception as error:
            raise self.explain(index, error) from error
        return (self._find_values(number), data) if self._has_rows else data

    def _explain_absence(self) -> str:
        manifest = self.paths.manifest
        if not manifest.is_current():
            return "The directory was built again since it was opened: make the sequence again"
        return (
            f"It was removed after it was published; see what else is gone with: tintype verify {manifest.path.parent}"
        )

    def _origin(self, index: int, /) -> str | None:
        return str(self.path(index))

    def _name(self) -> str:
        return f"{show_function(self.load_func)} of files in {self.paths.manifest.path.parent}"

    def __getstate__(self) -> dict[str, Any]:
        return vars(self).copy()  # without View's slot, which stays empty
