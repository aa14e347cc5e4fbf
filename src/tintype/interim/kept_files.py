"""Files of the stage above that are kept as they are."""

from __future__ import annotations

import os
from typing import NamedTuple

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


def list_files_above(stage: FileStage, batch: RowBatch) -> list[FileAbove]:
    """Return where each input of a batch is, with its digest where it may be linked.

    Files of a :class:`tintype.raw.GivenFolder` may not: who edits one in place would change the dataset too.
    """
    folder = stage.input_folder()
    is_published = any(str(getattr(target, "folder", None)) == folder for target in flatten(stage.input()))
    digests = batch.input_digests if is_published else [None] * len(batch)
    if not isinstance(digests, list):
        digests = digests.to_pylist()
    before = f"{folder}/" if folder else ""
    return [FileAbove(before + inpath, digest) for inpath, digest in zip(batch.inpaths, digests, strict=True)]


def as_it_is(file: FileAbove) -> FileAbove:
    """Return what it is given: nothing is read to keep a file."""
    return file


def keep_file(file: FileAbove, path: str) -> None:
    """Give a file of the stage above a second name, or copy what cannot be linked."""
    if file.digest is None:
        link_known_file(file.path, path)
    else:
        link_known_file(KnownFile(file.path, file.digest, os.stat(file.path).st_size), path)
