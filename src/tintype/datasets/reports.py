"""What a build of a dataset has done, or would do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tintype.recipe import Reason
from tintype.targets.directory import DirectoryTarget

PartState = Literal["built", "kept", "would be built", "given", "not defined"]
"""``given``: raw data that no ``get_raw`` brings in. ``not defined``: there is no ``process``."""


@dataclass(frozen=True)
class PartReport:
    """What became of the raw or the processed data."""

    layer: Literal["raw", "processed"]
    state: PartState
    target: DirectoryTarget
    reasons: tuple[Reason, ...] = ()
    """Why it was built, or would be."""
    unread_code: tuple[str, ...] = ()
    """What the code uses and tintype cannot read, so that changes in it are not seen."""

    def __str__(self) -> str:
        stamp = self.target.stamp() if self.state in ("built", "kept") else None
        counts = "" if stamp is None else f", {stamp.n_files:,} files"
        failed = "" if stamp is None or not stamp.n_failed else f", {stamp.n_failed:,} inputs failed"
        why = f" ({'; '.join(reason.text for reason in self.reasons)})" if self.reasons else ""
        return f"{self.target}: {self.state}{counts}{failed}{why}"


@dataclass(frozen=True)
class DatasetReport:
    """What became of both."""

    raw: PartReport
    processed: PartReport

    def __iter__(self) -> Iterator[PartReport]:
        yield from (self.raw, self.processed)

    def __str__(self) -> str:
        return "\n".join(map(str, self))
