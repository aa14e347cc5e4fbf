"""The inputs of a stage that still need work, read as work proceeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count, repeat
from types import NoneType
from typing import TYPE_CHECKING, Any, Protocol

from tintype.manifest.schema import Status
from tintype.pipelines.file_result import FileItem, FileResult, result_without_work
from tintype.targets.relative_paths import printable
from tintype.tasks.rows import LeftOut, Trouble

if TYPE_CHECKING:
    from tintype.targets.staging import Staging
    from tintype.tasks.reuse import Reuse
    from tintype.tasks.rows import InputRows, RowBatch

OutpathOrError = str | Trouble | None


class Plan(Protocol):
    """What a stage says of the inputs of a batch."""

    def outpaths(self, batch: RowBatch) -> Sequence[OutpathOrError]:
        """Return where each result goes, or why nowhere."""

    def load_arguments(self, batch: RowBatch) -> Sequence[Any] | None:
        """Return what the load function gets for each input; None for its path."""

    def waits(self, batch: RowBatch) -> Sequence[bool] | None:
        """Return which inputs are left to the last pass; None for none."""


class Todo:
    """Iterate over the inputs that no earlier run of the build has finished.

    Parameters
    ----------
    plan
        Says where each result goes, what the load function gets, and which inputs wait for others.
    rows
        The inputs.
    staging
        Has the journal of what earlier runs finished.
    reuse
        What is taken over from the published directory; None when nothing is.
    writes
        Whether the stage's pipeline writes files.
    """

    def __init__(self, plan: Plan, rows: InputRows, staging: Staging, reuse: Reuse | None, *, writes: bool) -> None:
        self._reuse = reuse
        self._plan = plan
        self._rows = rows
        self._writes = writes
        self._journal = staging.rows
        self._earlier = staging.earlier if staging.earlier.journals else None
        self._ready: list[FileResult] = []
        self._n_kept = 0

    def take_ready(self) -> list[FileResult]:
        """Return the results that need no work, of inputs that were met since the last call."""
        ready, self._ready = self._ready, []
        return ready

    def take_kept(self) -> int:
        """Return the number of finished inputs that were met since the last call."""
        n_kept, self._n_kept = self._n_kept, 0
        return n_kept

    def __iter__(self) -> Iterator[FileItem]:
        for batch in self._rows.batches():
            covered = None if self._reuse is None else self._reuse.covers(batch)
            if covered is not None and covered.all():
                self._n_kept += len(batch)
                continue
            outpaths: Sequence[OutpathOrError] = (
                self._plan.outpaths(batch) if self._writes else batch.trouble or [None] * len(batch)
            )
            finished = self._finished(batch, outpaths)
            if covered is not None:
                finished = [one or other for one, other in zip(finished, covered.tolist(), strict=True)]
            waits = self._plan.waits(batch)
            arguments = self._plan.load_arguments(batch)
            given = repeat(None) if arguments is None else arguments
            numbered = zip(count(batch.start), batch.inpaths, outpaths, given, strict=False)
            if (
                self._earlier is None
                and waits is None
                and not any(finished)
                and set(map(type, outpaths)) <= {str, NoneType}
            ):
                # The common case, nothing to look at one by one: half the time of the loop below.
                yield from map(FileItem._make, numbered)
                continue
            for place, (number, inpath, outpath, source) in enumerate(numbered):
                if finished[place]:
                    self._n_kept += 1
                elif isinstance(outpath, Exception):
                    self._ready.append(result_without_work(number, printable(inpath), Status.FAILED, error=outpath))
                elif isinstance(outpath, LeftOut):
                    reason = outpath.reason
                    self._ready.append(result_without_work(number, printable(inpath), Status.DROPPED, error=reason))
                elif (known := self._find_earlier(batch, place, outpath)) is not None:
                    self._ready.append(known._replace(number=number))
                elif waits is None or not waits[place]:
                    yield FileItem(number, inpath, outpath, source)

    def _find_earlier(self, batch: RowBatch, place: int, outpath: str | None) -> FileResult | None:
        """Return the result of the same input from before the inputs of the stage changed."""
        if self._earlier is None:
            return None
        result = self._earlier.find(batch.inpaths[place], batch.input_digest(place))
        return result if result is not None and result.outpath in (None, outpath) else None

    def _finished(self, batch: RowBatch, outpaths: Sequence[OutpathOrError]) -> Sequence[bool]:
        """Return which inputs an earlier run finished; a result of another input under this number is none."""
        start, stop = batch.start, batch.start + len(batch)
        if not self._journal.has(start, stop).any():
            return [False] * len(batch)
        known = self._journal.columns(start, stop)
        return [
            status is not None and known_inpath == inpath and known_outpath in (None, outpath)
            for status, known_inpath, known_outpath, inpath, outpath in zip(
                known["status"], known["inpath"], known["outpath"], batch.inpaths, outpaths, strict=True
            )
        ]


class LastPass:
    """Iterate over the files of a stage's last pass; what is a result already is noted on the way.

    Parameters
    ----------
    entries
        Files to work on, and results.
    note
        Called with results.
    """

    def __init__(self, entries: Iterable[FileItem | FileResult], note: Callable[[list[FileResult]], None]) -> None:
        self._entries = entries
        self._note = note
        self.n_items = 0
        """Entries that have been met."""

    def __iter__(self) -> Iterator[FileItem]:
        for entry in self._entries:
            self.n_items += 1
            if isinstance(entry, FileResult):
                self._note([entry])
            else:
                yield entry
