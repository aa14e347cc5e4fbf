"""DownloadFiles: a list of URLs becomes a directory of files, the bytes as they were received."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar, Literal, NamedTuple
from urllib.parse import urlsplit

import luigi

from tintype.errors import DownloadError, RowSourceError, SettingsError
from tintype.load_funcs.http import RETRIED_STATUSES, Fetcher, FetchPolicy, FetchRequest
from tintype.load_funcs.image import decode_image
from tintype.manifest.lookup import ManifestLookup
from tintype.manifest.schema import Status
from tintype.pipelines.core import Pipeline
from tintype.pipelines.file_result import FileItem, FileResult, result_without_work
from tintype.raw.known_files import KnownFile, link_known_file
from tintype.raw.repeated_urls import RepeatedUrls
from tintype.raw.row_paths import PathMaker
from tintype.raw.row_sources import RowSource, open_row_source
from tintype.recipe import Keep, Reason, Rebuild, Recipe
from tintype.records import record
from tintype.settings import read_settings
from tintype.targets.staging import Staging
from tintype.tasks.file_stage import FileStage
from tintype.tasks.rows import InputRows, RowBatch, Trouble
from tintype.tasks.spool import SpooledRows
from tintype.write_funcs.files import write_bytes

ANSWER_COLUMNS: dict[str, type] = {
    "final_url": str,
    "http_status": int,
    "content_type": str,
    "etag": str,
    "last_modified": str,
    "attempts": int,
    "bytes_per_second": float,
}
"""What each row says of the server's answer. It changes from one download to the next, so it is in no digest."""

_RETRIED_ERRORS = frozenset({"ConnectionFailedError", "DownloadTimeoutError"})


class DownloadFiles(FileStage):
    """Download a list of URLs into ``raw``: the bytes as they were received, under paths of your choice.

    The list is a CSV, TSV, JSONL, Parquet or plain text file (each may be gzipped, local, ``http(s)://`` or ``s3://``),
    an SQL query or a MongoDB collection, see :func:`tintype.raw.row_sources.open_row_source`. Its other columns travel
    with each file. A URL that is there twice is fetched once.

    When the list changes, new rows are downloaded, vanished ones leave, and unchanged ones are taken over without a
    request. ``refresh`` asks the server for every file again, by the ETag and the time of the last download, so that
    what did not change is not sent again. A list that is not a local file is read again only on ``refresh``.

    Examples
    --------
    >>> class Photos(DownloadFiles):
    ...     urls = luigi.Parameter(default="urls.csv")
    ...     path_template = "{label}/{name}"
    >>> Photos().output().path
    'data/raw/Photos'
    """

    urls: str = luigi.Parameter(description="the list: a file, a database's URL, or a MongoDB URI")
    refresh: bool = luigi.BoolParameter(
        default=False, significant=False, description="ask the servers again, and send only what changed"
    )

    layer = "raw"
    max_failure_rate: ClassVar[float] = 0.1
    default_n_jobs: ClassVar[int | None] = 16
    max_block_size: ClassVar[int] = 1

    url_column: str = "url"
    path_column: str = "path"
    sha256_column: str = "sha256"
    column_types: Mapping[str, type] | None = None
    """Types of the list's columns, where they are not text."""
    keep_columns: Sequence[str] | None = None
    """The columns that travel with each file; all when None."""
    missing_url: Literal["error", "skip"] = "error"
    query: str | None = None
    """The SQL query, when ``urls`` is a database."""
    database: str | None = None
    collection: str | None = None
    query_filter: Mapping[str, Any] | str | None = None
    projection: Mapping[str, Any] | str | None = None
    credentials_path: str | None = None

    path_template: str | None = None
    """Where a file goes, as ``{label}/{name}``: see :class:`tintype.raw.row_paths.PathMaker`."""
    policy: FetchPolicy = FetchPolicy()
    """Deadlines, limits, retries and manners, see :class:`tintype.load_funcs.http.FetchPolicy`."""
    check_images: bool = False
    """Decode each file once, so that what is no whole image is a failed row. The bytes are kept as they came."""

    recorded_columns = ANSWER_COLUMNS
    undigested_columns = frozenset(ANSWER_COLUMNS)
    not_in_recipe = FileStage.not_in_recipe | {"urls", "credentials_path", "policy"}
    collision_cure = "set path_template to keep them apart, for example '{url_hash}{ext}', or correct the list"

    def __init__(self, *arguments: Any, **parameters: Any) -> None:
        super().__init__(*arguments, **parameters)
        self._made_at = datetime.now(UTC).isoformat(timespec="microseconds")
        if _has_password(str(self.urls)):
            raise SettingsError(
                f"{type(self).__name__}.urls holds a password, which Luigi's scheduler would show: "
                "write ${NAME} in its place, and give it in the environment variable NAME"
            )

    def pipeline(self) -> Pipeline:
        """Return the pipeline: fetch, check, write the bytes."""
        check = partial(check_is_image, max_pixels=read_settings().max_image_pixels)
        # Closed with the look: Luigi keeps the task for as long as its process lives.
        fetcher = self.once("fetcher", lambda: Fetcher(self.policy, n_jobs=self.number_of_jobs()))
        return Pipeline(
            load_func=_Download(fetcher, ask_again=bool(self.refresh)),
            ops=[check] if self.check_images else [],
            write_func=write_download,
        )

    def source(self) -> RowSource:
        """Return where the rows come from."""
        options = {
            name: getattr(self, name)
            for name in ("query", "database", "collection", "query_filter", "projection", "credentials_path")
        }
        return open_row_source(
            str(self.urls),
            url_column=self.url_column,
            path_column=self.path_column,
            sha256_column=self.sha256_column,
            columns=self.column_types,
            keep_columns=self.keep_columns,
            missing_url=self.missing_url,
            **options,
        )

    def input_folder(self) -> str:
        """Return nothing: a URL stands for itself."""
        return ""

    def input_digests(self) -> Mapping[str, str]:
        """Return the digest of a local list, or the identity of any other."""
        source = self.source()
        return {"urls": source.digest() or source.identity()}

    def decide(self, wanted: Recipe | None = None) -> Keep | Rebuild:
        """Compare what is published with what is asked for; a refresh is a reason, once."""
        decision = super().decide(wanted)
        stamp = self.output().stamp()
        if isinstance(decision, Keep) and self.refresh and stamp is not None and stamp.time_published < self._made_at:
            return Rebuild((Reason("refresh", "refresh asked for"),))
        return decision

    def rows(self) -> InputRows:
        """Return the rows of the list, read once."""
        source = self.source()
        columns = dict(source.columns())
        records = ({"inpath": row["url"], **row} for row in source.rows())
        rows = SpooledRows(records, {"url": str, **columns}, hidden={"path": str, "sha256": str})
        self._make_path = PathMaker(self.path_template, columns=columns.keys(), n_rows=rows.n_rows)
        self._repeated = RepeatedUrls(rows)
        return rows

    def outpaths(self, batch: RowBatch) -> list[str | Trouble]:
        """Return the output path of each row of a batch, or why there is none."""
        names = batch.carried.schema.names
        columns = [column.to_pylist() for column in batch.carried.columns]
        assert batch.hidden is not None
        paths = batch.hidden.column("path").to_pylist()
        if self.path_template is None and not any(paths):
            columns, names = [batch.inpaths], ["url"]
        outpaths: list[str | Trouble] = []
        for path, values in zip(paths, zip(*columns, strict=True), strict=True):
            try:
                outpaths.append(self._make_path({"path": path, **dict(zip(names, values, strict=True))}))
            except (SettingsError, RowSourceError) as error:
                outpaths.append(error)
        return outpaths

    def load_arguments(self, batch: RowBatch) -> Sequence[DownloadSource]:
        """Return what to fetch for each row, and the copy at hand."""
        assert batch.hidden is not None
        published = self.once("published", self._published_rows)
        old_rows = published.find(batch.inpaths) if published is not None else [None] * len(batch)
        folder = self.output().path
        return [
            DownloadSource(url, sha256, None if old is None else CopyAtHand.from_row(folder, old))
            for url, sha256, old in zip(batch.inpaths, batch.hidden.column("sha256").to_pylist(), old_rows, strict=True)
        ]

    def waits(self, batch: RowBatch) -> Sequence[bool] | None:
        """Return which rows repeat the URL of an earlier one: they wait for it."""
        return self._repeated.flags(batch)

    def last_pass(self, rows: InputRows, staging: Staging) -> Iterator[FileItem | FileResult]:
        """Yield what failed and may pass, once more, and the rows whose URL another row has fetched."""
        for batch in rows.batches():
            waits = self.waits(batch) or [False] * len(batch)
            known = staging.rows.columns(batch.start, batch.start + len(batch))
            retried = [
                status == Status.FAILED and _may_pass(error_type, columns)
                for status, error_type, columns in zip(
                    known["status"], known["error_type"], known["columns"], strict=True
                )
            ]
            if not any(retried) and not any(waits):
                continue
            outpaths, sources = self.outpaths(batch), self.load_arguments(batch)
            for place, url in enumerate(batch.inpaths):
                number, outpath = batch.start + place, outpaths[place]
                if not isinstance(outpath, str):
                    continue
                if waits[place] and known["status"][place] is None:
                    yield self._follow(number, url, outpath, staging)
                elif retried[place] and not waits[place]:
                    yield FileItem(number, url, outpath, sources[place])

    def interrupt(self) -> None:
        """Let no request go on: the build is being stopped."""
        if self.has_looked_at("fetcher"):
            self.once("fetcher", Fetcher).abort()

    def _follow(self, number: int, url: str, outpath: str, staging: Staging) -> FileItem | FileResult:
        """Return what becomes of a row whose URL an earlier row has fetched."""
        first = staging.rows.result(self._repeated.first_row(url))
        if first is not None and first.outpath is not None and first.digest and first.outpath != outpath:
            file = KnownFile(os.path.join(staging.files, first.outpath), first.digest, first.size_bytes or 0)
            copy = CopyAtHand(file, first.columns or {}, is_of_this_build=True)
            return FileItem(number, url, outpath, DownloadSource(url, None, copy))
        if first is None or first.status == Status.FAILED:
            kind, error = (
                (first.error_type, first.error) if first else ("DownloadError", "the first row of it has none")
            )
            return result_without_work(number, url, Status.FAILED)._replace(error_type=kind, error=error)
        return result_without_work(number, url, Status.SKIPPED)._replace(columns=first.columns)

    def _published_rows(self) -> ManifestLookup | None:
        """Return the rows of the published directory, if it was made in the same way from another list."""
        target = self.output()
        stamp = target.stamp()
        if stamp is None or replace(stamp.recipe, inputs={}) != replace(self.recipe(), inputs={}):
            return None
        return ManifestLookup(target.manifest(), "inpath", ["outpath", "digest", "size_bytes", *ANSWER_COLUMNS])


class CopyAtHand(NamedTuple):
    """A file that was downloaded before."""

    file: KnownFile
    answer: Mapping[str, Any]
    """What the server said of it then."""
    is_of_this_build: bool = False
    """Whether another row of this very build has fetched it; else it is of the last one."""

    @classmethod
    def from_row(cls, folder: str, row: Mapping[str, Any]) -> CopyAtHand | None:
        """Return the copy that a row of a manifest names; None when it names none."""
        if row["outpath"] is None:
            return None
        file = KnownFile(os.path.join(folder, row["outpath"]), row["digest"], row["size_bytes"])
        return cls(file, {name: row[name] for name in ANSWER_COLUMNS})


class DownloadSource(NamedTuple):
    """What to fetch for one row."""

    url: str
    sha256: str | None
    copy: CopyAtHand | None = None


@dataclass(frozen=True)
class _Download:
    """The load function: the bytes of a URL, or the copy at hand where they are the same."""

    fetcher: Fetcher
    ask_again: bool

    def __call__(self, source: DownloadSource) -> bytes | CopyAtHand:
        copy = source.copy
        if copy is not None and not _is_right(copy.file, source.sha256):
            copy = None
        if copy is not None and (copy.is_of_this_build or not self.ask_again):
            record(**copy.answer)
            return copy
        request = FetchRequest(source.url, source.sha256)
        if copy is not None:
            request = replace(request, etag=copy.answer["etag"], last_modified=copy.answer["last_modified"])
        try:
            fetched = self.fetcher(request)
        except DownloadError as error:
            record(http_status=error.http_status, attempts=error.attempts)
            raise
        record(
            final_url=fetched.final_url,
            http_status=fetched.http_status,
            content_type=fetched.content_type,
            etag=fetched.etag,
            last_modified=fetched.last_modified,
            attempts=fetched.attempts,
            bytes_per_second=len(fetched.data or b"") / max(fetched.seconds, 1e-6),
        )
        if fetched.data is not None:
            return bytes(fetched.data)  # no copy of what is bytes
        assert copy is not None
        for name in ("content_type", "etag", "last_modified"):  # a 304 need not repeat what it said before
            if getattr(fetched, name) is None:
                record(**{name: copy.answer[name]})
        return copy


def _has_password(address: str) -> bool:
    """Return whether a URL has a password written in it, and not a ``${NAME}`` that stands for one."""
    try:
        password = urlsplit(address).password
    except ValueError:
        return False
    return bool(password) and "${" not in (password or "")


def _is_right(file: KnownFile, sha256: str | None) -> bool:
    """Return whether a copy is still there, and is what the list asks for."""
    return file.is_there() and (not sha256 or sha256.lower() == file.digest)


def check_is_image(data: bytes | CopyAtHand, *, max_pixels: int) -> bytes | CopyAtHand:
    """Return the bytes, if they are a whole image; ImageError if not."""
    if isinstance(data, bytes):
        decode_image(data, "what came", max_pixels=max_pixels)
    return data


def write_download(data: bytes | CopyAtHand, path: str) -> None:
    """Write the bytes that came, or take the copy at hand over."""
    if isinstance(data, CopyAtHand):
        link_known_file(data.file, path, is_reused=not data.is_of_this_build)
    else:
        write_bytes(data, path)


def _may_pass(error_type: str | None, columns: Mapping[str, Any] | None) -> bool:
    """Return whether a failed download is worth another try."""
    return error_type in _RETRIED_ERRORS or (columns or {}).get("http_status") in RETRIED_STATUSES
