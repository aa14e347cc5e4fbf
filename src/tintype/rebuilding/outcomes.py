"""What became of each stage of a rebuild."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from tintype.errors import ManifestError
from tintype.manifest.reader import Manifest
from tintype.manifest.schema import MANIFEST_NAME, Status
from tintype.rebuilding.explanation import Explanation
from tintype.rebuilding.running import Run
from tintype.rebuilding.survey import Look
from tintype.rebuilding.words import align, reason_to_json
from tintype.recipe import Reason

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

COLUMNS = ("stage", "outcome", "computed", "reused", "failed", "removed", "seconds", "")
"""What :meth:`StageOutcome.cells` returns."""
RIGHT = (2, 3, 4, 5, 6)
"""Which of them hold numbers."""


@dataclass(frozen=True)
class StageOutcome:
    """What became of one task of a graph."""

    name: str
    family: str
    state: Literal["built", "kept", "failed", "not built"]
    """``kept``: it was up to date, or turned out to be. ``not built``: something above failed."""
    directory: str | None = None
    n_computed: int = 0
    """Results that were made."""
    n_reused: int = 0
    """Results that were taken over from the directory before."""
    n_failed: int = 0
    """Inputs that failed."""
    n_removed: int = 0
    """Inputs of the directory before that are not in it any more."""
    seconds: float = 0.0
    reasons: tuple[Reason, ...] = ()
    """Why it had to be built, as was known before."""
    error: str = ""

    def cells(self) -> Sequence[str]:
        """Return the outcome as the cells of a table."""
        if self.state != "built" or self.directory is None:
            return self.name, self.state, "", "", "", "", _describe_seconds(self.seconds), self.error
        counts = (self.n_computed, self.n_reused, self.n_failed, self.n_removed)
        why = "; ".join(reason.text for reason in self.reasons)
        return self.name, self.state, *(f"{count:,}" for count in counts), _describe_seconds(self.seconds), why

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as plain values."""
        return {
            "name": self.name,
            "family": self.family,
            "state": self.state,
            "directory": self.directory,
            "n_computed": self.n_computed,
            "n_reused": self.n_reused,
            "n_failed": self.n_failed,
            "n_removed": self.n_removed,
            "seconds": round(self.seconds, 3),
            "reasons": [reason_to_json(reason) for reason in self.reasons],
            "error": self.error,
        }


@dataclass(frozen=True, repr=False)
class RebuildReport:
    """What became of each task that was asked for, and of what it requires."""

    outcomes: tuple[StageOutcome, ...] = ()
    """What is required before what requires it."""
    plan: Explanation | None = None
    """Of a dry run: what would be done."""
    is_dry_run: bool = False

    @property
    def ok(self) -> bool:
        """Whether everything is up to date now; of a dry run, whether nothing stands in the way."""
        if self.plan is not None:
            return not self.plan.errors
        return all(outcome.state in ("built", "kept") for outcome in self.outcomes)

    @property
    def built(self) -> tuple[str, ...]:
        """Names of what was built, in the order of the graph."""
        return tuple(outcome.name for outcome in self.outcomes if outcome.state == "built")

    @property
    def errors(self) -> tuple[str, ...]:
        """What went wrong, a sentence for each task that failed."""
        if self.plan is not None:
            return self.plan.errors
        return tuple(f"{outcome.name}: {outcome.error}" for outcome in self.outcomes if outcome.error)

    def __getitem__(self, name: str) -> StageOutcome:
        """Return what became of a stage by its name; KeyError when there is none."""
        for outcome in self.outcomes:
            if name in (outcome.name, outcome.family):
                return outcome
        raise KeyError(name)

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain values."""
        if self.plan is not None:
            return {"ok": self.ok, "dry_run": True, **self.plan.to_json()}
        return {"ok": self.ok, "dry_run": False, "stages": [outcome.to_json() for outcome in self.outcomes]}

    def __str__(self) -> str:
        if self.plan is not None:
            return str(self.plan)
        if not self.outcomes:
            return "nothing to do"
        return align([COLUMNS, *(outcome.cells() for outcome in self.outcomes)], right=RIGHT)

    def __repr__(self) -> str:
        return str(self)


class OldInputs(AbstractContextManager["OldInputs"]):
    """The manifests of what is published before a build, held open: they can be read when they have been replaced.

    Parameters
    ----------
    looks
        The graph before the build.
    """

    def __init__(self, looks: Sequence[Look]) -> None:
        self._folders = [look.stage.output().folder for look in looks if look.status.stamp is not None]
        self._descriptors: dict[Path, int] = {}

    def __enter__(self) -> Self:
        for folder in self._folders:
            try:
                self._descriptors[folder] = os.open(folder / MANIFEST_NAME, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                pass  # not there, or too many open files: then it is not known what was removed
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors.clear()

    def count_removed(self, folder: Path) -> int:
        """Return how many inputs were in the directory before and are not now."""
        import numpy as np

        descriptor = self._descriptors.get(folder)
        if descriptor is None:
            return 0
        try:
            old = _hash_inputs(Manifest(Path(f"/dev/fd/{descriptor}")))
            return len(np.setdiff1d(old, _hash_inputs(Manifest(folder / MANIFEST_NAME))))
        except ManifestError:
            return 0  # a broken manifest is no reason to lose the report of a build that succeeded


def sum_up(before: Sequence[Look], after: Sequence[Look], runs: Mapping[str, Run], old: OldInputs) -> RebuildReport:
    """Return the report of a build.

    Parameters
    ----------
    before, after
        The same graph before and after it.
    runs
        What became of each task that Luigi ran.
    old
        What was published before.
    """
    return RebuildReport(tuple(_outcomes(before, after, runs, old)))


def _outcomes(
    before: Sequence[Look], after: Sequence[Look], runs: Mapping[str, Run], old: OldInputs
) -> Iterator[StageOutcome]:
    known = {look.status.key: look.status for look in before}
    for look in after:
        now = look.status
        earlier = known.get(now.key)
        run = runs.get(look.task.task_id, Run())
        state = _state(look, run, None if earlier is None or earlier.stamp is None else earlier.stamp.build_id)
        outcome = StageOutcome(
            now.name,
            now.family,
            state,
            now.directory,
            seconds=run.seconds,
            reasons=() if earlier is None else earlier.reasons,
            error=run.error or now.error if state == "failed" else "",
        )
        yield _count(outcome, look, old) if state == "built" and now.stamp is not None else outcome


def _count(outcome: StageOutcome, look: Look, old: OldInputs) -> StageOutcome:
    stamp = look.status.stamp
    assert stamp is not None
    return replace(
        outcome,
        n_computed=stamp.statuses.get(Status.WRITTEN, 0),
        n_reused=stamp.statuses.get(Status.REUSED, 0),
        n_failed=stamp.n_failed,
        n_removed=old.count_removed(look.stage.output().folder),
    )


def _state(look: Look, run: Run, earlier_build: str | None) -> Literal["built", "kept", "failed", "not built"]:
    now = look.status
    if run.is_locked and now.state == "complete":
        return "kept"  # another process built it meanwhile
    if run.error or now.state == "error":
        return "failed"
    if now.is_stage:
        is_new = now.stamp is not None and now.stamp.build_id != earlier_build
        return "built" if is_new else "kept" if now.state == "complete" else "not built"
    return "built" if run.is_done else "kept" if now.state == "complete" else "not built"


def _hash_inputs(manifest: Manifest) -> npt.NDArray[np.int64]:
    """Return the hash of the path of each input, 8 bytes each."""
    import numpy as np

    hashes = [np.zeros(0, np.int64)]
    for batch in manifest.batches(["inpath"]):
        paths = batch.column(0).drop_null().to_pylist()
        hashes.append(np.fromiter(map(hash, paths), np.int64, len(paths)))
    return np.concatenate(hashes)


def _describe_seconds(seconds: float) -> str:
    return f"{seconds:.1f}" if seconds else ""
