"""Extract an archive, streamed, into one directory of files."""

from __future__ import annotations

import hashlib
import logging
import os
import unicodedata
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from time import monotonic
from typing import ClassVar, Literal

import luigi

from tintype.errors import MemberError, SettingsError, StagingError, TintypeError
from tintype.pipelines.file_work import DISK_ERRORS
from tintype.raw.archive_progress import ArchiveProgress
from tintype.raw.archive_sources import ArchiveSource, ArchiveState, find_source
from tintype.raw.archives.limits import ArchiveLimits, Meter
from tintype.raw.archives.members import Member
from tintype.raw.archives.reading import read_archive
from tintype.raw.labels import label_of_folder
from tintype.raw.patterns import Patterns
from tintype.settings import read_settings
from tintype.targets.path_index import PathIndex
from tintype.targets.relative_paths import check_outpath, printable
from tintype.targets.staging import Staging
from tintype.tasks.failures import Failures
from tintype.tasks.interruption import stop_when_orphaned
from tintype.tasks.stage import Stage
from tintype.write_funcs.files import new_file, write_all

logger = logging.getLogger("luigi-interface.tintype")

_LOOK_SECONDS = 0.1


class ArchiveStage(Stage):
    """What stages that extract an archive share: subclasses give :meth:`source`.

    Every file of the archive goes straight into staging, written once and hashed on its way. A member that cannot be
    taken is a failed row: a name that leads out of the directory, an absolute one, one that is not UTF-8 or holds a
    NUL, one that is there twice or differs from another in the case of letters only, a link, a device, an encrypted or
    broken file. More of them than ``max_failure_rate`` allows, 0 by default, and nothing is published. An archive that
    is broken, cut off or over a limit stops the stage.

    After a kill or an error the archive is read again from its start, as a stream must be; files that are finished
    are passed over and not written again.

    The recipe keeps the archive's file name, its size, and its time of change or ETag; its bytes are not read for it.
    Once extracted, the archive may go: when it is not there, or cannot be asked for, what was extracted stays complete.
    """

    layer = "raw"
    patterns: Sequence[str] = ("*",)
    """Shell patterns of the files to take, in any case of letters; one without a slash is matched with the file's
    name, else with its relative path."""
    exclude: Sequence[str] = (".*", ".*/*", "*/.*/*", "__MACOSX/*", "*/__MACOSX/*")
    """Patterns of files to leave out; by default hidden ones, and what macOS adds."""
    special_members: Literal["fail", "record"] = "fail"
    """Links, devices and pipes are failed rows, or rows without a file that are no failures. None is ever followed."""
    allow_names_that_differ_in_case: bool = False
    """Take two files whose names differ in the case of letters only, or in how accents are composed. Such a directory
    cannot be copied to every file system."""
    max_members: ClassVar[int] = ArchiveLimits.max_members
    max_total_bytes: ClassVar[int] = ArchiveLimits.max_total_bytes
    """Unpacked, all members together; 1 TiB."""
    max_ratio: ClassVar[float] = ArchiveLimits.max_ratio
    """Unpacked bytes for each byte of the archive; counts from 64 MiB unpacked on."""
    check_source: ClassVar[bool] = True
    """Ask on every run whether the archive has changed; False never asks again once it is extracted."""
    recorded_columns = {"label": str}
    not_in_recipe = Stage.not_in_recipe | {
        "max_members",
        "max_total_bytes",
        "max_ratio",
        "check_source",
    }

    @abstractmethod
    def source(self) -> ArchiveSource:
        """Return where the archive comes from."""

    def label(self, inpath: str) -> str | None:
        """Return the label of a file: by default the name of the folder it lies in, None at the top."""
        return label_of_folder(inpath)

    def outpath(self, inpath: str) -> str:
        """Return where a member goes, relative to this stage's directory: by default its own path."""
        return inpath

    def input_digests(self) -> Mapping[str, str]:
        """Return the archive's name, size, and time of change or ETag."""
        stamp = self.output().stamp()
        if stamp is not None and not self.check_source and not self.has_looked_at("state"):
            return stamp.recipe.inputs
        try:
            return {"archive": self._state().digest}
        except OSError as error:
            if stamp is None:
                raise
            logger.warning("%s; %s stays as it was extracted", error, self.output())
            return stamp.recipe.inputs

    def build(self, staging: Staging) -> None:
        """Extract every member that an earlier run has not finished."""
        source, state = self.source(), self._state()
        meter = Meter(source.name, ArchiveLimits(self.max_members, self.max_total_bytes, self.max_ratio))
        failures = Failures(self.max_failure_rate, 0)
        target = self.output()
        extraction = _Extraction(self, staging, failures)
        with (
            ArchiveProgress(self, target.folder.name, read_settings().progress, meter, state.size_bytes) as progress,
            source.open(state) as stream,
        ):
            next_look = 0.0
            for member in read_archive(stream, meter, spool_folder=staging.folder):
                extraction.take(member)
                failures.stop_when_all_fail(target.path)
                progress.note(extraction.take_counts(), n_failed=failures.n_failed)
                if (now := monotonic()) >= next_look:
                    next_look = now + _LOOK_SECONDS
                    stop_when_orphaned()
        source.check_unchanged(state)
        failures.stop_when_too_many(target.path)

    def _state(self) -> ArchiveState:
        """Return what the archive is: asked for once a run, so that one state is in the recipe and is what is read."""
        return self.once("state", self.source().describe)


class ExtractArchive(ArchiveStage):
    """Extract a tar (plain, gz, bz2, xz, zst) or zip archive, see :class:`ArchiveStage` for the rules.

    It is read as a stream, from a path, ``http(s)://`` or ``s3://``, and never put on the disk; but for a zip from
    afar, whose directory is at its end: that is in a temporary file while it is extracted. A connection that drops is
    opened again where it was. What kind an archive is says how it begins, not how it is called.

    Every file carries the column ``label``, see :meth:`label`.

    Examples
    --------
    >>> import luigi
    >>> class Photos(ExtractArchive):
    ...     archive = luigi.Parameter(default="https://example.com/photos.tar.gz")
    ...     patterns = ("*.jpg",)
    >>> Photos().output().path
    'data/raw/Photos'
    """

    archive: str = luigi.Parameter(description="the archive: a path, http(s)://... or s3://bucket/key")

    not_in_recipe = ArchiveStage.not_in_recipe | {"archive"}  # what it is counts, not where

    def source(self) -> ArchiveSource:
        """Return where the archive comes from."""
        return find_source(str(self.archive))


class _Extraction:
    """Puts the members of one archive into a staging directory, one by one."""

    def __init__(self, stage: ArchiveStage, staging: Staging, failures: Failures) -> None:
        if stage.special_members not in ("fail", "record"):
            raise SettingsError(
                f"{type(stage).__name__}.special_members is {stage.special_members!r}: give 'fail' or 'record'"
            )
        self._stage = stage
        self._staging = staging
        self._failures = failures
        self._patterns = Patterns(stage.patterns, stage.exclude)
        self._seen = PathIndex()
        self._n_written = self._n_kept = 0

    def take(self, member: Member) -> None:
        """Write a member, or put a row on the manifest that says why not; leave out what is not wanted."""
        is_safe = member.problem is None or member.is_special
        if is_safe and not self._patterns.take(member.name):
            return
        self._failures.total += 1
        if member.problem is not None and member.is_special and self._stage.special_members == "record":
            self._failures.count([self._staging.add_dropped(member.name, member.problem)])
            return
        try:
            self._write(member)
        except (MemberError, SettingsError) as error:
            self._fail(member, error)
        except TintypeError:
            raise
        except OSError as error:
            if error.errno in DISK_ERRORS:
                raise StagingError(
                    error.errno,
                    f"{error.strerror} while {member.name} was extracted to {self._staging.path}: "
                    "make room and run again; what is finished is kept",
                ) from error
            self._fail(member, error)

    def take_counts(self) -> tuple[int, int]:
        """Return the numbers of members worked on, and found finished, since the last call."""
        counts = self._n_written, self._n_kept
        self._n_written = self._n_kept = 0
        return counts

    def _fail(self, member: Member, error: Exception) -> None:
        self._n_written += 1
        self._failures.count([self._staging.add_failed(member.name, error)])

    def _write(self, member: Member) -> None:
        if member.problem is not None:
            raise member.problem
        outpath = str(self._stage.outpath(member.name))
        check_outpath(outpath)
        self._refuse_known(member.name, outpath)
        if self._staging.is_finished(outpath):
            self._n_kept += 1
            self._failures.count([], n_kept=1)
            return
        digest, size_bytes = write_chunks(member.chunks(), f"{self._staging.files}/{outpath}")
        label = self._stage.label(member.name)
        self._staging.add(
            outpath,
            inpath=member.name,
            columns={"label": None if label is None else printable(label)},
            digest=digest,
            size_bytes=size_bytes,
        )
        self._n_written += 1
        self._failures.count([], n_kept=1)

    def _refuse_known(self, name: str, outpath: str) -> None:
        key = outpath
        if not self._stage.allow_names_that_differ_in_case:
            key = unicodedata.normalize("NFC", outpath).casefold()
        number = len(self._seen)
        if self._seen.setdefault(key, number) == number:
            return
        if os.path.lexists(f"{self._staging.files}/{outpath}"):
            raise MemberError(f"{name} is in the archive twice: only the first is taken")
        raise MemberError(
            f"{name} differs from another member's name only in the case of letters or in how accents are composed: "
            "allow it with allow_names_that_differ_in_case = True"
        )


def write_chunks(chunks: Iterator[bytes], path: str) -> tuple[str, int]:
    """Write bytes as they come to a new file, whole or not at all; return its sha256 (hex) and size in bytes."""
    digest, size_bytes = hashlib.sha256(), 0
    with new_file(path) as descriptor:
        for chunk in chunks:
            digest.update(chunk)
            write_all(descriptor, memoryview(chunk), path)
            size_bytes += len(chunk)
    return digest.hexdigest(), size_bytes
