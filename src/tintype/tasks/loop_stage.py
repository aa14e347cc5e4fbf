"""LoopStage: a stage whose files are made in a loop of one's own."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from luigi.task import flatten

from tintype.errors import SettingsError
from tintype.targets.relative_paths import check_outpath
from tintype.targets.staging import Staging
from tintype.tasks.directory_output import ReadableDirectory
from tintype.tasks.interruption import stop_when_orphaned
from tintype.tasks.stage import Stage
from tintype.write_funcs.any_file import write_file


class LoopStage(Stage):
    """A stage that reads and writes files in a loop of its own, one at a time: write :meth:`make_files`.

    Files go into staging, hidden, and are published with their manifest by one rename when the loop has ended. A loop
    that raises publishes nothing. For work on many files at once, where a bad file is a row and not the end, see
    :class:`FileStage`.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import tintype
    >>> class Squares(LoopStage):
    ...     layer = "processed"
    ...     def make_files(self):
    ...         for number in range(3):
    ...             self.write(f"{number}.txt", str(number**2))
    >>> with TemporaryDirectory() as folder:
    ...     squares = Squares(base_dir=folder)
    ...     _ = tintype.rebuild(squares)
    ...     [path.read_text() for path in squares.output().files()]
    ['0', '1', '4']
    """

    layer = "interim"

    @abstractmethod
    def make_files(self) -> Iterable[tuple[str, Any]] | None:
        """Write the files with :meth:`write`; or yield ``(path, data)`` of each, which is written then.

        ``self.input().read()`` is a generator over what is required, see :func:`make_directory_output`.
        """

    def write_func(self) -> Callable[[Any, str], None]:
        """Return the function that writes data to a path: by default by the extension, see :func:`write_file`."""
        return write_file

    def write(
        self, path: str, data: Any, *, inpath: str | None = None, columns: Mapping[str, Any] | None = None
    ) -> None:
        """Write a file of this stage, and put it on the manifest. Only while :meth:`make_files` runs.

        Parameters
        ----------
        path
            Relative to the stage's directory, with ``/``.
        data
            What :meth:`write_func` takes: by default bytes, text, an image, an array, or plain values for .json.
        inpath
            What it was made from, for the manifest.
        columns
            Values of ``recorded_columns``.

        Raises
        ------
        CollisionError
            When the loop has written this path before.
        SettingsError
            When the path leads out of the directory, or such data cannot be written under such a name.
        """
        staging = self._staging
        if staging is None:
            raise SettingsError(
                f"{type(self).__name__}.write({path!r}) was called while nothing is being built: call it in make_files"
            )
        check_outpath(path)
        stop_when_orphaned()
        self.write_func()(data, os.path.join(staging.files, path))
        staging.add(path, inpath=inpath, columns=columns)

    def is_finished(self, path: str) -> bool:
        """Return whether an interrupted run of this same build has written a file: then it need not be made again."""
        return self._staging is not None and self._staging.is_finished(path)

    def build(self, staging: Staging) -> None:
        """Go through the loop."""
        self._staging = staging
        try:
            for item in self.make_files() or ():
                self.write(*_path_and_data(item, type(self).__name__))
        finally:
            self._staging = None

    def more_code(self) -> Iterator[object]:
        """Return the functions that read the directories above: what they make of a file decides what is made here."""
        yield from (target.read_func for target in flatten(self.input()) if isinstance(target, ReadableDirectory))

    _staging: Staging | None = None


def _path_and_data(item: Any, name: str) -> tuple[str, Any]:
    if isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str | os.PathLike):
        return os.fspath(item[0]), item[1]
    raise SettingsError(f"{name}.make_files yielded a {type(item).__name__}: yield (path, data), the path relative")
