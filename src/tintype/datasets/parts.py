"""Small parts for a ``get_raw`` of one's own: fetch an object from S3, extract an archive."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tintype.errors import MemberError, SettingsError
from tintype.load_funcs.s3 import S3Location, describe_s3_object, open_s3_object
from tintype.raw.archives.limits import ArchiveLimits, Meter
from tintype.raw.archives.members import CHUNK_BYTES
from tintype.raw.archives.reading import read_archive
from tintype.raw.extract_archive import ArchiveStage, write_chunks
from tintype.raw.patterns import Patterns
from tintype.targets.relative_paths import check_outpath

Folder = str | os.PathLike[str]


@dataclass(frozen=True)
class S3Downloader:
    """Fetches one object: called with a folder, it returns the path of the file, named as the last part of the key.

    The file is there whole or not at all. A connection that drops is opened again where it was; an object that changes
    meanwhile is an error. Endpoint, region and profile are ``[tintype] s3_*`` settings, or boto3's own.

    Raises
    ------
    SettingsError
        When the key ends in a slash, so that it names no file. A ValueError.
    SourceError
        When called: SourceNotFoundError, a FileNotFoundError, when there is no such bucket or object.

    Examples
    --------
    >>> S3Downloader("photos", "2024/cats.tar.gz").name
    'cats.tar.gz'
    """

    bucket: str
    key: str

    def __post_init__(self) -> None:
        if not self.name:
            raise SettingsError(f"the key {self.key!r} names no file: give that of an object, such as 2024/cats.tar")

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.key.rpartition("/")[2]

    def __call__(self, folder: Folder) -> Path:
        """Fetch the object into a folder; return the path of the file."""
        path = Path(folder, self.name)
        with open_s3_object(describe_s3_object(S3Location(self.bucket, self.key))) as stream:
            write_chunks(iter(lambda: stream.read(CHUNK_BYTES) or b"", b""), str(path))
        return path


@dataclass(frozen=True)
class TarfileExtractor:
    """Extracts a tar (plain, gz, bz2, xz, zst) or zip archive: called with its path and a folder, returns the files.

    Nothing is written outside of the folder, and nothing is followed: a link, a device, a name that leads out or one
    that is there twice is an error. The archive itself stays.

    Raises
    ------
    MemberError
        When called, by a member that cannot be taken. An ArchiveError, and so a ValueError.
    ArchiveError
        When called, by an archive that is broken, cut off, or over a limit.

    Examples
    --------
    >>> import io, tarfile, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with tarfile.open(f"{folder}/pets.tar", "w") as archive:
    ...         member = tarfile.TarInfo("cats/1.txt")
    ...         member.size = 4
    ...         archive.addfile(member, io.BytesIO(b"meow"))
    ...     [path.read_text() for path in TarfileExtractor()(f"{folder}/pets.tar", f"{folder}/raw")]
    ['meow']
    """

    patterns: Sequence[str] = ("*",)
    """Shell patterns of the files to take, in any case of letters."""
    exclude: Sequence[str] = ArchiveStage.exclude
    """Patterns of files to leave out; by default hidden ones, and what macOS adds."""
    limits: ArchiveLimits = field(default_factory=ArchiveLimits)
    """What an archive may grow to."""

    def __call__(self, archive: Folder, folder: Folder) -> list[Path]:
        """Extract an archive into a folder; return the paths of the files, in the archive's order."""
        wanted = Patterns(self.patterns, self.exclude)
        paths: list[Path] = []
        with open(archive, "rb") as file:
            for member in read_archive(file, Meter(os.fspath(archive), self.limits), spool_folder=Path(folder)):
                if member.problem is not None:
                    raise member.problem
                if not wanted.take(member.name):
                    continue
                check_outpath(member.name)
                path = Path(folder, member.name)
                if os.path.lexists(path):
                    raise MemberError(
                        f"{member.name} is in {archive} twice, or is in {folder} already: keep one of them"
                    )
                write_chunks(member.chunks(), str(path))
                paths.append(path)
        return paths
