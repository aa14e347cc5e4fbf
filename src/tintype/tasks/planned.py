"""What a stage that is not built would publish, as far as that is known without any work: names and carried columns."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import TYPE_CHECKING, Any, NamedTuple

from tintype.errors import SettingsError, StagingError
from tintype.load_funcs.any_file import load_file
from tintype.manifest.arrays import make_array
from tintype.manifest.rows import ROWS_PER_BATCH, ManifestView
from tintype.manifest.schema import Status, manifest_schema
from tintype.records import current_file
from tintype.targets.directory import DirectoryTarget

if TYPE_CHECKING:
    import pyarrow as pa


class PlannedBatch(NamedTuple):
    """Some files that a stage would make."""

    numbers: list[int]
    """Of the items of the stage that they would be made from."""
    outpaths: list[str]
    carried: pa.RecordBatch
    """The columns that travel on; those that are recorded have no values yet."""


class Scratch(threading.local):
    """The folder that the thread's work on one item writes to; gone when the item is done."""

    folder: str = ""
    n_asked: int = 0
    """How often a path in it was asked for."""


_scratch = Scratch()


@contextmanager
def scratch_folder() -> Iterator[str]:
    """Give the running thread a temporary folder for the work on one item, and remove it afterwards.

    It lies where temporary files do, outside the dataset. What the thread has recorded so far about a file in its hands
    stays: an op may look at an item of another stage.
    """
    before, recorded = _scratch.folder, dict(vars(current_file))
    with TemporaryDirectory(prefix="tintype-item-") as folder:
        _scratch.folder = folder
        try:
            yield folder
        finally:
            _scratch.folder = before
            vars(current_file).clear()
            vars(current_file).update(recorded)


def scratch_path(name: str, outpath: str) -> str:
    """Return where the running thread has a file of the stage that `name` stands for."""
    _scratch.n_asked += 1
    return f"{_scratch.folder}/{name}/{outpath}"


def full_or_broken(error: OSError) -> StagingError:
    """Return what a disk's error in a temporary folder becomes: says where that is."""
    return StagingError(
        error.errno,
        f"{error.strerror}, in the temporary folder {gettempdir()}: make room there, or set TMPDIR to another folder",
    )


def count_asked() -> int:
    """Return how often the running thread has asked for a path in a scratch folder: what knows one is good for once."""
    return _scratch.n_asked


class PlannedTarget(DirectoryTarget):
    """The directory of a stage that is not built, for what reads it: its files lie in the thread's scratch folder.

    Parameters
    ----------
    folder
        That the stage would publish.
    name
        Of its folder in the scratch folder: different for each stage.
    extra_schema
        Returns the schema of the carried and recorded columns.
    make_batches
        Returns the files it would make.
    files_in
        Where the files lie, when the stage takes them where they are.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        extra_schema: Callable[[], pa.Schema],
        make_batches: Callable[[], Iterator[PlannedBatch]],
        files_in: str | None = None,
    ) -> None:
        super().__init__(folder)
        self._name = name
        self._extra_schema = extra_schema
        self._make_batches = make_batches
        self._files_in = files_in

    def manifest(self) -> PlannedManifest:  # type: ignore[override]  # reads as one, and is in no file
        """Return the rows that are known now."""
        return PlannedManifest(self._extra_schema(), self._make_batches)

    def files(self) -> Iterator[Path]:
        """Return where the files lie, where that is known before the stage is built."""
        self._refuse_without_files()
        return super().files()

    def read(self, load_func: Callable[[Path], Any] | None = None) -> Iterator[tuple[Path, Any]]:
        """Read the files, where they lie somewhere before the stage is built."""
        self._refuse_without_files()
        return super().read(load_func or load_file)

    def _refuse_without_files(self) -> None:
        if self._files_in is None:
            raise SettingsError(
                f"{self.folder} is not built, and all of its files are asked for: build it first, tintype rebuild "
                f"--stage {self.folder.name}"
            )

    def files_folder(self) -> Path:
        """Return where the running thread has the files of the item it works on."""
        return Path(scratch_path(self._name, "") if self._files_in is None else self._files_in)


class PlannedManifest(ManifestView):
    """The manifest of a stage that is not built: output paths and carried columns; nothing is known of the files.

    Parameters
    ----------
    extra_schema
        Of the carried and recorded columns.
    make_batches
        Returns the files, from the start.
    """

    def __init__(self, extra_schema: pa.Schema, make_batches: Callable[[], Iterator[PlannedBatch]]) -> None:
        self._extra = extra_schema
        self._make_batches = make_batches

    def __len__(self) -> int:
        return sum(len(batch.outpaths) for batch in self._make_batches())

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema that the manifest would have."""
        return manifest_schema(self._extra)

    def batches(
        self, columns: Sequence[str] | None = None, *, rows_per_batch: int = ROWS_PER_BATCH
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows; what is not known yet is null."""
        import pyarrow as pa

        schema = self.schema
        wanted = pa.schema([schema.field(name) for name in columns]) if columns is not None else schema
        for batch in self._make_batches():
            n_rows = len(batch.outpaths)
            known = {
                "outpath": make_array(batch.outpaths, pa.string()),
                "status": pa.repeat(pa.scalar(str(Status.WRITTEN), schema.field("status").type), n_rows),
                **{name: batch.carried.column(name) for name in batch.carried.schema.names},
            }
            arrays = [known.get(field.name, pa.nulls(n_rows, field.type)) for field in wanted]
            if not arrays:
                continue
            whole = pa.RecordBatch.from_arrays(arrays, schema=wanted)
            for start in range(0, n_rows, rows_per_batch):
                yield whole.slice(start, rows_per_batch)
