"""PackArrays: images of one shape as one array a part, mapped into memory where it is read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tintype.errors import EvaluationError, FileError, ManifestError, SettingsError
from tintype.load_funcs.image import load_image
from tintype.manifest.file_paths import HAS_FILE
from tintype.manifest.rows import ManifestView
from tintype.processed.class_labels import LABEL_COLUMN, ClassLabels
from tintype.processed.describe_images import write_parquet
from tintype.processed.shards.index import WrittenShard
from tintype.processed.shards.parts import (
    batches_of_files,
    check_parts,
    exported_schema,
    find_directory_above,
    find_part_column,
    name_in_condition,
    refuse_missing_part,
)
from tintype.processed.shards.resume import (
    RECORDED_COLUMNS,
    FinishedShard,
    digest_rows,
    keep_finished,
    put_on_manifest,
    sort_rows,
)
from tintype.settings import read_settings
from tintype.targets.disk_errors import disk_errors
from tintype.tasks.interruption import stop_when_orphaned
from tintype.tasks.naming import show_path
from tintype.tasks.progress import StageProgress
from tintype.tasks.stage import Stage
from tintype.write_funcs.files import hash_file

if TYPE_CHECKING:
    from tintype.manifest.reader import Manifest
    from tintype.targets.directory import DirectoryTarget
    from tintype.targets.staging import Staging

WITHOUT_PART = "arrays"
"""What the files are called where the images are in no parts."""
LABELS = "_labels"
CLASSES_NAME = "classes.json"


class Pack(NamedTuple):
    """What becomes one array."""

    name: str
    """Of its files, without an extension."""
    part: str | None
    rows: ManifestView
    n_files: int


class PackArrays(Stage):
    """Load the images above, which all have one shape, into one ``.npy`` file a part.

    Of each part ``train`` there is ``train.npy`` with shape (n, rows, columns, channels), which ``numpy.load(path,
    mmap_mode="r")`` opens without reading it; ``train.parquet`` with the rows of the images, row `i` for image `i`; and
    where they have labels ``train_labels.npy``, shape (n,), with the numbers of their classes in ``classes.json``.
    Images without a column ``part`` are in ``arrays.npy`` together. They keep the order of the manifest.

    Images go to the disk as they are loaded, so that memory does not grow with their number. A part that an
    interrupted build has finished is not loaded again.

    Examples
    --------
    >>> class Arrays(PackArrays):
    ...     shape = (224, 224, 3)
    >>> Arrays().output().path
    'data/processed/Arrays'
    """

    layer = "processed"
    part_column: str | None = "part"
    """The column that says which part an image is in; None puts all images together."""
    label_column: str | None = "label"
    """The column with the labels: text, whose values are classes, or numbers. None for no labels."""
    shape: tuple[int, ...] | None = None
    """Of each image, such as (224, 224, 3); None takes that of the first."""
    dtype: str = "uint8"
    """Of the arrays."""

    own_settings = frozenset({"part_column", "label_column", "shape", "dtype"})
    recorded_columns = RECORDED_COLUMNS
    columns_that_stay = frozenset(recorded_columns)

    def load_func(self) -> Callable[[Path], Any]:
        """Return what loads a file: an image. Override it for other files, with ``return load_array`` for instance."""
        return load_image

    def build(self, staging: Staging) -> None:
        """Write the arrays that an earlier run has not finished, then rows and labels."""
        target = find_directory_above(self)
        manifest = target.manifest()
        _ = manifest.held  # so that each pass reads the same rows, whatever is built meanwhile
        labels = self._find_labels(manifest)
        packs = self._plan(manifest)
        staging.n_inputs = sum(pack.n_files for pack in packs)
        shape = self._find_shape(target, manifest)
        known = keep_finished(staging, {f"{pack.name}.npy" for pack in packs})
        title = self.output().folder.name
        with (
            disk_errors(f"writing the arrays of {self.output()}"),
            StageProgress(self, title, read_settings().progress, total=staging.n_inputs) as progress,
        ):
            for pack in packs:
                self._write_array(staging, target, pack, shape, known, progress)
                write_rows(staging, manifest, pack)
                if labels is not None:
                    write_labels(staging, labels, pack)
            if labels is not None and labels.classes:
                text = json.dumps(labels.classes, indent=1, ensure_ascii=False) + "\n"
                (staging.files / CLASSES_NAME).write_text(text, encoding="utf-8")
                staging.add(CLASSES_NAME)

    def manifest_batches(self, staging: Staging) -> Iterator[Mapping[str, Any]]:
        """Yield a row for each file of the export, by their paths."""
        return sort_rows(super().manifest_batches(staging))

    def _find_labels(self, manifest: Manifest) -> ClassLabels | None:
        column = self.label_column
        if column is None or (column == LABEL_COLUMN and column not in manifest.schema.names):
            return None
        return ClassLabels(manifest, column)

    def _plan(self, manifest: Manifest) -> list[Pack]:
        """Return what becomes one array each: the parts in order, or all images."""
        part_column = find_part_column(manifest.schema, self.part_column)
        if part_column is None:
            return [Pack(WITHOUT_PART, None, manifest, sum(batch.num_rows for batch in batches_of_files(manifest, ())))]
        counts: Counter[str] = Counter()
        for batch in batches_of_files(manifest, [part_column]):
            refuse_missing_part(batch, part_column)
            for found in batch.column(part_column).value_counts().to_pylist():
                counts[found["values"]] += found["counts"]
        names = check_parts(counts)
        for name in names:
            if f"{name}{LABELS}" in counts:
                raise ManifestError(
                    f"the labels of part {name!r} would have the name of part '{name}{LABELS}': rename one of them"
                )
        if not names:
            return [Pack(WITHOUT_PART, None, manifest, 0)]
        return [Pack(name, name, manifest.where(name_in_condition(part_column, name)), counts[name]) for name in names]

    def _find_shape(self, target: DirectoryTarget, manifest: Manifest) -> tuple[int, ...]:
        """Return the shape of each image."""
        if self.shape is not None:
            return tuple(self.shape)
        files = target.sequence(self.load_func(), where=manifest)
        if not len(files):
            raise SettingsError(
                f"{self.get_task_family()} has no images above to take the shape from: set shape, such as (224, 224, 3)"
            )
        try:
            return np.asarray(files[0]).shape
        except EvaluationError as error:
            raise _name_file(error, target) from error

    def _write_array(
        self,
        staging: Staging,
        target: DirectoryTarget,
        pack: Pack,
        shape: tuple[int, ...],
        known: Mapping[str, FinishedShard],
        progress: StageProgress,
    ) -> None:
        """Load the images of a part into their file, unless that is finished already."""
        path = staging.files / f"{pack.name}.npy"
        rows_digest = digest_rows(pack.rows.where(HAS_FILE).batches(["outpath", "digest"]))
        if path.name in known and known[path.name].rows_digest == rows_digest:
            progress.advance(0, n_kept=pack.n_files, n_failed=0)
            return

        def tell(n_loaded: int) -> None:
            progress.advance(n_loaded, n_kept=0, n_failed=0)
            stop_when_orphaned()

        try:
            target.load_arrays(
                shape,
                load_func=self.load_func(),
                dtype=self.dtype,
                where=pack.rows,
                n_jobs=self.n_jobs,
                out=path,
                progress=tell,
            )
        except EvaluationError as error:
            raise _name_file(error, target) from error
        digest, size_bytes = hash_file(path)
        shard = WrittenShard(path.name, pack.part, pack.n_files, size_bytes, digest)
        put_on_manifest(staging, FinishedShard(shard, rows_digest, is_kept=False))


def write_rows(staging: Staging, manifest: Manifest, pack: Pack) -> None:
    """Write the rows of the images of a part: their paths, and the columns that go with them."""
    import pyarrow as pa

    outpath = manifest.schema.field("outpath").remove_metadata()
    schema = pa.schema([outpath, *exported_schema(manifest)])
    tables = (
        pa.Table.from_arrays([batch.column(name) for name in schema.names], schema=schema)
        for batch in pack.rows.where(HAS_FILE).batches(schema.names)
    )
    write_parquet(staging.files / f"{pack.name}.parquet", tables, schema)
    staging.add(f"{pack.name}.parquet")


def write_labels(staging: Staging, labels: ClassLabels, pack: Pack) -> None:
    """Write the labels of the images of a part."""
    path = f"{pack.name}{LABELS}.npy"
    np.save(staging.files / path, labels.read(pack.rows))
    staging.add(path)


def _name_file(error: EvaluationError, target: DirectoryTarget) -> FileError:
    """Return what stops the build: an image that cannot be loaded, or does not fit."""
    path = str(error.value).removeprefix(f"{target.files_folder()}/")
    return FileError(f"{show_path(path)}: {error.reason}")
