"""Datasets whose raw data comes from a tar in S3, a list of URLs, or a folder: what is left to write is ``process``."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from tintype.datasets.dataset import Dataset
from tintype.errors import SettingsError
from tintype.load_funcs.http import FetchPolicy
from tintype.raw.download_files import DownloadFiles
from tintype.raw.extract_archive import ArchiveStage
from tintype.raw.import_folder import ImportFolder
from tintype.raw.s3_stages import S3Tarfile
from tintype.recipe import Recipe
from tintype.targets.directory import DirectoryTarget
from tintype.tasks.stage import Stage


class RawStage(Stage):
    """A mixin of stages that fill a dataset's raw directory itself."""

    made_by: Recipe | None = None
    """The dataset's recipe, while it is built."""
    _visible_in_registry = False  # it is no task for Luigi's command line

    def output(self) -> DirectoryTarget:
        """Return the raw directory."""
        return DirectoryTarget(Path(self.base_dir).expanduser() / "raw")

    def recipe(self) -> Recipe:
        """Return the recipe of the dataset's raw data: by it, what is published can be taken over."""
        return self.made_by or super().recipe()


class _Tarfile(RawStage, S3Tarfile):
    pass


class _UrlList(RawStage, DownloadFiles):
    pass


class _Folder(RawStage, ImportFolder):
    pass


class StageDataset(Dataset):
    """What datasets share whose raw data one of tintype's stages brings in: subclasses give :meth:`open_stage`.

    Download and extraction resume where they were interrupted, and a row of the manifest says what became of each file.
    To add to the raw data, override ``get_raw``, call ``super().get_raw()`` and write more files; leave those alone
    that are there then.
    """

    def open_stage(self) -> AbstractContextManager[RawStage]:
        """Return a context manager that gives the stage."""
        raise NotImplementedError(f"{type(self).__name__} has no open_stage: override it")

    def source_digests(self) -> Mapping[str, str]:
        """Return what tells the stage that its source has changed."""
        with self.open_stage() as stage:
            return stage.input_digests()

    def get_raw(self) -> None:
        """Bring in the raw data."""
        filling = self._filling
        assert filling is not None  # on its own it comes here by way of a build
        assert filling.staging is not None
        stage = filling.open_until_published.enter_context(self.open_stage())
        stage.made_by = filling.staging.recipe
        filling.run_stage(stage)


class S3TarfileDataset(StageDataset):
    """A dataset whose raw data is one archive in S3: extracted while it streams, never put on the disk.

    Every build asks S3 for the archive's ETag and size; when it has changed, it is extracted anew, and when S3 cannot
    be asked, what was extracted stays. Names that lead out, links and devices are refused, see
    :class:`tintype.raw.S3Tarfile`.

    Parameters
    ----------
    base_dir
        The dataset's home; holds raw, interim and processed.
    bucket
        The bucket's name.
    key
        The archive's key: a tar (plain, gz, bz2, xz, zst) or zip.

    Examples
    --------
    >>> class Pets(S3TarfileDataset):
    ...     def process(self):
    ...         for path in self.raw_dir.rglob("*.jpg"):
    ...             (self.processed_dir / path.name).write_bytes(path.read_bytes())
    >>> print(Pets("/nonexistent", "photos", "pets.tar.gz").raw_dir)
    /nonexistent/raw
    """

    patterns: Sequence[str] = ("*",)
    """Shell patterns of the files to take."""
    exclude: Sequence[str] = ArchiveStage.exclude
    """Patterns of files to leave out; by default hidden ones, and what macOS adds."""
    check_source: ClassVar[bool] = True
    """Ask on every build whether the archive has changed."""
    not_in_recipe = frozenset({"bucket", "key", "check_source"})  # what it is counts, not where

    def __init__(self, base_dir: str | Path, bucket: str, key: str) -> None:
        super().__init__(base_dir)
        self.bucket = bucket
        self.key = key

    @contextmanager
    def open_stage(self) -> Iterator[RawStage]:
        """Give the stage that extracts the archive."""
        stage = _Tarfile(base_dir=str(self.base_dir), bucket=self.bucket, key=self.key)
        yield _configured(stage, patterns=self.patterns, exclude=self.exclude, check_source=self.check_source)


class UrlListDataset(StageDataset):
    """A dataset whose raw data is behind URLs: downloaded many at once, with deadlines and retries.

    When the list changes, only new URLs are fetched. A URL that fails is a row of the manifest; more of them than
    `max_failure_rate` publish nothing, and what was fetched waits for the next build. See
    :class:`tintype.raw.DownloadFiles`.

    Parameters
    ----------
    base_dir
        The dataset's home; holds raw, interim and processed.
    urls
        The URLs, as text; or where the list is: a CSV, TSV, JSONL, Parquet or text file, or the URL of a database.
    path_template
        Where a file goes, as ``{label}/{name}``, from the list's columns; None for the name in its URL.
    query
        The SQL query, when `urls` is a database.

    Examples
    --------
    >>> class Pets(UrlListDataset):
    ...     max_failure_rate = 0.0
    ...     def process(self):
    ...         ...
    >>> Pets("/nonexistent", ["https://example.com/cat.jpg"]).urls
    ('https://example.com/cat.jpg',)
    """

    max_failure_rate: ClassVar[float] = DownloadFiles.max_failure_rate
    """Share of the URLs that may fail, 0 to 1."""
    policy: FetchPolicy = FetchPolicy()
    """Deadlines, limits, retries and manners."""
    check_images: bool = False
    """Decode each file once, so that what is no whole image is a failed row."""
    not_in_recipe = frozenset({"urls", "max_failure_rate", "policy"})  # what the list says counts, not where it is

    def __init__(
        self,
        base_dir: str | Path,
        urls: str | os.PathLike[str] | Iterable[str],
        *,
        path_template: str | None = None,
        query: str | None = None,
    ) -> None:
        super().__init__(base_dir)
        self.urls = os.fspath(urls) if isinstance(urls, str | os.PathLike) else tuple(urls)
        self.path_template = path_template
        self.query = query

    @contextmanager
    def open_stage(self) -> Iterator[RawStage]:
        """Give the stage that downloads the files; URLs that were given as text are a file meanwhile."""
        with tempfile.TemporaryDirectory() as folder:
            place = self.urls if isinstance(self.urls, str) else _write_list(self.urls, Path(folder, "urls.txt"))
            stage = _UrlList(base_dir=str(self.base_dir), urls=place)
            yield _configured(
                stage,
                path_template=self.path_template,
                query=self.query,
                policy=self.policy,
                max_failure_rate=self.max_failure_rate,
                check_images=self.check_images,
            )


class FolderDataset(StageDataset):
    """A dataset whose raw data is a folder of files: copied or linked in.

    New, changed and vanished files have the raw data brought up to date, file by file. Once it is in, the folder may
    go. See :class:`tintype.raw.ImportFolder`.

    Parameters
    ----------
    base_dir
        The dataset's home; holds raw, interim and processed.
    folder
        The folder to import.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     Path(folder, "a.txt").touch()
    ...     pets = FolderDataset(f"{folder}/data", folder)
    ...     pets.get_raw()
    ...     sorted(path.name for path in pets.raw_dir.iterdir())
    ['_manifest.parquet', '_stamp.json', 'a.txt']
    """

    patterns: Sequence[str] = ("*",)
    """Shell patterns of the files to take."""
    exclude: Sequence[str] = ()
    """Patterns of files to leave out."""
    mode: Literal["copy", "hardlink", "symlink"] = "copy"
    """How a file comes in. Links take no space; who changes the original then changes the dataset."""
    not_in_recipe = frozenset({"folder"})  # what it holds counts, not where it is

    def __init__(self, base_dir: str | Path, folder: str | os.PathLike[str]) -> None:
        super().__init__(base_dir)
        self.folder = os.fspath(folder)

    @contextmanager
    def open_stage(self) -> Iterator[RawStage]:
        """Give the stage that imports the folder."""
        stage = _Folder(base_dir=str(self.base_dir), folder=self.folder)
        yield _configured(stage, patterns=self.patterns, exclude=self.exclude, mode=self.mode)


StageType = TypeVar("StageType", bound=RawStage)


def _configured(stage: StageType, **attributes: Any) -> StageType:
    """Return a stage with other values of its class attributes; all of them each time, as Luigi keeps the object."""
    for name, value in attributes.items():
        setattr(stage, name, value)
    return stage


def _write_list(urls: Iterable[object], path: Path) -> str:
    with path.open("w", encoding="utf-8") as file:
        for url in urls:
            if not isinstance(url, str) or not url.strip() or "\n" in url or url.lstrip().startswith("#"):
                raise SettingsError(f"{url!r} among the URLs is none: give each as text")
            file.write(f"{url}\n")
    return str(path)
