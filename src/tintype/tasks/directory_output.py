"""make_directory_output: give a stage's directory a reader of its own."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import new_class
from typing import Any, TypeVar, overload

from tintype.errors import FileError, SettingsError
from tintype.pipelines.file_result import describe
from tintype.targets.directory import DirectoryTarget
from tintype.tasks.naming import show_path
from tintype.tasks.stage import Stage

ReadFunc = Callable[[str], Any]
"""From the path of a file to what is read of it, usually ``(path, data)``; None leaves the file out."""
StageType = TypeVar("StageType", bound=Stage)
Data = TypeVar("Data")


class ReadableDirectory(DirectoryTarget):
    """A published directory that knows how its files are read.

    Parameters
    ----------
    path
        Of the directory.
    read_func
        Called with the path of each file, as a str; what it returns is an item, None leaves the file out.
    regex_pattern
        Only files in whose name this is found are read; None for all.

    Raises
    ------
    SettingsError
        When `regex_pattern` is no regular expression.

    Examples
    --------
    >>> import os.path
    >>> target = ReadableDirectory("data/raw/Letters", lambda path: (path, os.path.getsize(path)))
    >>> target.exists()
    False
    """

    def __init__(self, path: str | os.PathLike[str], read_func: ReadFunc, *, regex_pattern: str | None = None) -> None:
        super().__init__(path)
        self.read_func = read_func
        try:
            self._pattern = None if regex_pattern is None else re.compile(regex_pattern)
        except re.error as error:
            raise SettingsError(
                f"regex_pattern is {regex_pattern!r}, which is no regular expression ({error}): correct it"
            ) from error

    @overload
    def read(self, load_func: None = None) -> Iterator[Any]: ...

    @overload
    def read(self, load_func: Callable[[Path], Data]) -> Iterator[tuple[Path, Data]]: ...

    def read(self, load_func: Callable[[Path], Any] | None = None) -> Iterator[Any]:
        """Yield what the directory's own reader makes of each file, in the manifest's order.

        A file is read when it is asked for, and nothing that was read is kept.

        Parameters
        ----------
        load_func
            Another reader for this once: then ``(path, data)`` is yielded, as by any :class:`DirectoryTarget`.

        Raises
        ------
        FileError
            When the directory's own reader fails; names the file, with the exception as its cause.
        """
        if load_func is not None:
            yield from super().read(load_func)
            return
        for path in self.files():
            if self._pattern is not None and self._pattern.search(path.name) is None:
                continue
            item = self._read_one(str(path))
            if item is not None:
                yield item

    def _read_one(self, path: str) -> Any:
        try:
            return self.read_func(path)
        except Exception as error:
            raise FileError(f"{show_path(path)}: {type(error).__name__}: {describe(error)}") from error


def make_directory_output(
    read_func: ReadFunc, *, regex_pattern: str | None = None
) -> Callable[[type[StageType]], type[StageType]]:
    """Return a decorator of stages: their directory is read by `read_func`, file by file.

    What requires a decorated stage reads it with ``self.input().read()``, a generator. The decorator returns a
    subclass and changes nothing else: the class that it was given, and others that were decorated before, keep what
    they had. For a folder that others made and that stays where it is, decorate a :class:`tintype.raw.GivenFolder`.

    A stage that reads such a directory in a :class:`LoopStage` is built again when the code of `read_func` changes.

    Parameters
    ----------
    read_func
        Called with the path of each file, as a str; what it returns is an item, usually ``(path, data)``. None leaves
        the file out.
    regex_pattern
        Only files in whose name this is found are read; None for all.

    Raises
    ------
    SettingsError
        When `read_func` cannot be called; by the decorator, when it gets anything but a stage.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import tintype
    >>> def read_text(path):
    ...     if path.endswith(".txt"):
    ...         return path, Path(path).read_text()
    >>> @make_directory_output(read_text)
    ... class Notes(tintype.raw.GivenFolder):
    ...     '''Text files that others write.'''
    >>> with TemporaryDirectory() as folder:
    ...     for name in ("a.txt", "b.jpg"):
    ...         _ = Path(folder, name).write_text("hello")
    ...     notes = Notes(folder=folder, base_dir=f"{folder}/data")
    ...     _ = tintype.rebuild(notes)
    ...     [text for _, text in notes.output().read()]
    ['hello']
    """
    if not callable(read_func):
        raise SettingsError(
            f"make_directory_output got a {type(read_func).__name__}: give the function that reads a file, and "
            "decorate the stage with what this returns"
        )

    def decorate(cls: type[StageType]) -> type[StageType]:
        given: object = cls
        if not (isinstance(given, type) and issubclass(given, Stage)):
            raise SettingsError(
                f"a directory output is of a stage, and this is {cls!r}: for a folder that others made derive the "
                "class from tintype.raw.GivenFolder"
            )

        def output(self: StageType) -> ReadableDirectory:
            return ReadableDirectory(cls.output(self).path, read_func, regex_pattern=regex_pattern)

        def read(self: StageType) -> Iterator[Any]:
            return self.output().read()  # type: ignore[call-arg]  # the one above

        names = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
        return new_class(cls.__name__, (cls,), exec_body=lambda body: body.update(names, output=output, read=read))

    return decorate
