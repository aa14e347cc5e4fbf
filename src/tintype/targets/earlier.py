"""Results of a build whose inputs have changed since: those of unchanged inputs are still right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tintype.pipelines.file_result import FileResult
from tintype.targets.disk_errors import disk_errors
from tintype.targets.journal import Journal
from tintype.targets.path_index import PathIndex

if TYPE_CHECKING:
    import pyarrow as pa

INPUTS_NAME = "inputs.arrow"


class EarlierResults:
    """Find the result that an earlier build of another set of inputs has for an input.

    Holds 18 to 36 bytes an earlier result.

    Parameters
    ----------
    folders
        Each with a journal and the inputs it is about, latest last.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self.journals = [Journal(folder, "rows") for folder in folders]
        self._folders = folders
        self._index: PathIndex | None = None
        self._starts: list[int] = []

    def find(self, inpath: str, input_digest: str | None) -> FileResult | None:
        """Return the result of an input with this path and this digest; None where there is none."""
        if input_digest is None:
            return None
        if self._index is None:
            self._index = self._read()
        number = self._index.get(f"{input_digest}\0{inpath}")
        if number is None:
            return None
        place = max(place for place, start in enumerate(self._starts) if start <= number)
        result = self.journals[place].result(number - self._starts[place])
        return result if result is not None and result.inpath == inpath else None

    def _read(self) -> PathIndex:
        index = PathIndex()
        next_start = 0
        for folder in self._folders:
            self._starts.append(next_start)
            for inpath, digest in read_inputs(folder / INPUTS_NAME):
                if digest is not None:
                    index.set(f"{digest}\0{inpath}", next_start)
                next_start += 1
        return index


class InputsWriter:
    """Note which inputs a journal is about, in their order; a context manager. Counts from its path once complete."""

    def __init__(self, folder: Path) -> None:
        import pyarrow as pa

        self._path = folder / INPUTS_NAME
        self._draft = folder / f"{INPUTS_NAME}.draft"
        self._schema = pa.schema([("inpath", pa.string()), ("input_digest", pa.string())])
        with disk_errors(f"noting inputs in {folder}"):
            self._writer = pa.ipc.new_stream(str(self._draft), self._schema)

    def write(self, inpaths: pa.Array, digests: pa.Array) -> None:
        """Note some inputs."""
        import pyarrow as pa

        with disk_errors(f"noting inputs in {self._path.parent}"):
            self._writer.write_batch(pa.RecordBatch.from_arrays([inpaths, digests], schema=self._schema))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with disk_errors(f"noting inputs in {self._path.parent}"):
            self._writer.close()
            if kind is None:
                self._draft.replace(self._path)


def read_inputs(path: Path) -> Iterable[tuple[str, str | None]]:
    """Yield path and digest of each input that was noted; nothing when nothing was."""
    import pyarrow as pa

    if not path.is_file():
        return
    with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
        for batch in reader:
            yield from zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True)
