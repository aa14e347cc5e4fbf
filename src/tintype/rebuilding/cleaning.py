"""Find and remove what builds left behind: abandoned staging, leftovers of replacements, directories nobody writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tintype.errors import TintypeError
from tintype.rebuilding.leftovers import Leftover, find_leftovers
from tintype.rebuilding.survey import survey
from tintype.rebuilding.sweeping import sweep
from tintype.rebuilding.words import describe_error

if TYPE_CHECKING:
    from luigi.task import Task


@dataclass(frozen=True, repr=False)
class CleanReport:
    """What builds left behind, and what became of it."""

    leftovers: tuple[Leftover, ...]
    is_dry_run: bool

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not self.errors

    @property
    def errors(self) -> tuple[str, ...]:
        """What could not be removed, and why."""
        return tuple(f"{leftover.path}: {leftover.error}" for leftover in self.leftovers if leftover.error)

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain values."""
        leftovers = [leftover.to_json() for leftover in self.leftovers]
        return {"ok": self.ok, "dry_run": self.is_dry_run, "leftovers": leftovers}

    def __str__(self) -> str:
        return "\n".join(leftover.line(is_dry_run=self.is_dry_run) for leftover in self.leftovers) or "nothing to clean"

    def __repr__(self) -> str:
        return str(self)


def clean(task: Task, *, dry_run: bool = True, staging: bool = False) -> CleanReport:
    """Remove what builds left behind below the base directories of a graph.

    That is: staging of another recipe, or of a directory that no stage of the graph writes; what interrupted
    replacements left; and published directories that no stage of the graph writes, those of other graphs and of other
    parameters in the same base directory among them. An old directory whose replacement never came is put back. Nothing
    is touched that tintype cannot be shown to have made, or that a process is building.

    Parameters
    ----------
    task
        A stage, or any Luigi task that requires stages: best the one that requires all of them.
    dry_run
        Return what would be done, and do nothing.
    staging
        Remove staging that waits to be resumed too.

    Returns
    -------
    CleanReport
        What was found, and what became of it.
    """
    looks = [look for look in survey(task) if look.status.is_stage]
    found = tuple(find_leftovers(looks, staging=staging))
    return CleanReport(found if dry_run else tuple(_sweep_all(found)), dry_run)


def _sweep_all(leftovers: tuple[Leftover, ...]) -> Iterator[Leftover]:
    for leftover in leftovers:
        if leftover.action == "keep":
            yield leftover
            continue
        try:
            sweep(leftover)
        except (TintypeError, OSError) as error:
            yield replace(leftover, error=describe_error(error))
        else:
            yield leftover
