"""Files of the stage above that are kept as they are."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple, overload

from luigi.task import flatten

from tintype.errors import SettingsError
from tintype.raw.known_files import KnownFile, link_known_file
from tintype.tasks.file_stage import FileStage
from tintype.tasks.rows import RowBatch


class FileAbove(NamedTuple):
    """A file of the stage above, before anything of it is read."""

    path: str
    digest: str | None
    """sha256 in hex, of a file that tintype published and that may be linked; None of any other, which is copied."""


def refuse_several_above(stage: FileStage) -> None:
    """Refuse to keep files of which each is one of several that belong together; SettingsError."""
    above = flatten(stage.requires())
    if len(above) > 1:
        raise SettingsError(
            f"{type(stage).__name__} requires {', '.join(task.get_task_family() for task in above)}, and works on "
            "the files of one stage: let it require that one alone"
        )


class FilesAbove(Sequence[FileAbove]):
    """Some files of the stage above, each made when it is asked for.

    Thousands of tuples that live for as long as a batch make garbage collection take as long as to link small files.

    Parameters
    ----------
    before
        What stands before each path.
    inpaths
        Of the files.
    digests
        Of the files.
    """

    def __init__(self, before: str, inpaths: Sequence[str], digests: Sequence[str | None]) -> None:
        self._before = before
        self._inpaths = inpaths
        self._digests = digests

    def __len__(self) -> int:
        return len(self._inpaths)

    @overload
    def __getitem__(self, place: int) -> FileAbove: ...
    @overload
    def __getitem__(self, place: slice) -> FilesAbove: ...
    def __getitem__(self, place: int | slice) -> FileAbove | FilesAbove:
        if isinstance(place, slice):
            return FilesAbove(self._before, self._inpaths[place], self._digests[place])
        return FileAbove(self._before + self._inpaths[place], self._digests[place])

    def __iter__(self) -> Iterator[FileAbove]:
        paths = map(self._before.__add__, self._inpaths)
        return map(FileAbove._make, zip(paths, self._digests, strict=True))


def list_files_above(stage: FileStage, batch: RowBatch) -> FilesAbove:
    """Return where each input of a batch is, with its digest where it may be linked.

    Files of a :class:`tintype.raw.GivenFolder` may not: who edits one in place would change the dataset too.
    """
    folder = stage.input_folder()
    is_published = any(str(getattr(target, "folder", None)) == folder for target in flatten(stage.input()))
    digests = batch.input_digests if is_published else [None] * len(batch)
    if not isinstance(digests, list):
        digests = digests.to_pylist()
    before = f"{folder}/" if folder else ""
    return FilesAbove(before, batch.inpaths, digests)


def as_it_is(file: FileAbove) -> FileAbove:
    """Return what it is given: nothing is read to keep a file."""
    return file


def keep_file(file: FileAbove, path: str) -> None:
    """Give a file of the stage above a second name, or copy what cannot be linked."""
    if file.digest is None:
        link_known_file(file.path, path)
    else:
        link_known_file(KnownFile(file.path, file.digest, os.stat(file.path).st_size), path)
