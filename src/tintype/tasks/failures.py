"""Count the files of a stage that failed, and say when they are too many."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tintype.errors import SettingsError, TooManyFailuresError
from tintype.manifest.schema import Status
from tintype.pipelines.file_result import FileResult
from tintype.tasks.naming import show_path

HOPELESS_FILES = 20
"""When this many files have been tried and every one failed, the code is wrong, not a file."""


@dataclass
class Failures:
    """How many of a stage's inputs failed, and the first of them."""

    max_failure_rate: float
    total: int
    n_failed: int = 0
    n_good: int = 0
    first: FileResult | None = None

    def __post_init__(self) -> None:
        """Refuse a rate that is none, such as a number of files or a percentage."""
        rate: object = self.max_failure_rate
        if not isinstance(rate, int | float) or not 0 <= rate <= 1:
            raise SettingsError(f"max_failure_rate is {rate!r}: give the share of files that may fail, from 0 to 1")

    def count(self, results: Iterable[FileResult], *, n_kept: int = 0) -> None:
        """Count results, and good ones of an earlier run."""
        self.n_good += n_kept
        for result in results:
            if result.status != Status.FAILED:
                self.n_good += 1
                continue
            self.n_failed += 1
            if self.first is None or result.number < self.first.number:
                self.first = result

    def recount(self, results: Iterable[FileResult], *, n_kept: int = 0) -> None:
        """Count anew, after some inputs had a second chance; `n_kept` have a good result elsewhere."""
        self.n_failed, self.n_good, self.first = 0, n_kept, None
        self.count(results)

    def are_too_many(self) -> bool:
        """Return whether more failed than the rate allows."""
        return self.n_failed > self.max_failure_rate * self.total

    def stop_when_all_fail(self, path: str) -> None:
        """Stop at once when the first files all failed; TooManyFailuresError."""
        if self.n_good == 0 and self.n_failed >= HOPELESS_FILES and self.max_failure_rate < 1:
            raise TooManyFailuresError(
                f"the first {self.n_failed} of {self.total} files all failed, so {path} was not built further. "
                f"First: {self._first()}. See them with: tintype show --failed {path}"
            )

    def stop_when_too_many(self, path: str) -> None:
        """Stop a stage that has gone through all its files; TooManyFailuresError."""
        if self.are_too_many():
            raise TooManyFailuresError(
                f"{self.n_failed} of {self.total} files failed, so {path} was not published; the finished files are "
                f"kept. First: {self._first()}. Allow some with max_failure_rate (now {self.max_failure_rate:g}), "
                f"or see them with: tintype show --failed {path}"
            )

    def _first(self) -> str:
        first = self.first
        return "unknown" if first is None else f"{show_path(str(first.inpath))}: {first.error_type}: {first.error}"
