"""The state of one task of a graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from tintype.rebuilding.words import reason_to_json
from tintype.recipe import Reason
from tintype.targets.staging_state import StagingState
from tintype.targets.stamp import Stamp

State = Literal["complete", "stale", "failed", "building", "never built", "error"]
"""``stale``: published, and not what is asked for now, or something above is not. ``failed``: a build that failed or
was interrupted waits to be resumed. ``error``: it cannot be said, see the error."""


@dataclass(frozen=True)
class TaskStatus:
    """The state of one task."""

    name: str
    """Of a stage, that of its directory; of any other task its family, with its parameters where that is not enough."""
    family: str
    key: str
    """Tells the task from every other of the graph."""
    state: State
    requires: tuple[str, ...] = ()
    """Keys of the tasks that it requires."""
    waits_for: tuple[str, ...] = ()
    """Names of those of them that are not complete."""
    reasons: tuple[Reason, ...] = ()
    """Why the stage itself has to be built."""
    directory: str | None = None
    """Where the stage publishes; None for a task that is no stage."""
    stamp: Stamp | None = None
    """Of what is published."""
    staging: StagingState | None = None
    """What lies in the staging directory."""
    error: str = ""

    @property
    def is_stage(self) -> bool:
        """Whether it is one of tintype's stages."""
        return self.directory is not None

    def describe(self) -> str:
        """Return what there is to say beyond the state, as a clause; empty when there is nothing."""
        said = [self.error] if self.error else []
        if self.staging is not None and self.state == "building":
            said.append(f"by {self.staging.builder}, {_count(self.staging)}")
        elif self.staging is not None and self.state == "failed":
            waits = "wait to be resumed" if self.staging.is_current else "were made by another recipe"
            said.append(f"{_count(self.staging)}, {waits}")
        if self.state in ("stale", "failed"):
            said.extend(reason.text for reason in self.reasons)
        if self.waits_for:
            said.append(f"after {', '.join(self.waits_for)}")
        return "; ".join(said)

    def to_json(self) -> dict[str, Any]:
        """Return the state as plain values."""
        stamp, staging = self.stamp, self.staging
        return {
            "name": self.name,
            "family": self.family,
            "key": self.key,
            "state": self.state,
            "requires": list(self.requires),
            "waits_for": list(self.waits_for),
            "reasons": [reason_to_json(reason) for reason in self.reasons],
            "directory": self.directory,
            "n_files": None if stamp is None else stamp.n_files,
            "n_failed": None if stamp is None else stamp.n_failed,
            "size_bytes": None if stamp is None else stamp.size_bytes,
            "time_published": None if stamp is None else stamp.time_published,
            "digest": None if stamp is None else stamp.digest,
            "staging": None if staging is None else _staging_to_json(staging),
            "error": self.error,
        }


def _count(staging: StagingState) -> str:
    failed = f", {staging.n_failed:,} failed" if staging.n_failed else ""
    return f"{staging.n_finished:,} finished{failed}"


def _staging_to_json(staging: StagingState) -> dict[str, Any]:
    return {
        "builder": staging.builder,
        "n_finished": staging.n_finished,
        "n_failed": staging.n_failed,
        "is_current": staging.is_current,
    }
