"""A folder of files used where it lies."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tintype.errors import SettingsError
from tintype.pipelines.core import Pipeline
from tintype.raw.import_folder import ImportFolder
from tintype.records import report_written
from tintype.targets.staging import Staging
from tintype.targets.verification import unread_digest
from tintype.write_funcs.files import hash_file


class GivenFolder(ImportFolder):
    """Use a folder of files where it lies: nothing is copied, and the files are never written to.

    The directory that is published holds a manifest and a stamp only; the stamp says where the files are, and the
    stages below read them there. ``folder``, ``patterns``, ``exclude`` and ``label`` are those of ImportFolder;
    ``mode`` has no meaning here. The files have to stay: without the folder the stage is not complete.

    The folder is listed on every run. New, changed and vanished files have the manifest made again, and the stages
    below build what they need to.

    Examples
    --------
    >>> import luigi
    >>> class Photos(GivenFolder):
    ...     folder = luigi.Parameter(default="/mnt/photos")
    ...     compare = "content"
    >>> Photos().output().path
    'data/raw/Photos'
    """

    compare: Literal["listing", "content"] = "listing"
    """What tells a changed file: its size and time of change, or the sha256 of its bytes, which is taken when the
    manifest is made, of files that are new or of another size or time. With ``"listing"`` a file that was only touched
    counts as changed for the stages below."""
    links_results = False
    not_in_recipe = ImportFolder.not_in_recipe | {"mode"}

    def pipeline(self) -> Pipeline:
        """Return the pipeline that describes one file."""
        if self.compare not in ("listing", "content"):
            raise SettingsError(f"{type(self).__name__}.compare is {self.compare!r}: give 'listing' or 'content'")
        return Pipeline(load_func=_Describe(reads=self.compare == "content"), write_func=_note)

    def input_digests(self) -> Mapping[str, str]:
        """Return the digest of the folder's listing, and where it lies."""
        self._existing_folder()
        return {**super().input_digests(), "place": self._files_in()}

    def build(self, staging: Staging) -> None:
        """Describe every file; what is published is the manifest alone."""
        super().build(staging)
        for entry in list(os.scandir(staging.files)):  # folders that were made for files which were not written
            shutil.rmtree(entry.path)
        staging.files_in = self._files_in()

    def _files_in(self) -> str:
        """Return where the files lie: relative when everything is given so, and may be moved together."""
        if os.path.isabs(self.folder) or os.path.isabs(self.base_dir):
            return os.path.abspath(self.folder)
        return os.path.relpath(os.path.realpath(self.folder), os.path.realpath(self.output().path))


@dataclass(frozen=True)
class _Describe:
    """The load function: digest and size of a file that stays where it is."""

    reads: bool

    def __call__(self, path: str) -> tuple[str, int]:
        if self.reads:
            return hash_file(path)
        status = os.stat(path)
        return unread_digest(status), status.st_size


def _note(described: tuple[str, int], path: str) -> None:
    report_written(path, *described)
