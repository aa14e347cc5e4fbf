"""Stages that bring in what lies in S3: one tar archive, or every object of a prefix."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, ClassVar, NamedTuple

import luigi

from tintype.errors import SettingsError
from tintype.load_funcs.resuming import ResumingStream
from tintype.load_funcs.s3 import S3Location, S3Object, list_s3_objects, open_s3_object
from tintype.manifest.lookup import ManifestLookup
from tintype.pipelines.core import Pipeline
from tintype.raw.archive_sources import ArchiveSource, S3Source
from tintype.raw.archives.members import CHUNK_BYTES
from tintype.raw.extract_archive import ArchiveStage, write_chunks
from tintype.raw.known_files import KnownFile, link_known_file
from tintype.raw.labels import label_of_folder
from tintype.raw.patterns import Patterns
from tintype.records import report_written
from tintype.settings import Settings, read_settings
from tintype.targets.relative_paths import printable
from tintype.tasks.file_stage import FileStage
from tintype.tasks.rows import InputRow, InputRows, RowBatch
from tintype.tasks.spool import SpooledRows

logger = logging.getLogger("luigi-interface.tintype")


class S3Tarfile(ArchiveStage):
    """Extract an archive that lies in S3, in one pass and never put on the disk; see :class:`ArchiveStage`.

    Every request asks for the ETag that was there first: an object that changes meanwhile is an error. A connection
    that drops is opened again where it was. Endpoint, region, profile and the like are settings, ``[tintype] s3_*``,
    or boto3's own.

    Examples
    --------
    >>> import luigi
    >>> class Photos(S3Tarfile):
    ...     bucket = luigi.Parameter(default="photos")
    ...     key = luigi.Parameter(default="2024/cats.tar.gz")
    >>> Photos().source().name
    's3://photos/2024/cats.tar.gz'
    """

    bucket: str = luigi.Parameter(description="the bucket's name")
    key: str = luigi.Parameter(description="the archive's key")

    not_in_recipe = ArchiveStage.not_in_recipe | {"bucket", "key"}  # what it is counts, not where

    def source(self) -> ArchiveSource:
        """Return where the archive comes from."""
        return S3Source(S3Location(str(self.bucket), str(self.key)))


class S3Folder(FileStage):
    """Bring in every object below a prefix of a bucket, many at once, under its key without the prefix.

    An object whose ETag and size are those of the directory that is published is linked over from there, not fetched.
    One that changes between the listing and its turn is a failed row. Keys that end in a slash, which some tools make
    for folders, are left out.

    The recipe keeps a digest of the listing: key, ETag and size of each object that is taken. When the bucket is gone
    or cannot be asked, what was brought in stays complete.

    Every file carries the columns ``key``, ``etag``, ``size`` (bytes), ``last_modified`` (UTC) and ``label``, see
    :meth:`label`.

    Examples
    --------
    >>> import luigi
    >>> class Photos(S3Folder):
    ...     bucket = luigi.Parameter(default="photos")
    ...     prefix = luigi.Parameter(default="2024/cats")
    ...     patterns = ("*.jpg",)
    >>> Photos().output().path
    'data/raw/Photos'
    """

    bucket: str = luigi.Parameter(description="the bucket's name")
    prefix: str = luigi.Parameter(default="", description="the folder in it; empty for all of the bucket")

    layer = "raw"
    patterns: Sequence[str] = ("*",)
    """Shell patterns of the objects to take, in any case of letters; one without a slash is matched with the last part
    of the key, else with the key below the prefix."""
    exclude: Sequence[str] = ()
    """Patterns of objects to leave out."""
    check_source: ClassVar[bool] = True
    """List the bucket on every run; False never asks again once it is brought in."""
    default_n_jobs: ClassVar[int | None] = 16
    max_block_size: ClassVar[int] = 1
    not_in_recipe = FileStage.not_in_recipe | {"bucket", "prefix", "check_source", "carried_columns"}
    undigested_columns = frozenset({"etag", "last_modified"})  # the same bytes, uploaded again, rebuild nothing below
    carried_columns: ClassVar[Mapping[str, type]] = {
        "key": str,
        "etag": str,
        "size": int,
        "last_modified": str,
        "label": str,
    }

    def pipeline(self) -> Pipeline:
        """Return the pipeline that fetches one object, or links it over."""
        settings = read_settings()
        n_jobs = self.number_of_jobs()
        return Pipeline(load_func=_Fetch(settings, n_jobs), write_func=_write_object)

    def input_folder(self) -> str:
        """Return nothing: an object's URL stands for itself."""
        return ""

    def rows(self) -> InputRows:
        """Return the objects, as the bucket lists them now."""
        return self._listing().rows

    def load_arguments(self, batch: RowBatch) -> Sequence[WantedObject]:
        """Return what is known of each object, and the file that it is already."""
        if not {"key", "etag", "size"} <= set(batch.carried.schema.names):
            raise SettingsError(f"{batch.inpaths[0]} was not listed: let rows() give what S3Folder.rows() gives")
        keys, etags, sizes = (batch.carried.column(name).to_pylist() for name in ("key", "etag", "size"))
        published = self.once("published", self._last_build)
        known = published.find(keys) if published is not None else [None] * len(keys)
        folder = self.output().path
        wanted = []
        for key, etag, size, row in zip(keys, etags, sizes, known, strict=True):
            is_same = row is not None and row["outpath"] is not None and (row["etag"], row["size"]) == (etag, size)
            old = KnownFile(f"{folder}/{row['outpath']}", row["digest"], row["size_bytes"]) if row and is_same else None
            wanted.append(WantedObject(S3Object(S3Location(str(self.bucket), key), etag, size), old))
        return wanted

    def outpath(self, row: InputRow) -> str:
        """Return where an object goes: by default its key without the prefix."""
        return self._relative(str(row["key"]))

    def label(self, inpath: str) -> str | None:
        """Return the label of an object: by default the last folder of its key below the prefix, None at the top."""
        return label_of_folder(inpath)

    def input_digests(self) -> Mapping[str, str]:
        """Return the digest of the listing: key, ETag and size of each object, in any order."""
        stamp = self.output().stamp()
        if stamp is not None and not self.check_source and not self.has_looked_at("listing"):
            return stamp.recipe.inputs
        try:
            return {"objects": self._listing().digest}
        except OSError as error:
            if stamp is None:
                raise
            logger.warning("%s; %s stays as it was brought in", error, self.output())
            return stamp.recipe.inputs

    def _last_build(self) -> ManifestLookup | None:
        target = self.output()
        if not target.exists():
            return None
        manifest = target.manifest()
        has_columns = {"key", *_LOOKED_UP} <= set(manifest.schema.names)  # a subclass may have had others
        return ManifestLookup(manifest, "key", _LOOKED_UP) if has_columns else None

    def _listing(self) -> _Listing:
        """Return the bucket's listing; during a run the same one each time."""
        return self.once("listing", lambda: _Listing(self._records(), self.carried_columns))

    def _records(self) -> Iterator[dict[str, Any]]:
        wanted = Patterns(self.patterns, self.exclude)
        for found in list_s3_objects(str(self.bucket), self._folder()):
            key = found.location.key
            relative = self._relative(key)
            if not key.endswith("/") and wanted.take(relative):
                label = self.label(relative)
                yield {
                    "inpath": found.location.url,
                    "key": key,
                    "etag": found.etag,
                    "size": found.size_bytes,
                    "last_modified": found.last_modified,
                    "label": None if label is None else printable(label),
                }

    def _folder(self) -> str:
        prefix = str(self.prefix)
        return f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""

    def _relative(self, key: str) -> str:
        return key[len(self._folder()) :]


class _Listing:
    """Objects in a temporary file, and their digest."""

    def __init__(self, records: Iterator[Mapping[str, Any]], columns: Mapping[str, type]) -> None:
        self._sum = 0
        self.rows = SpooledRows(self._add_up(records), columns)
        self.digest = sha256(f"{self.rows.n_rows}:{self._sum:064x}".encode()).hexdigest()

    def _add_up(self, records: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        # A sum, because not every kind of bucket lists in the order of keys.
        for record in records:
            text = f"{record['key']}\0{record['etag']}\0{record['size']}"
            self._sum = (self._sum + int.from_bytes(sha256(text.encode()).digest(), "big")) % (1 << 256)
            yield record


_LOOKED_UP = ("etag", "size", "outpath", "digest", "size_bytes")


class WantedObject(NamedTuple):
    """An object to bring in, and the file of the last build where that has the same ETag and size."""

    found: S3Object
    old: KnownFile | None


@dataclass(frozen=True)
class _Fetch:
    """The load function: an object as a stream, or the file that it is already."""

    settings: Settings
    n_connections: int

    def __call__(self, wanted: WantedObject) -> ResumingStream | KnownFile:
        if wanted.old is not None and wanted.old.is_there():
            return wanted.old
        return open_s3_object(wanted.found, self.settings, n_connections=self.n_connections)


def _write_object(data: ResumingStream | KnownFile, path: str) -> None:
    if isinstance(data, KnownFile):
        link_known_file(data, path, is_reused=True)
        return
    with data:
        report_written(path, *write_chunks(iter(lambda: data.read(CHUNK_BYTES) or b"", b""), path))
