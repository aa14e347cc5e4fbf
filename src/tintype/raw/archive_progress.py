"""Say how far an extraction is, when nobody knows how many members there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tintype.raw.archives.limits import Meter
from tintype.tasks.progress import StageProgress

if TYPE_CHECKING:
    import luigi

    from tintype.settings import Progress


class ArchiveProgress(StageProgress):
    """Progress whose total is estimated from the share of the archive that has been read.

    Parameters
    ----------
    task, title, kind
        See :class:`StageProgress`.
    meter
        Counts the bytes of the archive that were read.
    size_bytes
        Of the archive; None when it is not known.
    """

    def __init__(self, task: luigi.Task, title: str, kind: Progress, meter: Meter, size_bytes: int | None) -> None:
        super().__init__(task, title, kind, total=0)
        self._meter = meter
        self._size_bytes = size_bytes

    def note(self, counts: tuple[int, int], *, n_failed: int) -> None:
        """Add members that were worked on, and found finished."""
        n_worked, n_kept = counts
        done = self._n_done + n_worked + n_kept
        if self._size_bytes and self._meter.n_packed:
            self._total = max(done, round(done * self._size_bytes / self._meter.n_packed))
        self.advance(n_worked, n_kept=n_kept, n_failed=n_failed)

    def describe(self) -> str:
        """Return how far the extraction is, in words."""
        words = super().describe()
        if self._total <= self._n_done:
            return words.replace(f" of {self._total:,}", "", 1)
        return words.replace(" of ", " of about ", 1)

    def _tell_bar(self) -> None:
        if self._bar is not None:
            self._bar.update(self._bar_task, total=self._total or None)
        super()._tell_bar()
