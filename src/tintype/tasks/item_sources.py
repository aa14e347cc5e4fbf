"""Any item of a stage, and its row: what is asked of the published directory, and of what stands for one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import cached_property
from time import perf_counter
from types import GeneratorType
from typing import TYPE_CHECKING, Any, NamedTuple

from tintype.manifest.lookup import ManifestLookup
from tintype.tasks.planned import PlannedBatch
from tintype.tasks.rows import ManifestRows

if TYPE_CHECKING:
    from tintype.targets.directory import DirectoryTarget


class MadeFile(NamedTuple):
    """One result of one input."""

    path: str | None
    """Where it lies while the item is worked on; None when the stage writes no files."""
    row: dict[str, Any]
    """What its row in the manifest is, or would be."""
    data: Any = None
    """What came out of the last op, of a stage that writes no files."""


class Made(NamedTuple):
    """The results of one input: one, or any number where they come from a generator."""

    files: list[MadeFile]
    is_several: bool


class NotMadeError(Exception):
    """An input has no result: it failed or is dropped, in this stage or above."""

    def __init__(self, stage: str, inpath: str, *, reason: str, error: BaseException | None) -> None:
        super().__init__(stage, inpath, reason)
        self.stage = stage
        self.inpath = inpath
        self.reason = reason
        self.error = error
        """None when it is dropped."""


class Trial:
    """What is noted while items are tried: the time of each step, and what the last item was made from.

    Examples
    --------
    >>> trial = Trial()
    >>> trial.timed("double", lambda number: 2 * number)(21)
    42
    >>> list(trial.seconds)
    ['double']
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        """Wall time of each step, over all items, in the order in which the steps were met."""
        self.before: list[MadeFile] = []
        """The files of the stages above that the last item was made from."""

    def timed(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does what `function` does, and has its time added to a step.

        Of a generator that it returns, the time between two results is added too.
        """

        def call(*arguments: Any) -> Any:
            with self._timing(step):
                result = function(*arguments)
            return self._generate(step, result) if type(result) is GeneratorType else result

        return call

    def _generate(self, step: str, results: Iterator[Any]) -> Iterator[Any]:
        while True:
            with self._timing(step):
                try:
                    result = next(results)
                except StopIteration:
                    return
            yield result

    @contextmanager
    def _timing(self, step: str) -> Iterator[None]:
        started = perf_counter()
        try:
            yield
        finally:
            self.seconds[step] = self.seconds.get(step, 0.0) + perf_counter() - started


class ItemSource(ABC):
    """The items of one stage, by number."""

    target: DirectoryTarget
    """What the stages below read: the published directory, or what stands for one that is not built."""
    recorded_columns: Collection[str] = ()
    """Names of the columns that the stage adds to its rows."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of items."""

    @abstractmethod
    def made(self, number: int, trial: Trial | None = None) -> Made:
        """Return the results of one item, computed in the thread's scratch folder where they are not on the disk.

        Raises
        ------
        NotMadeError
            When it has none.
        """

    @abstractmethod
    def planned(self) -> Iterator[PlannedBatch]:
        """Yield the files that the stage has or would make, as far as is known without any work."""


class PublishedItems(ItemSource):
    """The files of a published directory."""

    def __init__(self, target: DirectoryTarget) -> None:
        self.target = target
        self._files = target.sequence()

    def __len__(self) -> int:
        return len(self._files)

    def made(self, number: int, trial: Trial | None = None) -> Made:
        """Return the file and its row: nothing is computed."""
        return Made([MadeFile(str(self._files.path(number)), dict(self._files.row(number)))], is_several=False)

    def find_digest(self, path: str) -> str | None:
        """Return the digest of one of the files by where it lies; None when it is none of them."""
        folder = f"{self.target.files_folder()}/"
        row = self._lookup.find([path.removeprefix(folder)])[0] if path.startswith(folder) else None
        return None if row is None else row["digest"]

    @cached_property
    def _lookup(self) -> ManifestLookup:
        return ManifestLookup(self.target.manifest(), "outpath", ["digest"])

    def planned(self) -> Iterator[PlannedBatch]:
        """Yield the files of the manifest."""
        for batch in ManifestRows(self.target.manifest()).batches():
            yield PlannedBatch(list(range(batch.start, batch.start + len(batch))), batch.inpaths, batch.carried)
